import type { Hub } from "@zocalo/hub";
import { checkHas } from "@zocalo/net/transport";
import { RoomError } from "../contracts/errors.ts";
import { MOVING } from "../contracts/wire.ts";
import type { Room, RoomDefinition } from "../match/definition.ts";
import { Admission } from "./admission.ts";
import { RoomCalls } from "./calls.ts";
import { checkMode } from "./check-mode.ts";
import { Directory } from "./directory.ts";
import { RoomList } from "./list.ts";
import { Matchmaker } from "./matchmaker.ts";
import {
  type CreateOptions,
  type RoomMode,
  type RoomsOptions,
  reporter,
  settingsOf,
  systemClock,
  type RoomsStats,
} from "./options.ts";
import { randomName, RoomRegistry } from "./registry.ts";
import { RoomStore } from "./room-store.ts";
import type { RunningRoom } from "./running-room.ts";

/**
 * The rooms of a server, on its hub: who is in them, when they tick, and what becomes of them when the
 * process ends.
 *
 * @example
 * const rooms = new Rooms(hub, { arena: definition }); // of `defineRoom`
 * await rooms.open(); // goes on with what the process before has left
 * // …
 * await rooms.close(); // before hub.close(): hands over
 */
export class Rooms {
  /** A random name of this process, which tickets bear. */
  readonly process = randomName();
  readonly #report: (error: unknown) => void;
  readonly #directory: Directory;
  readonly #registry: RoomRegistry;
  readonly #store: RoomStore;
  readonly #calls: RoomCalls;
  readonly #matchmaker: Matchmaker;
  readonly #list: RoomList;
  #closing: Promise<void> | undefined;

  /**
   * @throws RoomError `invalid_schema` for a game that is none, `invalid_option`, `unknown_field`
   * @throws NetError `invalid_argument` for an option whose name or kind is not known
   */
  constructor(hub: Hub, modes: { readonly [mode: string]: RoomMode }, options: RoomsOptions = {}) {
    checkHas("set", hub, ["handle", "history"], "not a hub");
    const settings = settingsOf(options);
    const { clock = systemClock, wall = Date.now } = options;
    const definitions = new Map<string, RoomDefinition>();
    for (const [mode, definition] of Object.entries(modes)) {
      checkMode(mode, definition as RoomDefinition);
      definitions.set(mode, definition as RoomDefinition);
    }
    const report = reporter(options.onError);
    this.#report = report;
    this.#store = new RoomStore(hub, clock, report);
    this.#list = new RoomList(hub, clock, report);
    this.#directory = new Directory(hub, settings.maxPlacesPerAddress, settings.exemptAddresses);
    this.#registry = new RoomRegistry({
      modes: definitions,
      settings,
      clock,
      wall,
      report,
      directory: this.#directory,
      list: this.#list,
      store: this.#store,
    });
    const admission = new Admission({
      process: this.process,
      settings,
      registry: this.#registry,
      directory: this.#directory,
    });
    this.#calls = new RoomCalls(hub, { settings, report, admission, directory: this.#directory });
    this.#matchmaker = new Matchmaker(hub, this.#registry, admission, clock);
  }

  /** Rooms that are open. */
  get size(): number {
    return this.#registry.size;
  }

  /** The room of this id. */
  get(id: string): Room | undefined {
    return this.#registry.room(id)?.match;
  }

  /**
   * Lets players in, and goes on with the rooms that the process before has left. Ticks of a
   * room go on when everybody is back who was there, and at the latest a second after its last one. A room
   * that cannot be read is told to `onError`.
   *
   * @returns how many went on
   * @throws ProtocolError `unknown_channel` if the hub has no `roomNamespaces`, `unavailable`
   */
  async open(): Promise<number> {
    const ids = await this.#store.readIndex();
    if (ids !== undefined) {
      await Promise.all(ids.map((id) => this.#registry.restore(id)));
      this.#store.indexChanged(() => this.#registry.ids);
    }
    this.#registry.isOpen = this.#closing === undefined;
    return this.size;
  }

  /**
   * Makes a room. It is there until it is closed, or nobody has been in it for `emptyMs`.
   *
   * @throws RoomError `unknown_kind` for a mode that there is not, `limit_reached`, `ended` once `close` was
   * called; what the game's `open` throws
   */
  create(mode: string, options: CreateOptions = {}): Room {
    if (this.#closing !== undefined) throw new RoomError("ended", "the rooms are closed: none is opened");
    return this.#registry.create(mode, options).match;
  }

  /** How many there are now. */
  stats(): RoomsStats {
    const stats = { rooms: this.size, players: 0, bots: 0, watchers: 0 };
    for (const { seating } of this.#registry.rooms) {
      const { counts } = seating;
      stats.players += counts.players;
      stats.bots += counts.bots;
      stats.watchers += counts.watchers;
    }
    return stats;
  }

  /**
   * Stops all rooms, and hands them over: everything of them is with the hub's engine when this resolves. Who
   * is in them is told, and joins again by itself. A second call waits for the first.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#registry.close();
    this.#store.stop();
    this.#list.close();
    this.#matchmaker.stop();
    const rooms = [...this.#registry.rooms];
    const handed = rooms.map((room) => ({ room, kept: this.#handOver(room) }));
    for (const { seating } of rooms) {
      for (const participant of seating.participants) this.#directory.send(participant, MOVING, {});
    }
    await Promise.all(
      handed.map(async ({ room, kept }) => {
        await room.settled();
        if (kept !== undefined) await this.#store.keep(room.match.id, () => kept);
      }),
    );
    await this.#store.writeIndex(this.#registry.ids);
    this.#matchmaker.close();
    this.#calls.close();
  }

  #handOver(room: RunningRoom): Uint8Array | undefined {
    try {
      return room.handOver();
    } catch (error) {
      this.#report(error);
      return undefined;
    }
  }
}
