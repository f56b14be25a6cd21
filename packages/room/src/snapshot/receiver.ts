import type { InputReport } from "../input/report.ts";
import { Backlog } from "./backlog.ts";
import type { Bodies } from "./bodies.ts";
import { MAX_HEADER_BYTES, newHeader, writeHeader } from "./header.ts";
import type { History } from "./history.ts";
import { RING, RING_MASK } from "./ring.ts";

/** What was told at a tick: everything, or a part; and whether it has come. */
const WHOLE = 1;
const PART = 2;
const ACKNOWLEDGED = 4;
/** How many ticks are in `#had`. */
const BITS = 32;

/** How much older than the newest a base may be so that the tick before it has come as well. */
const PAIR_SLACK = 3;
/**
 * Up to this the whole memory of a body is copied, used or not: to have a view of what is used costs more.
 */
const COPIED_WHOLE = 2_048;

/** Where a header is put together. */
const header = newHeader();

/** One client of a view: what it has acknowledged, and so what it is told against what. */
export class Receiver {
  readonly #history: History;
  readonly #bodies: Bodies;
  readonly #budgetBytes: number;
  /** By place in the ring: what was told at that tick, and what became of it. */
  readonly #states = new Uint8Array(RING);
  /** The first and the last tick that was told, and the newest that has come, whole or not; -1 for none. */
  #first = -1;
  #last = -1;
  #heard = -1;
  /** The newest of which everything has come, however old. */
  #whole = -1;
  #backlog: Backlog | undefined;
  /** Bit i: everything of the tick i before the last has come. */
  #had = 0;
  /** What the client said last. */
  #saidTick = -1;
  #saidBits = 0;
  /** What it is told against at this tick, and the tick before that; -1 for none. */
  #base = -1;
  #previous = -1;

  /** Made by `SnapshotView.receiver()`. @internal */
  constructor(history: History, bodies: Bodies, budgetBytes: number) {
    this.#history = history;
    this.#bodies = bodies;
    this.#budgetBytes = budgetBytes;
  }

  /**
   * Writes the snapshot of the last committed tick.
   *
   * @param out Has room for `budgetBytes`.
   * @param report What is said of this client's inputs; without one nothing is.
   * @returns How many bytes it has, `budgetBytes` at most; 0 if there is none, or it was written already.
   */
  encode(out: Uint8Array, report?: InputReport): number {
    const { tick } = this.#history;
    const since = tick - this.#last;
    if (since === 0) return 0;
    if (this.#first < 0) this.#first = tick;
    else if (since !== 1) this.#skip(tick);
    this.#had = since < BITS ? this.#had << since : 0;
    this.#chooseBase(tick);
    const base = this.#base;
    const limit = this.#budgetBytes - MAX_HEADER_BYTES;
    const whole = this.#bodies.body(base, this.#previous, limit);
    if (whole === undefined) return this.#encodePart(out, tick, limit, report);
    header.tick = tick;
    header.isPart = false;
    header.ahead = base < 0 ? 0 : tick - base;
    header.isAbsolute = base < 0;
    const length = writeHeader(out, header, report);
    const { bytes } = whole;
    if (bytes.length <= COPIED_WHOLE && length + bytes.length <= out.length) out.set(bytes, length);
    else out.set(bytes.subarray(0, whole.length), length);
    this.#note(tick, WHOLE);
    return length + whole.length;
  }

  /** Writes as much as fits. */
  #encodePart(out: Uint8Array, tick: number, limit: number, report: InputReport | undefined): number {
    const part = this.#bodies.scratch();
    this.#backlog ??= this.#bodies.backlog(this.#first);
    header.tick = tick;
    header.isPart = true;
    header.completes = this.#backlog.write(part, limit, this.#whole);
    // Of a client that read nothing for long the lower half says nothing.
    header.isAbsolute = this.#heard < 0 || tick - this.#heard >= RING;
    const length = writeHeader(out, header, report);
    out.set(part.bytes.subarray(0, part.length), length);
    this.#note(tick, header.completes ? WHOLE : PART);
    return length + part.length;
  }

  /** Nothing was told at the ticks between the last and this one. */
  #skip(tick: number): void {
    for (let one = Math.max(this.#last + 1, tick - RING + 1); one < tick; one++)
      this.#states[one & RING_MASK] = 0;
  }

  /**
   * Takes what the client says has come.
   *
   * @param newest The newest tick, of which only the lowest 16 bits count; below 0 for none.
   * @param bits Bit i: whether the tick i + 1 before it came, too.
   */
  acknowledge(newest: number, bits: number): void {
    if (this.#last < 0 || !(newest >= 0)) return;
    const tick = this.#last - ((this.#last - newest) & 0xffff);
    // Most of it was said before.
    const since = tick - this.#saidTick;
    let fresh = bits | 0;
    if (since >= 0 && since < 32) {
      const known = since === 0 ? this.#saidBits : (this.#saidBits << since) | (1 << (since - 1));
      fresh &= ~known;
      this.#saidBits = known | bits;
    } else this.#saidBits = bits;
    this.#saidTick = tick;
    while (fresh !== 0) {
      const bit = 31 - Math.clz32(fresh);
      fresh &= ~(1 << bit);
      this.#take(tick - 1 - bit);
    }
    this.#take(tick);
  }

  /** Whether everything of this tick has come, and it is remembered. */
  has(tick: number): boolean {
    const isRemembered = tick > this.#history.tick - RING && tick <= this.#last;
    return isRemembered && this.#states[tick & RING_MASK] === (WHOLE | ACKNOWLEDGED);
  }

  /**
   * The newest tick that the client has, and the one before; rather two that follow each other, though a
   * little older, because others have those, too.
   */
  #chooseBase(tick: number): void {
    const had = this.#had;
    if (had === 0) {
      // What it has is older than 31 ticks, or nothing.
      this.#base = this.#newestBefore(tick);
      this.#previous = this.#base < 0 ? -1 : this.#newestBefore(this.#base);
      return;
    }
    const newest = lowestBit(had);
    // Bit i: both the tick i before this one and the one before that.
    const pairs = had & (had >>> 1);
    const age = this.#bodies.share(pairs, newest);
    if (age > 0) {
      this.#base = tick - age;
      this.#previous = this.#base - 1;
      return;
    }
    const pair = pairs === 0 ? RING : lowestBit(pairs);
    this.#base = tick - (pair <= newest + PAIR_SLACK ? pair : newest);
    this.#previous = this.#newestBefore(this.#base);
  }

  #take(tick: number): void {
    const age = this.#last - tick;
    if (tick < 0 || age < 0 || age >= RING) return;
    const place = tick & RING_MASK;
    const state = this.#states[place] as number;
    if (state === 0 || (state & ACKNOWLEDGED) !== 0) return;
    this.#states[place] = state | ACKNOWLEDGED;
    this.#heard = Math.max(this.#heard, tick);
    if (state === WHOLE) {
      this.#whole = Math.max(this.#whole, tick);
      if (age < BITS) this.#had |= 1 << age;
    } else this.#backlog?.acknowledge(tick, this.#whole);
  }

  #note(tick: number, state: number): void {
    this.#last = tick;
    this.#states[tick & RING_MASK] = state;
  }

  /** The newest whole tick before this one that has come and is still remembered, or -1. */
  #newestBefore(tick: number): number {
    for (let before = tick - 1; before > this.#history.tick - RING && before >= 0; before--) {
      if (this.has(before)) return before;
    }
    return -1;
  }
}

/** The index of the lowest bit that is set, of which there is one. */
function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}
