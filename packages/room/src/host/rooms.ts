import { randomBytes } from "node:crypto";
import { CallError, type Hub } from "@zocalo/hub";
import { AddressCounts, exemptSet, type Holder } from "@zocalo/net";
import { checkHas } from "@zocalo/net/transport";
import type { Json } from "@zocalo/protocol";
import { RoomError, shown } from "../contracts/errors.ts";
import { EVENT, MOVING, type RoomCreation } from "../contracts/wire.ts";
import { readHead, restoreMatch } from "../match/checkpoint.ts";
import type { Room, RoomDefinition } from "../match/definition.ts";
import { Match } from "../match/match.ts";
import type { Clock } from "../timing/clock.ts";
import { Stagger } from "../timing/stagger.ts";
import { checkMode } from "./check-mode.ts";
import { Doors, type House } from "./doors.ts";
import { type ListedRoom, RoomList } from "./list.ts";
import { Matching } from "./matching.ts";
import { SAVES_NAMESPACE } from "./namespaces.ts";
import {
  type CreateOptions,
  type RoomMode,
  type RoomsOptions,
  type Settings,
  reporter,
  settingsOf,
  systemClock,
} from "./options.ts";
import type { Newcomer } from "./place.ts";
import { type RoomKeeper, RunningRoom } from "./running-room.ts";
import { readSavedRoom } from "./saved-room.ts";
import { Saves } from "./saves.ts";

/** What all rooms do. */
export interface RoomsStats {
  readonly rooms: number;
  readonly players: number;
  readonly bots: number;
  readonly watchers: number;
}

/** A place is kept for so long for who was matched and has not come, in milliseconds. */
const RESERVE_MS = 15_000;
/** The index is kept so long after it has changed, in milliseconds. */
const INDEX_DELAY_MS = 200;
const INDEX = `${SAVES_NAMESPACE}:index`;
/** Bytes of a name: 128 bits cannot be guessed, 48 only tell rooms apart. */
const SECRET_BYTES = 16;
const PUBLIC_BYTES = 6;

/**
 * The rooms of a server, on its hub: who is in them, when they tick, and what becomes of them when the
 * process ends.
 *
 * @example
 * const rooms = new Rooms(hub, { arena: defineRoom({ game, seats: 10, join, step }) });
 * await rooms.open(); // goes on with what the process before has left
 * // …
 * await rooms.close(); // before hub.close(): hands over
 */
export class Rooms {
  /** A random name of this process, which tickets bear. */
  readonly process = nameOf(PUBLIC_BYTES);
  readonly #options: Settings;
  readonly #report: (error: unknown) => void;
  readonly #modes = new Map<string, RoomDefinition>();
  readonly #rooms = new Map<string, RunningRoom>();
  readonly #perAddress: AddressCounts;
  readonly #stagger = new Map<number, Stagger>();
  readonly #saves: Saves;
  readonly #doors: Doors;
  readonly #matching: Matching;
  readonly #list: RoomList;
  readonly #clock: Clock;
  readonly #wall: () => number;
  /** By room: the number of what was kept last. */
  readonly #savesOf = new Map<string, number>();
  #indexSave = 0;
  #cancelIndex: (() => void) | undefined;
  #writingIndex: Promise<void> = Promise.resolve();
  #isOpen = false;
  #closing: Promise<void> | undefined;

  /**
   * @throws RoomError `invalid_schema` for a game that is none, `invalid_option`, `unknown_field`
   * @throws NetError `invalid_argument` for an option whose name or kind is not known
   */
  constructor(hub: Hub, modes: { readonly [mode: string]: RoomMode }, options: RoomsOptions = {}) {
    checkHas("set", hub, ["handle", "history"], "not a hub");
    this.#options = settingsOf(options);
    this.#report = reporter(options.onError);
    const { maxRoomsPerAddress, exemptAddresses } = this.#options;
    this.#perAddress = new AddressCounts(maxRoomsPerAddress, exemptSet(exemptAddresses));
    this.#clock = options.clock ?? systemClock;
    this.#wall = options.wall ?? Date.now;
    for (const [mode, definition] of Object.entries(modes)) {
      checkMode(mode, definition as RoomDefinition);
      this.#modes.set(mode, definition as RoomDefinition);
    }
    this.#saves = new Saves(hub);
    this.#list = new RoomList(hub, this.#clock, this.#report);
    const house = this.#house();
    this.#doors = new Doors(hub, house);
    this.#matching = new Matching(hub, house, this.#doors, this.#clock);
  }

  /** Rooms that are open. */
  get size(): number {
    return this.#rooms.size;
  }

  /** The room of this id. */
  get(id: string): Room | undefined {
    return this.#rooms.get(id)?.match;
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
    const index = await this.#saves.read(INDEX);
    if (index !== undefined) {
      this.#indexSave = index.save;
      await Promise.all(this.#idsOf(index.bytes).map((id) => this.#restore(id)));
      this.#indexChanged();
    }
    this.#isOpen = true;
    return this.#rooms.size;
  }

  /**
   * Makes a room. It is there until it is closed, or nobody has been in it for `emptyMs`.
   *
   * @throws RoomError `unknown_kind` for a mode that there is not, `limit_reached`, `ended` once `close` was
   * called; what the game's `open` throws
   */
  create(mode: string, options: CreateOptions = {}): Room {
    if (this.#closing !== undefined) throw new RoomError("ended", "the rooms are closed: none is opened");
    const definition = this.#modes.get(mode);
    if (definition === undefined) {
      const modes = [...this.#modes.keys()].join(", ");
      throw new RoomError("unknown_kind", `a mode of rooms is ${shown(mode)}; allowed: ${modes}`);
    }
    const { maxRooms } = this.#options;
    if (this.#rooms.size >= maxRooms) {
      throw new RoomError(
        "limit_reached",
        `there would be ${maxRooms + 1} rooms; allowed: maxRooms, ${maxRooms}`,
      );
    }
    return this.#make(definition, mode, options).match;
  }

  stats(): RoomsStats {
    const stats = { rooms: this.#rooms.size, players: 0, bots: 0, watchers: 0 };
    for (const { seating } of this.#rooms.values()) {
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
    this.#cancelIndex?.();
    this.#list.close();
    this.#matching.stop();
    const rooms = [...this.#rooms.values()];
    const handed = rooms.map((room) => ({ room, kept: this.#handOver(room) }));
    for (const { seating } of rooms) for (const place of seating.places) this.#doors.send(place, MOVING, {});
    await Promise.all(
      handed.map(async ({ room, kept }) => {
        await room.settled();
        if (kept !== undefined) await this.#keep(room.match.id, () => kept);
      }),
    );
    await this.#writeIndex();
    this.#matching.close();
    this.#doors.close();
  }

  #idsOf(index: Uint8Array): readonly string[] {
    try {
      const ids: unknown = JSON.parse(new TextDecoder().decode(index));
      if (Array.isArray(ids)) return ids.filter((id) => typeof id === "string");
      throw new RoomError("invalid_value", `the index of rooms is ${shown(ids)}; allowed: a list`);
    } catch (error) {
      this.#report(error);
      return [];
    }
  }

  #handOver(room: RunningRoom): Uint8Array | undefined {
    try {
      return room.handOver();
    } catch (error) {
      this.#report(error);
      return undefined;
    }
  }

  #house(): House {
    const { udp, webRtc, address, hostOf, exemptAddresses, maxPlacesPerAddress } = this.#options;
    return {
      process: this.process,
      address,
      udp,
      webRtc,
      hostOf,
      exemptAddresses,
      maxPlacesPerAddress,
      isOpen: () => this.#isOpen && this.#closing === undefined,
      definition: (mode) => this.#modes.get(mode),
      room: (id) => this.#rooms.get(id),
      anyRoom: (mode, who, watches, host) => this.#anyRoom(mode, who, watches, host),
      newRoom: (mode, host) => this.#newRoom(mode, host),
      openRooms: (mode) => this.#openRooms(mode),
      ownRoom: (mode, owner, host, creation) => this.#ownRoom(mode, owner, host, creation),
      report: this.#report,
    };
  }

  #anyRoom(mode: string, who: Newcomer, watches: boolean, host: string): RunningRoom | undefined {
    let best: RunningRoom | undefined;
    for (const room of this.#openRooms(mode)) {
      const { seating } = room;
      if ((!watches && !seating.hasSeat) || seating.banned(who) > 0) continue;
      if (best === undefined || seating.counts.players > best.seating.counts.players) best = room;
    }
    return best ?? this.#newRoom(mode, host);
  }

  *#openRooms(mode: string): Iterable<RunningRoom> {
    for (const room of this.#rooms.values()) {
      if (room.match.mode === mode && !room.match.isPrivate) yield room;
    }
  }

  #newRoom(mode: string, host: string, options: CreateOptions = {}): RunningRoom | undefined {
    const definition = this.#modes.get(mode);
    if (definition === undefined || this.#rooms.size >= this.#options.maxRooms) return undefined;
    const holder = this.#perAddress.take(host);
    if (holder === undefined) return undefined;
    try {
      return this.#make(definition, mode, options, holder);
    } catch (error) {
      this.#report(error);
      throw new CallError("unavailable", "a room could not be opened");
    }
  }

  #ownRoom(mode: string, owner: string, host: string, creation: RoomCreation): RunningRoom | undefined {
    const { isPrivate = false, options } = creation;
    let theirs = 0;
    for (const { match } of this.#rooms.values()) if (match.owner === owner) theirs++;
    if (theirs >= this.#options.maxRoomsPerOwner) return undefined;
    return this.#newRoom(mode, host, { owner, isPrivate, options: (options ?? null) as Json });
  }

  #make(definition: RoomDefinition, mode: string, options: CreateOptions, holder?: Holder): RunningRoom {
    const { isPrivate = false, owner = "", options: given = null } = options;
    const id = nameOf(isPrivate ? SECRET_BYTES : PUBLIC_BYTES);
    const seed = randomBytes(4).readInt32LE();
    const match = new Match(definition, { id, mode, seed, isPrivate, owner, options: given });
    const room = this.#run(match, holder);
    try {
      definition.open?.(match);
    } catch (error) {
      room.close();
      throw error;
    }
    this.#indexChanged();
    return room;
  }

  #run(match: Match, holder?: Holder): RunningRoom {
    const { ticksPerSecond } = match.definition.game;
    const stagger = this.#stagger.get(ticksPerSecond) ?? new Stagger();
    this.#stagger.set(ticksPerSecond, stagger);
    const phase = stagger.take();
    const { id, mode } = match;
    const keeper: RoomKeeper = {
      clock: this.#clock,
      checkpointMs: this.#options.checkpointMs,
      reserveMs: RESERVE_MS,
      wall: this.#wall,
      name: () => nameOf(PUBLIC_BYTES),
      said: (place, data) => place.outbox.say(data, (said) => this.#doors.send(place, EVENT, said)),
      flush: (place) => place.outbox.go((said) => this.#doors.send(place, EVENT, said)),
      rejoin: (place) => void this.#doors.send(place, MOVING, {}),
      ended: (place, reason, text) => this.#doors.ended(place, reason, text),
      changed: () => this.#changed(mode),
      save: (bytes) => this.#keep(id, bytes),
      mayRecord: () => this.#mayRecord(),
      closed: (error) => {
        stagger.free(phase);
        this.#rooms.delete(id);
        if (holder !== undefined) this.#perAddress.release(holder);
        this.#savesOf.delete(id);
        if (error !== undefined) this.#report(error);
        this.#changed(mode);
        this.#indexChanged();
      },
    };
    const room = new RunningRoom(match, keeper, phase);
    this.#rooms.set(id, room);
    this.#changed(mode);
    return room;
  }

  #changed(mode: string): void {
    this.#list.changed(mode, () => this.#listed(mode));
  }

  *#listed(mode: string): Iterable<ListedRoom> {
    for (const { match, seating, definition } of this.#openRooms(mode)) {
      yield { room: match.id, ...seating.counts, seats: definition.seats };
    }
  }

  #mayRecord(): boolean {
    let recording = 0;
    for (const { match } of this.#rooms.values()) if (match.writer !== undefined) recording++;
    return recording < this.#options.maxRecordings;
  }

  async #restore(id: string): Promise<void> {
    try {
      const kept = await this.#saves.read(`${SAVES_NAMESPACE}:${id}`);
      if (kept === undefined) return;
      const definition = this.#modes.get(readHead(kept.bytes).mode);
      if (definition === undefined || this.#rooms.has(id)) return;
      const restored = restoreMatch(definition, kept.bytes);
      const host = readSavedRoom(restored.host); // Before anything is made of it.
      const { match } = restored;
      this.#savesOf.set(id, kept.save);
      const room = this.#run(match);
      try {
        room.restore(host);
      } catch (error) {
        room.close();
        throw error;
      }
      for (const place of room.seating.places) this.#doors.know(room, place);
    } catch (error) {
      this.#report(error);
    }
  }

  /** Never rejects: what cannot be kept is told, and kept the next time. */
  async #keep(id: string, bytes: () => Uint8Array): Promise<void> {
    const save = (this.#savesOf.get(id) ?? 0) + 1;
    this.#savesOf.set(id, save);
    try {
      await this.#saves.write(`${SAVES_NAMESPACE}:${id}`, save, bytes());
    } catch (error) {
      this.#report(error);
    }
  }

  #indexChanged(): void {
    if (this.#closing !== undefined) return;
    this.#cancelIndex ??= this.#clock.after(INDEX_DELAY_MS, () => {
      this.#cancelIndex = undefined;
      void this.#writeIndex();
    });
  }

  #writeIndex(): Promise<void> {
    this.#writingIndex = this.#writingIndex.then(async () => {
      this.#indexSave += 1;
      const bytes = new TextEncoder().encode(JSON.stringify([...this.#rooms.keys()]));
      try {
        await this.#saves.write(INDEX, this.#indexSave, bytes);
      } catch (error) {
        this.#report(error);
      }
    });
    return this.#writingIndex;
  }
}

function nameOf(bytes: number): string {
  return randomBytes(bytes).toString("base64url");
}
