import { randomBytes } from "node:crypto";
import { CallError } from "@zocalo/hub";
import { AddressCounts, exemptSet, type Holder } from "@zocalo/net";
import type { Json } from "@zocalo/protocol";
import { RoomError, shown } from "../contracts/errors.ts";
import { type JoinRefusal, MOVING, type RoomCreation } from "../contracts/wire.ts";
import type { RoomDefinition } from "../match/definition.ts";
import { Match } from "../match/match.ts";
import type { Clock } from "../timing/clock.ts";
import { Stagger } from "../timing/stagger.ts";
import type { Directory } from "./directory.ts";
import type { ListedRoom, RoomList } from "./list.ts";
import type { CreateOptions, Settings } from "./options.ts";
import type { Newcomer } from "./participant.ts";
import type { RoomStore } from "./room-store.ts";
import { type RoomKeeper, RunningRoom } from "./running-room.ts";

/** A place is kept for so long for who was matched and has not come, in milliseconds. */
const RESERVE_MS = 15_000;
/** A room whose game threw counts on for the address that opened it, in milliseconds. */
const FAILED_MS = 10_000;
/** Bytes of a name: 128 bits cannot be guessed, 48 only tell rooms apart. */
const SECRET_BYTES = 16;
const PUBLIC_BYTES = 6;

/** What a registry works with. */
export interface RegistryParts {
  readonly modes: ReadonlyMap<string, RoomDefinition>;
  readonly settings: Settings;
  readonly clock: Clock;
  /** Milliseconds since the Unix epoch. */
  readonly wall: () => number;
  readonly report: (error: unknown) => void;
  readonly directory: Directory;
  readonly list: RoomList;
  readonly store: RoomStore;
}

/** The rooms that are open in this process: finds them, opens them, and knows how many there may be. */
export class RoomRegistry {
  readonly #parts: RegistryParts;
  readonly #rooms = new Map<string, RunningRoom>();
  readonly #perAddress: AddressCounts;
  readonly #stagger = new Map<number, Stagger>();
  /** Rooms that failed and are still counted: what stops their timers. */
  readonly #failed = new Set<() => void>();
  /** False while rooms are taken over, or handed over. */
  isOpen = false;

  constructor(parts: RegistryParts) {
    const { maxRoomsPerAddress, exemptAddresses } = parts.settings;
    this.#parts = parts;
    this.#perAddress = new AddressCounts(maxRoomsPerAddress, exemptSet(exemptAddresses));
  }

  get size(): number {
    return this.#rooms.size;
  }

  get ids(): Iterable<string> {
    return this.#rooms.keys();
  }

  get rooms(): Iterable<RunningRoom> {
    return this.#rooms.values();
  }

  room(id: string): RunningRoom | undefined {
    return this.#rooms.get(id);
  }

  definition(mode: string): RoomDefinition | undefined {
    return this.#parts.modes.get(mode);
  }

  /** Rooms of a mode that anybody may join. */
  *openRooms(mode: string): Iterable<RunningRoom> {
    for (const room of this.#rooms.values()) {
      if (room.match.mode === mode && !room.match.isPrivate) yield room;
    }
  }

  /**
   * One of the program's own.
   *
   * @throws RoomError `unknown_kind`, `limit_reached`; what the game's `open` throws
   */
  create(mode: string, options: CreateOptions): RunningRoom {
    const definition = this.definition(mode);
    if (definition === undefined) {
      const modes = [...this.#parts.modes.keys()].join(", ");
      throw new RoomError("unknown_kind", `a mode of rooms is ${shown(mode)}; allowed: ${modes}`);
    }
    const { maxRooms } = this.#parts.settings;
    if (this.size >= maxRooms) {
      throw new RoomError(
        "limit_reached",
        `there would be ${maxRooms + 1} rooms; allowed: maxRooms, ${maxRooms}`,
      );
    }
    return this.#make(definition, mode, options);
  }

  /** One with a seat for somebody at `host` who may come, the fullest first; a new one if there is none. */
  anyRoom(mode: string, who: Newcomer, watches: boolean, host: string): RunningRoom | undefined {
    let best: RunningRoom | undefined;
    for (const room of this.openRooms(mode)) {
      const { seating } = room;
      if ((!watches && !seating.hasRoom(false)) || seating.banned(who) > 0) continue;
      if (best === undefined || seating.counts.players > best.seating.counts.players) best = room;
    }
    return best ?? this.newRoom(mode, host);
  }

  /** One that somebody at `host` opens; `undefined` past the limit of rooms, or of this address. */
  newRoom(mode: string, host: string, options: CreateOptions = {}): RunningRoom | undefined {
    const definition = this.definition(mode);
    if (definition === undefined || this.size >= this.#parts.settings.maxRooms) return undefined;
    const holder = this.#perAddress.take(host);
    if (holder === undefined) return undefined;
    try {
      return this.#make(definition, mode, options, holder);
    } catch (error) {
      this.#parts.report(error);
      throw new CallError("failed" satisfies JoinRefusal, "a room could not be opened");
    }
  }

  /** A room of a player's own; `undefined` past the limit of rooms, or of theirs. */
  ownRoom(mode: string, owner: string, host: string, creation: RoomCreation): RunningRoom | undefined {
    const { isPrivate = false, options } = creation;
    let theirs = 0;
    for (const { match } of this.#rooms.values()) if (match.owner === owner) theirs++;
    if (theirs >= this.#parts.settings.maxRoomsPerOwner) return undefined;
    return this.newRoom(mode, host, { owner, isPrivate, options: (options ?? null) as Json });
  }

  /** Goes on with a room that the process before has left. Never rejects: what cannot be read is told. */
  async restore(id: string): Promise<void> {
    try {
      const kept = await this.#parts.store.read(id, (mode) => this.definition(mode));
      if (kept === undefined || this.#rooms.has(id)) return;
      const room = this.#run(kept.match);
      try {
        room.restore(kept.saved);
      } catch (error) {
        room.close();
        throw error;
      }
      for (const participant of room.seating.participants) this.#parts.directory.add(room, participant);
    } catch (error) {
      this.#parts.report(error);
    }
  }

  /** Nothing is opened any more. */
  close(): void {
    this.isOpen = false;
    for (const cancel of this.#failed) cancel();
  }

  #make(definition: RoomDefinition, mode: string, options: CreateOptions, holder?: Holder): RunningRoom {
    const { isPrivate = false, owner = "", options: given = null } = options;
    const id = randomName(isPrivate ? SECRET_BYTES : PUBLIC_BYTES);
    const seed = randomBytes(4).readInt32LE();
    const match = new Match(definition, { id, mode, seed, isPrivate, owner, options: given });
    const room = this.#run(match, holder);
    try {
      definition.open?.(match);
    } catch (error) {
      room.close("failed");
      throw error;
    }
    this.#parts.store.indexChanged(() => this.ids);
    return room;
  }

  #run(match: Match, holder?: Holder): RunningRoom {
    const { ticksPerSecond } = match.definition.game;
    const stagger = this.#stagger.get(ticksPerSecond) ?? new Stagger();
    this.#stagger.set(ticksPerSecond, stagger);
    const phase = stagger.take();
    const room = new RunningRoom(
      match,
      this.#keeperOf(match, (hasFailed) => {
        stagger.free(phase);
        if (holder !== undefined) this.#release(holder, hasFailed);
      }),
      phase,
    );
    this.#rooms.set(match.id, room);
    this.#changed(match.mode);
    return room;
  }

  #keeperOf({ id, mode }: Match, closed: (hasFailed: boolean) => void): RoomKeeper {
    const { clock, wall, settings, directory, store, report } = this.#parts;
    return {
      clock,
      checkpointMs: settings.checkpointMs,
      reserveMs: RESERVE_MS,
      wall,
      name: () => randomName(),
      said: (to, data) => to.outbox.say(data, (number, text) => directory.sendEvent(to, number, text)),
      flush: (to) => to.outbox.go((number, text) => directory.sendEvent(to, number, text)),
      rejoin: (to) => void directory.send(to, MOVING, {}),
      ended: (participant, reason, text) => directory.ended(participant, reason, text),
      changed: () => this.#changed(mode),
      save: (bytes) => store.keep(id, bytes),
      mayRecord: () => this.#mayRecord(),
      threw: report,
      closed: (hasFailed) => {
        closed(hasFailed);
        this.#rooms.delete(id);
        store.forget(id);
        this.#changed(mode);
        store.indexChanged(() => this.ids);
      },
    };
  }

  /** Whoever opens rooms that fail does not do so in a loop: what a limit counted it counts for a while. */
  #release(holder: Holder, hasFailed: boolean): void {
    if (!hasFailed) {
      this.#perAddress.release(holder);
      return;
    }
    const cancel = this.#parts.clock.after(FAILED_MS, () => {
      this.#failed.delete(cancel);
      this.#perAddress.release(holder);
    });
    this.#failed.add(cancel);
  }

  #changed(mode: string): void {
    this.#parts.list.changed(mode, () => this.#listed(mode));
  }

  *#listed(mode: string): Iterable<ListedRoom> {
    for (const { match, seating, definition } of this.openRooms(mode)) {
      yield { room: match.id, ...seating.counts, seats: definition.seats };
    }
  }

  #mayRecord(): boolean {
    let recording = 0;
    for (const { match } of this.#rooms.values()) if (match.writer !== undefined) recording++;
    return recording < this.#parts.settings.maxRecordings;
  }
}

/** A random one, as base64url. */
export function randomName(bytes: number = PUBLIC_BYTES): string {
  return randomBytes(bytes).toString("base64url");
}
