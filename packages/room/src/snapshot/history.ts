import type { Layout } from "../contracts/layout.ts";
import type { Rows } from "../contracts/rows.ts";
import { grown, regrown, spread, NO_BYTES, NO_INTEGERS, NO_NUMBERS } from "./memory.ts";
import { type KindPlan, planOf } from "./plan.ts";
import { RING, RING_MASK } from "./ring.ts";
import type { TickRows } from "./tick-rows.ts";

/**
 * What the rows of a world were at each of the last 64 ticks. A row is copied when it has changed; where it
 * has not, the ticks share one copy. Without entities there is nothing.
 */
export class History {
  readonly layout: Layout;
  /** The last tick, or -1 before the first. */
  tick = -1;
  /** The first tick there was, or -1. */
  #first = -1;
  /** Slots below this may have been in use at one of the ticks. */
  end = 0;
  /**
   * Of the copies, `pitch` apart: the cells of a row, and after `layout.stride` of them a number whose lowest
   * bit is 1 if a cell that moves is not as it was at the tick before. The others are equal where all cells
   * that do not move are, of copies of one entity that follow each other.
   */
  cells: Int32Array = NO_INTEGERS;
  readonly pitch: number;
  /** Of the copies: 1 plus the index of the kind. */
  kinds: Uint8Array = NO_BYTES;
  /** Of the copies: which entity of the slot it is. */
  generations: Uint32Array = NO_NUMBERS;
  #lastHeld = 0;
  readonly #plan: readonly KindPlan[];
  /** By place in the ring and slot, `#slots` apart: 1 plus the number of the copy, or 0 for none. */
  #copies: Int32Array = NO_INTEGERS;
  #slots = 0;
  /** Numbers of copies that are free, and how many. */
  #free: Int32Array = NO_INTEGERS;
  #freeCount = 0;

  constructor(layout: Layout) {
    this.layout = layout;
    this.pitch = layout.stride + 1;
    this.#plan = planOf(layout);
  }

  /** Where the copies of the last tick begin in `copies`, by slot. */
  get now(): number {
    return (this.tick & RING_MASK) * this.#slots;
  }

  get copies(): Int32Array {
    return this.#copies;
  }

  /** Remembers what the rows are at the next tick. */
  commit(rows: Rows, tick: number): void {
    const before = this.now;
    if (this.tick < 0) this.#first = tick;
    this.tick = tick;
    if (rows.end > this.#slots) return this.#grow(rows, tick);
    this.end = Math.max(this.end, rows.end);
    this.#remember(rows, before);
  }

  /** The oldest tick that is remembered, or -1. */
  get oldest(): number {
    return Math.max(this.#first, this.tick - RING + 1);
  }

  /** Copies what the rows were at a tick that is remembered. */
  read(tick: number, into: TickRows): void {
    const from = (tick & RING_MASK) * this.#slots;
    const { stride } = this.layout;
    let { end } = this;
    while (end > 0 && this.#copies[from + end - 1] === 0) end--;
    into.fit(tick, end);
    for (let slot = 0; slot < end; slot++) {
      const copy = (this.#copies[from + slot] as number) - 1;
      into.kinds[slot] = copy < 0 ? 0 : (this.kinds[copy] as number);
      into.generations[slot] = copy < 0 ? 0 : (this.generations[copy] as number);
      for (let c = 0; c < stride; c++) {
        into.cells[slot * stride + c] = copy < 0 ? 0 : (this.cells[copy * this.pitch + c] as number);
      }
    }
  }

  /** Hot: `npm run bench -- room` guards it. */
  #remember(rows: Rows, before: number): void {
    const { kinds, generations, cells } = rows;
    const { stride } = this.layout;
    const { pitch } = this;
    const copies = this.#copies;
    const now = this.now;
    // The tick after the one that is forgotten: what differs there is not needed any more.
    const oldest = ((this.tick + 1) & RING_MASK) * this.#slots;
    const used = Math.min(this.end, rows.end);
    for (let slot = used; slot < this.end; slot++) {
      this.#forget(copies[now + slot] as number, copies[oldest + slot] as number);
      copies[now + slot] = 0;
    }
    let mine = this.cells;
    for (let slot = 0; slot < used; slot++) {
      this.#forget(copies[now + slot] as number, copies[oldest + slot] as number);
      const kind = kinds[slot] as number;
      if (kind === 0) {
        copies[now + slot] = 0;
        continue;
      }
      if (this.#freeCount === 0) {
        this.#more();
        mine = this.cells;
      }
      const copy = this.#free[this.#freeCount - 1] as number;
      const last = (copies[before + slot] as number) - 1;
      const generation = generations[slot] as number;
      const isSameEntity = last >= 0 && this.generations[last] === generation && this.kinds[last] === kind;
      // Copied at once, and taken back where nothing differs.
      const masks = (this.#plan[kind - 1] as KindPlan).heldMasks;
      const from = slot * stride;
      const to = copy * pitch;
      const was = isSameEntity ? last * pitch : to;
      let different = 0;
      let heldDifferent = 0;
      let movedBits = 0;
      for (let c = 0; c < stride; c++) {
        const value = cells[from + c] as number;
        const bits = value ^ (mine[was + c] as number);
        different |= bits;
        heldDifferent |= bits & (masks[c] as number);
        movedBits |= bits & ~(masks[c] as number);
        mine[to + c] = value;
      }
      if (isSameEntity && different === 0) {
        copies[now + slot] = last + 1;
        continue;
      }
      this.#freeCount--;
      const movedDifferent = (movedBits | -movedBits) >>> 31;
      this.kinds[copy] = kind;
      this.generations[copy] = generation;
      if (!isSameEntity || heldDifferent !== 0) mine[to + stride] = (this.#lastHeld += 2) | movedDifferent;
      else mine[to + stride] = ((mine[was + stride] as number) & ~1) | movedDifferent;
      copies[now + slot] = copy + 1;
    }
  }

  /** Frees a copy if the tick after it does not have it as well. */
  #forget(copy: number, next: number): void {
    if (copy !== 0 && copy !== next) this.#free[this.#freeCount++] = copy - 1;
  }

  /** Room for more copies. */
  #more(): void {
    const had = this.kinds.length;
    const count = grown(had, had + 1);
    this.cells = regrown(this.cells, new Int32Array(count * this.pitch));
    this.kinds = regrown(this.kinds, new Uint8Array(count));
    this.generations = regrown(this.generations, new Uint32Array(count));
    this.#free = new Int32Array(count);
    for (let copy = count - 1; copy >= had; copy--) this.#free[this.#freeCount++] = copy;
  }

  /** Room for more slots. */
  #grow(rows: Rows, tick: number): void {
    const slots = grown(this.#slots, rows.end);
    this.#copies = spread(this.#copies, this.#slots, new Int32Array(RING * slots), slots);
    this.#slots = slots;
    this.end = rows.end;
    this.#remember(rows, ((tick - 1) & RING_MASK) * slots);
  }
}
