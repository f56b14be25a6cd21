/** What a link does to what passes in one direction. */
export interface LinkConditions {
  /** How long everything takes, in milliseconds. Default 0. */
  readonly delayMs: number;
  /** What it takes more, at most, drawn evenly for each. So they overtake each other. Default 0. */
  readonly jitterMs: number;
  /** The share that is lost, 0 to 1. Of a stream it is sent again, and comes later. Default 0. */
  readonly loss: number;
  /** The share that comes twice, 0 to 1. Default 0. */
  readonly duplicate: number;
  /** The share that is kept back by `reorderMs`, and so is overtaken, 0 to 1. Default 0. */
  readonly reorder: number;
  /** How long those are kept back, in milliseconds. Default 50. */
  readonly reorderMs: number;
  /** Wi-Fi that comes in bursts: everything is held for so long, in milliseconds, then let go. Default 0. */
  readonly holdMs: number;
  /** From the beginning of one hold to the next, in milliseconds. Default 1,000. */
  readonly holdEveryMs: number;
  /** Nothing passes, and neither side is told. Default `false`. */
  readonly isSilent: boolean;
  /** Datagrams of more bytes are lost, as where what reports them is filtered. Default `Infinity`. */
  readonly maxDatagramBytes: number;
  /** Default `Infinity`. */
  readonly bytesPerSecond: number;
  /** Bytes that wait for the bandwidth; datagrams beyond them are lost. Default 65,536. */
  readonly queueBytes: number;
}

/** A link that does nothing to what passes. */
export const perfectLink: LinkConditions = {
  delayMs: 0,
  jitterMs: 0,
  loss: 0,
  duplicate: 0,
  reorder: 0,
  reorderMs: 50,
  holdMs: 0,
  holdEveryMs: 1_000,
  isSilent: false,
  maxDatagramBytes: Number.POSITIVE_INFINITY,
  bytesPerSecond: Number.POSITIVE_INFINITY,
  queueBytes: 65_536,
};

/**
 * What a stream loses comes this much later, in milliseconds: the least wait of Linux before it sends again.
 */
const RESEND_MS = 200;

/** What has passed one direction of a link. */
export interface LinkCounts {
  /** Datagrams that arrive, each counted once, and parts of streams. */
  readonly passed: number;
  /** Datagrams that do not arrive, and how often parts of streams had to be sent again. */
  readonly lost: number;
  /** Datagrams that arrive twice. */
  readonly duplicated: number;
}

/**
 * One direction of a simulated link, without I/O: it says when something arrives. The same seed, conditions
 * and times give the same answers. It runs anywhere.
 *
 * @example
 * const link = new LinkModel(7, { delayMs: 75, loss: 0.05 });
 * console.log(link.datagram(100, 0)); // [ 75 ]: one copy, 75 ms later
 */
export class LinkModel {
  #conditions: LinkConditions;
  #state: number;
  /** When the bandwidth is free again. */
  #freeAt = 0;
  /** When the newest part of a stream arrives: those behind it do not overtake it. */
  #arrivedAt = 0;
  #passed = 0;
  #lost = 0;
  #duplicated = 0;

  /**
   * @param seed a whole number, from which all its chance follows.
   * @throws RangeError for a condition outside of what is allowed.
   */
  constructor(seed: number, conditions: Partial<LinkConditions> = {}) {
    this.#state = seed >>> 0;
    this.#conditions = checked({ ...perfectLink, ...conditions });
  }

  /** With what was left out. */
  get conditions(): LinkConditions {
    return this.#conditions;
  }

  /** What has passed so far. */
  get counts(): LinkCounts {
    return { passed: this.#passed, lost: this.#lost, duplicated: this.#duplicated };
  }

  /** Changes some of the conditions for what is sent from now on. @throws RangeError as the constructor */
  set(conditions: Partial<LinkConditions>): void {
    this.#conditions = checked({ ...this.#conditions, ...conditions });
  }

  /** When the copies of a datagram arrive: none, one or two times, in milliseconds of the clock of `now`. */
  datagram(bytes: number, now: number): number[] {
    const { isSilent, loss, duplicate, reorder, reorderMs, queueBytes, bytesPerSecond } = this.#conditions;
    // Drawn whatever becomes of it: another condition leaves the other draws as they were.
    const [isLost, isTwice, isLate] = [this.#next() < loss, this.#next() < duplicate, this.#next() < reorder];
    const waiting = Math.max(0, this.#freeAt - now);
    const isFull = waiting > 0 && (waiting / 1_000) * bytesPerSecond + bytes > queueBytes;
    if (isSilent || isLost || isFull || bytes > this.#conditions.maxDatagramBytes) {
      this.#lost += 1;
      return [];
    }
    const leftAt = this.#leave(bytes, now) + (isLate ? reorderMs : 0);
    const times = [this.#held(leftAt + this.#travel())];
    if (isTwice) times.push(this.#held(leftAt + this.#travel()));
    this.#passed += 1;
    if (isTwice) this.#duplicated += 1;
    return times;
  }

  /** When a part of a stream arrives; `undefined` while nothing passes, and so the sender has to wait. */
  stream(bytes: number, now: number): number | undefined {
    const { isSilent, loss, delayMs } = this.#conditions;
    if (isSilent) return undefined;
    let at = this.#leave(bytes, now) + this.#travel();
    // At most some times in a row, lest a link that loses everything is an endless loop.
    for (let tries = 0; tries < 8 && this.#next() < loss; tries++) {
      this.#lost += 1;
      at += Math.max(RESEND_MS, 2 * delayMs);
    }
    this.#passed += 1;
    return (this.#arrivedAt = Math.max(this.#arrivedAt, this.#held(at)));
  }

  /** When the last byte has left, as far as the bandwidth allows. */
  #leave(bytes: number, now: number): number {
    const { bytesPerSecond } = this.#conditions;
    if (bytesPerSecond === Number.POSITIVE_INFINITY) return now;
    return (this.#freeAt = Math.max(now, this.#freeAt) + (bytes / bytesPerSecond) * 1_000);
  }

  #travel(): number {
    const { delayMs, jitterMs } = this.#conditions;
    return delayMs + this.#next() * jitterMs;
  }

  /** What would arrive during a hold arrives at its end. */
  #held(at: number): number {
    const { holdMs, holdEveryMs } = this.#conditions;
    if (holdMs === 0) return at;
    const into = at % holdEveryMs;
    return into < holdMs ? at - into + holdMs : at;
  }

  /** From 0 to below 1 (mulberry32). */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}

/** @throws RangeError for a share that is none, and a number below 0 */
function checked(conditions: LinkConditions): LinkConditions {
  for (const [name, value] of Object.entries(conditions) as [string, unknown][]) {
    if (!(name in perfectLink)) throw new RangeError(`a link has no condition ${name}`);
    if (name === "isSilent") continue;
    const most = name === "loss" || name === "duplicate" || name === "reorder" ? 1 : Number.POSITIVE_INFINITY;
    if (typeof value !== "number" || !(value >= 0 && value <= most)) {
      throw new RangeError(`${name} ${String(value)} of a link is not a number from 0 to ${most}`);
    }
  }
  const { holdMs, holdEveryMs, bytesPerSecond } = conditions;
  if (holdMs > 0 && holdMs >= holdEveryMs)
    throw new RangeError(`holdMs ${holdMs} of a link is not below holdEveryMs ${holdEveryMs}`);
  if (bytesPerSecond === 0) throw new RangeError("bytesPerSecond of a link is 0: isSilent says that");
  return conditions;
}
