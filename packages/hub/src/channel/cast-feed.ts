import type { Backlog } from "./backlog.ts";
import type { Cast } from "./cast.ts";
import type { FanOut, Feed } from "./fan-out.ts";
import { Newest } from "./newest.ts";
import type { Counters } from "./stats.ts";

/** Casts that are handed over before others have their turn, and most of one round. */
const RUN = 64;
/** Of what waits in one channel for its round. */
const BOUNDS = { entries: 1_024, bytes: 4_194_304 };

/** Who is told what is cast in a channel. */
export interface CastReceiver {
  /** Place among the receivers; -1: not one of them. Only the feed changes it. */
  castIndex: number;
  /** Hot path. False if it is not meant for this one. */
  offerCast(cast: Cast): boolean;
}

/**
 * Hands what is cast in a channel to those who are subscribed, wherever they stand in its log.
 *
 * Rounds go from one receiver to the next, for some milliseconds of a turn. What is cast meanwhile waits for
 * the next round, of each slot the newest: so casts come as fast as the crowd can be told, and no faster.
 */
export class CastFeed implements Feed {
  readonly #fanOut: FanOut;
  readonly #counters: Counters;
  readonly #backlog: Backlog;
  readonly #receivers: CastReceiver[] = [];
  /** Of these, so many have what is told in this round. */
  #served = 0;
  /** What is told in this round. */
  #round: readonly Cast[] = [];
  /** Made for the first that comes during a round. */
  #waiting: Newest<Cast> | undefined;

  constructor(fanOut: FanOut, counters: Counters, backlog: Backlog) {
    this.#fanOut = fanOut;
    this.#counters = counters;
    this.#backlog = backlog;
  }

  get size(): number {
    return this.#receivers.length;
  }

  /** Hot path. Guarded by `npm run bench -- cast`. */
  tell(cast: Cast): void {
    if (this.#receivers.length === 0) return;
    if (this.#round.length === 0) this.#begin([cast]);
    else {
      this.#waiting ??= new Newest(BOUNDS, this.#fanOut.casts, this.#counters);
      this.#waiting.put(cast);
    }
    this.#fanOut.begin(this);
  }

  join(receiver: CastReceiver): void {
    const first = this.#receivers[this.#served];
    if (first !== undefined) this.#put(first, this.#receivers.length);
    this.#put(receiver, this.#served++);
  }

  /** Nothing happens if it is not one of them. */
  leave(receiver: CastReceiver): void {
    let hole = receiver.castIndex;
    if (hole < 0) return;
    receiver.castIndex = -1;
    if (hole < this.#served) {
      const lastServed = this.#receivers[--this.#served];
      if (lastServed !== undefined && lastServed !== receiver) this.#put(lastServed, hole);
      hole = this.#served;
    }
    const last = this.#receivers.pop();
    if (last !== undefined && hole < this.#receivers.length) this.#put(last, hole);
    if (this.#receivers.length === 0) this.#forget();
  }

  /** `FanOut`: hands over some of what was cast. True once all have all of it. */
  run(): boolean {
    let handed = 0;
    let bytes = 0;
    while (handed < RUN) {
      const receiver = this.#receivers[this.#served];
      if (receiver === undefined) {
        if (this.#nextRound()) continue;
        break;
      }
      // While it is served it, and others, may leave, and some may come: it counts as served already.
      this.#served++;
      for (const cast of this.#round) {
        handed++;
        if (receiver.castIndex >= 0 && receiver.offerCast(cast)) bytes += cast.keptBytes;
      }
    }
    this.#backlog.sent(bytes);
    return this.#round.length === 0;
  }

  #begin(round: readonly Cast[]): void {
    this.#round = round;
    this.#served = 0;
  }

  /** All have what was told in the round before. False if there is nothing more. */
  #nextRound(): boolean {
    const round: Cast[] = [];
    for (let next = this.#waiting?.first; next !== undefined; next = this.#waiting?.first) {
      if (round.length === RUN) break;
      this.#waiting?.remove(next);
      round.push(next);
    }
    this.#begin(round);
    // All have been served, and those who come now are.
    if (round.length === 0) this.#served = this.#receivers.length;
    return round.length > 0;
  }

  #forget(): void {
    this.#waiting?.clear();
    this.#begin([]);
  }

  #put(receiver: CastReceiver, index: number): void {
    this.#receivers[index] = receiver;
    receiver.castIndex = index;
  }
}
