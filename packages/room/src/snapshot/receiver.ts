import type { Bodies } from "./bodies.ts";
import type { History } from "./history.ts";
import { MAX_HEADER_BYTES, newHeader, writeHeader } from "./header.ts";
import { RING, RING_MASK } from "./ring.ts";

/** What was told at a tick, and whether that has come. */
const WHOLE = 1;
const ACKNOWLEDGED = 4;

/** One client of a view: what it has acknowledged, and so what it is told against what. */
export class Receiver {
  /** The last of its inputs that was taken, modulo 65,536; -1 leaves these three away. Default -1. */
  lastInput = -1;
  /** How full its buffer of inputs is, 0 to 255. */
  depth = 0;
  /** Eight bits of the application's. */
  flags = 0;
  readonly #history: History;
  readonly #bodies: Bodies;
  readonly #budgetBytes: number;
  readonly #header = newHeader();
  /** By place in the ring: the tick that was told, and what became of it. */
  readonly #ticks = new Float64Array(RING).fill(-1);
  readonly #states = new Uint8Array(RING);
  #encoded = -1;

  constructor(history: History, bodies: Bodies, budgetBytes: number) {
    this.#history = history;
    this.#bodies = bodies;
    this.#budgetBytes = budgetBytes;
  }

  /**
   * Writes the snapshot of the last committed tick.
   *
   * @param out Has room for `budgetBytes`.
   * @returns How many bytes it has.
   */
  encode(out: Uint8Array): number {
    const { tick } = this.#history;
    const header = this.#header;
    const base = this.#acknowledgedBefore(tick);
    const previous = base < 0 ? -1 : this.#acknowledgedBefore(base);
    header.tick = tick;
    header.isPart = false;
    header.ahead = base < 0 ? 0 : tick - base;
    header.isAbsolute = base < 0;
    header.hasInput = this.lastInput >= 0;
    header.lastInput = this.lastInput;
    header.depth = this.depth;
    header.flags = this.flags;
    const length = writeHeader(out, header);
    const body = this.#bodies.body(base, previous, this.#budgetBytes - MAX_HEADER_BYTES);
    if (body === undefined) return 0;
    const { bytes } = body;
    for (let i = 0, to = length; i < body.length; i++) out[to++] = bytes[i] as number;
    this.#note(tick, WHOLE);
    return length + body.length;
  }

  /**
   * Takes what the client says has come.
   *
   * @param newest The newest tick; only its lowest 16 bits count.
   * @param bits Bit i: whether the tick i + 1 before it came, too.
   */
  acknowledge(newest: number, bits: number): void {
    if (this.#encoded < 0) return;
    const tick = this.#encoded - ((this.#encoded - newest) & 0xffff);
    this.#take(tick);
    for (let i = 0; i < 32; i++) if (((bits >>> i) & 1) === 1) this.#take(tick - 1 - i);
  }

  #take(tick: number): void {
    const place = tick & RING_MASK;
    if (tick < 0 || this.#ticks[place] !== tick) return;
    this.#states[place] = (this.#states[place] as number) | ACKNOWLEDGED;
  }

  #note(tick: number, state: number): void {
    this.#encoded = tick;
    this.#ticks[tick & RING_MASK] = tick;
    this.#states[tick & RING_MASK] = state;
  }

  /** The newest whole tick before this one that has come and is still remembered, or -1. */
  #acknowledgedBefore(tick: number): number {
    for (let before = tick - 1; before > this.#history.tick - RING && before >= 0; before--) {
      const place = before & RING_MASK;
      if (this.#ticks[place] === before && this.#states[place] === (WHOLE | ACKNOWLEDGED)) return before;
    }
    return -1;
  }
}
