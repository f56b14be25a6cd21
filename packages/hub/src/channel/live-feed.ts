import type { Backlog } from "./backlog.ts";
import type { FanOut, Feed } from "./fan-out.ts";
import type { SharedMessage } from "./shared-message.ts";
import type { Counters } from "./stats.ts";

/** Publications that are handed over before others have their turn. */
const RUN = 64;
/** Of what is kept for those who do not have it yet, most bytes. One publication is kept in any case. */
const MAX_BYTES = 4_194_304;

/** Who is given what is new in a channel. */
export interface Subscriber {
  /** Place among those who are live; -1: not one of them. Only the feed changes it. */
  liveIndex: number;
  /** Of the last publication that it has. */
  readonly offset: number;
  /** Hot path: hands over the publication after `offset`. False if it did not go out now. */
  offer(message: SharedMessage, offset: number): boolean;
  /** Reads from the log what is missing, and goes live at the head. */
  readLog(): void;
}

interface Kept {
  readonly message: SharedMessage;
  /** That it takes, about. */
  readonly bytes: number;
}

/**
 * Those who are at the head of a channel, and what is new there until all of them have it.
 *
 * Rounds go from one to the next, and give each all that it has not. So a crowd that is told of much in
 * several turns has few writes for each.
 */
export class LiveFeed implements Feed {
  readonly #fanOut: FanOut;
  readonly #counters: Counters;
  readonly #backlog: Backlog;
  /** Each knows its own place here, so that leaving takes one step. */
  readonly #live: Subscriber[] = [];
  /** Of these, so many have what is told in this round. */
  #served = 0;
  /** What is told in this round ends here. */
  #roundHead = 0;
  #head = 0;
  /** What some may not have yet. */
  #kept: Kept[] = [];
  /** The offset of the first of them. */
  #from = 1;
  #keptBytes = 0;

  constructor(fanOut: FanOut, counters: Counters, backlog: Backlog) {
    this.#fanOut = fanOut;
    this.#counters = counters;
    this.#backlog = backlog;
  }

  get size(): number {
    return this.#live.length;
  }

  /** @param bytes of the publication, about */
  tell(message: SharedMessage, offset: number, bytes: number): void {
    if (offset !== this.#from + this.#kept.length) {
      this.#forget(this.#kept.length);
      this.#from = offset;
    }
    this.#head = offset;
    this.#kept.push({ message, bytes });
    this.#count(bytes);
    while (this.#keptBytes > MAX_BYTES && this.#kept.length > 1) this.#forget(1);
    // Those who do not have it yet read it from the log.
    if (this.#fanOut.isFull) this.#forget(this.#kept.length);
    this.#fanOut.begin(this);
  }

  /** Takes in one that is at the head. */
  join(subscriber: Subscriber): void {
    const first = this.#live[this.#served];
    if (first !== undefined) this.#put(first, this.#live.length);
    this.#put(subscriber, this.#served++);
  }

  /** Nothing happens if it is not one of them. */
  leave(subscriber: Subscriber): void {
    let hole = subscriber.liveIndex;
    if (hole < 0) return;
    subscriber.liveIndex = -1;
    if (hole < this.#served) {
      const lastServed = this.#live[--this.#served];
      if (lastServed !== undefined && lastServed !== subscriber) this.#put(lastServed, hole);
      hole = this.#served;
    }
    const last = this.#live.pop();
    if (last !== undefined && hole < this.#live.length) this.#put(last, hole);
  }

  /** What is new has to be read from the log, by all. */
  sendToLog(): void {
    this.#forget(this.#kept.length);
    this.#roundHead = 0;
    this.#head = 0;
    for (const subscriber of this.#live.slice()) subscriber.readLog();
  }

  /** `FanOut`: hands over some of what is new. True once all have all of it. */
  run(): boolean {
    let delivered = 0;
    let bytes = 0;
    let isDone = false;
    // A subscriber may leave, or end, while it is served; and so may others.
    for (let served = 0; delivered < RUN && served < RUN && !isDone; ) {
      const subscriber = this.#live[this.#served];
      if (subscriber === undefined) {
        isDone = !this.#nextRound();
        continue;
      }
      served++;
      while (subscriber.liveIndex >= 0) {
        const at = subscriber.offset + 1 - this.#from;
        const next = this.#kept[at];
        if (at < 0) subscriber.readLog();
        else if (next === undefined || !subscriber.offer(next.message, subscriber.offset + 1)) break;
        else {
          delivered++;
          bytes += next.message.bytes;
        }
      }
      if (this.#live[this.#served] === subscriber) this.#served++;
    }
    this.#counters.delivered += delivered;
    this.#backlog.sent(bytes);
    return isDone;
  }

  /** All have what was told in the round before. False if there is nothing more. */
  #nextRound(): boolean {
    this.#forget(Math.min(this.#kept.length, Math.max(0, this.#roundHead + 1 - this.#from)));
    if (this.#roundHead === this.#head) return false;
    this.#roundHead = this.#head;
    this.#served = 0;
    return true;
  }

  /** Of what is kept, the first so many. */
  #forget(count: number): void {
    if (count === 0) return;
    for (const { bytes } of this.#kept.splice(0, count)) this.#count(-bytes);
    this.#from += count;
  }

  #count(bytes: number): void {
    this.#keptBytes += bytes;
    this.#fanOut.keptBytes += bytes;
  }

  #put(subscriber: Subscriber, index: number): void {
    this.#live[index] = subscriber;
    subscriber.liveIndex = index;
  }
}
