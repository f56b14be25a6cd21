import { type CallContext, CallError, type Hub } from "@zocalo/hub";
import type { Data, Json } from "@zocalo/protocol";
import { RoomError } from "../contracts/errors.ts";
import { MATCH, type MatchNews, UNMATCH } from "../contracts/wire.ts";
import type { Clock } from "../timing/clock.ts";
import { type Admission, hashOf } from "./admission.ts";
import { MatchQueue, type QueuedPlayer } from "./matching/match-queue.ts";
import type { OpenRoom, PlaceSeeker } from "./matching/open-rooms.ts";
import type { RoomRegistry } from "./registry.ts";
import { readMatch } from "./requests.ts";
import type { RunningRoom } from "./running-room.ts";

/** From one round to the next, in milliseconds. */
const ROUND_MS = 1_000;

/** Who waits, and where. */
interface Waiter {
  readonly mode: string;
  readonly session: string;
  readonly host: string;
}

/** Brings together players who ask to be matched, and tells them each second how they stand. */
export class Matchmaker {
  readonly #hub: Hub;
  readonly #registry: RoomRegistry;
  readonly #admission: Admission;
  readonly #clock: Clock;
  readonly #queues = new Map<string, MatchQueue>();
  /** By the hash of the key, which stands for it in the queue. */
  readonly #waiters = new Map<string, Waiter>();
  readonly #stops: readonly (() => void)[];
  #cancelRound: (() => void) | undefined;

  constructor(hub: Hub, registry: RoomRegistry, admission: Admission, clock: Clock) {
    this.#hub = hub;
    this.#registry = registry;
    this.#admission = admission;
    this.#clock = clock;
    this.#stops = [
      hub.handle(MATCH, (context, data) => this.#wait(context, data)),
      hub.handle(UNMATCH, (context) => this.#leave(context)),
    ];
  }

  /** Nobody is matched any more; who asks is refused. */
  stop(): void {
    this.#cancelRound?.();
  }

  close(): void {
    this.stop();
    for (const stop of this.#stops) stop();
  }

  #wait(context: CallContext, data: Data | undefined): MatchNews {
    this.#admission.checkHere();
    const request = readMatch(data);
    if (typeof request === "string") throw new CallError("bad_request", request);
    const { mode, key, name, skill, hash } = request;
    const { seats, matching } = this.#admission.checkVersion(mode, hash);
    let queue = this.#queues.get(mode);
    if (queue === undefined) {
      queue = new MatchQueue({ ...matching, seats });
      this.#queues.set(mode, queue);
    }
    const keyHash = hashOf(key);
    const reserved = this.#admission.reservedFor(keyHash, mode);
    if (reserved !== undefined) return this.#foundIn(reserved);
    const now = this.#clock.uptime();
    const waiter = { mode, session: context.session, host: this.#admission.hostOf(context.peer) };
    try {
      queue.add({
        key: keyHash,
        user: context.user,
        name,
        at: now,
        ...(skill === undefined ? {} : { skill }),
      });
    } catch (error) {
      if (!(error instanceof RoomError)) throw error;
      throw new CallError("limit_reached", "you wait already, or too many do");
    }
    // The same key again is the same place in the queue, perhaps by another session. It waits in one only.
    const before = this.#waiters.get(keyHash);
    if (before !== undefined && before.mode !== mode) this.#remove(keyHash, before);
    this.#waiters.set(keyHash, waiter);
    this.#cancelRound ??= this.#clock.after(ROUND_MS, () => this.#round());
    const state = queue.state(keyHash, now) ?? { waiting: 0, ahead: 0, waitedMs: 0, needed: 0 };
    return { state: "waiting", ...state };
  }

  #leave({ session }: CallContext): Json {
    for (const [keyHash, waiter] of this.#waiters) {
      if (waiter.session === session) this.#remove(keyHash, waiter);
    }
    return {};
  }

  #remove(keyHash: string, { mode }: Waiter): void {
    this.#waiters.delete(keyHash);
    this.#queues.get(mode)?.remove(keyHash);
  }

  #round(): void {
    this.#cancelRound = undefined;
    const now = this.#clock.uptime();
    for (const [mode, queue] of this.#queues) {
      if (queue.size === 0) continue;
      for (const { room, players } of queue.round(now, this.#openRooms(mode)))
        this.#found(mode, room, players);
    }
    for (const [keyHash, waiter] of this.#waiters) {
      const state = this.#queues.get(waiter.mode)?.state(keyHash, now);
      // Whoever is not there any more waits for nothing.
      if (state === undefined || !this.#tell(waiter, { state: "waiting", ...state }))
        this.#remove(keyHash, waiter);
    }
    if (this.#waiters.size > 0) this.#cancelRound = this.#clock.after(ROUND_MS, () => this.#round());
  }

  #found(mode: string, id: string | undefined, players: readonly QueuedPlayer[]): void {
    const host = this.#waiters.get(players[0]?.key ?? "")?.host ?? "";
    let room: RunningRoom | undefined;
    let code = "limit_reached";
    try {
      room = id === undefined ? this.#registry.newRoom(mode, host) : this.#registry.room(id);
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      code = error.code;
    }
    for (const { key: keyHash, user, name, skill } of players) {
      const waiter = this.#waiters.get(keyHash);
      this.#waiters.delete(keyHash);
      if (waiter === undefined) continue;
      let news: MatchNews = { state: "refused", code };
      try {
        if (room !== undefined) {
          this.#admission.reserve(room, { keyHash, user, name, skill }, waiter.host);
          news = this.#foundIn(room);
        }
      } catch (error) {
        if (!(error instanceof CallError)) throw error;
        news = { state: "refused", code: error.code };
      }
      this.#tell(waiter, news);
    }
  }

  #foundIn(room: RunningRoom): MatchNews {
    return { state: "found", room: room.match.id, ...this.#admission.whereabouts() };
  }

  #openRooms(mode: string): readonly OpenRoom[] {
    const open: OpenRoom[] = [];
    for (const room of this.#registry.openRooms(mode)) {
      const { seating } = room;
      const { players } = seating.counts;
      const refuses = ({ key, user }: PlaceSeeker): boolean => seating.banned({ keyHash: key, user }) > 0;
      const free = room.definition.seats - players;
      if (free > 0 && players > 0) open.push({ room: room.match.id, free, skill: skillOf(room), refuses });
    }
    return open;
  }

  /**
   * How it stands may get lost, since it is said again; what came of it may not.
   *
   * @returns false if nobody is there
   */
  #tell({ session }: Waiter, news: MatchNews): boolean {
    const data = { ...news } as Json;
    const volatile = news.state === "waiting";
    const { sent, waiting, refused } = this.#hub.send({ session }, MATCH, data, { volatile });
    return sent + waiting + refused > 0;
  }
}

/** That of its players in the middle. */
function skillOf({ seating }: RunningRoom): number {
  const skills = [...seating.participants].filter(({ watches }) => !watches).map(({ skill }) => skill);
  // Divided first: each is finite, and their sum need not be.
  const mean = skills.reduce((sum, skill) => sum + skill / skills.length, 0);
  return Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, mean));
}
