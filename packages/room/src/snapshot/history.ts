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
  /** Of the copies: cells, `layout.stride` apart. */
  cells: Int32Array = NO_INTEGERS;
  /** Of the copies: 1 plus the index of the kind. */
  kinds: Uint8Array = NO_BYTES;
  /** Of the copies: which entity of the slot it is. */
  generations: Uint32Array = NO_NUMBERS;
  /**
   * Of the copies: equal where all cells that do not move are, of copies of one entity that follow each
   * other.
   */
  held: Uint32Array = NO_NUMBERS;
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
        into.cells[slot * stride + c] = copy < 0 ? 0 : (this.cells[copy * stride + c] as number);
      }
    }
  }

  #remember(rows: Rows, before: number): void {
    const { kinds, generations, cells } = rows;
    const { stride } = this.layout;
    const copies = this.#copies;
    const now = this.now;
    // The tick after the one that is forgotten: what differs there is not needed any more.
    const oldest = ((this.tick + 1) & RING_MASK) * this.#slots;
    for (let slot = 0; slot < this.end; slot++) {
      const forgotten = copies[now + slot] as number;
      if (forgotten !== 0 && forgotten !== copies[oldest + slot])
        this.#free[this.#freeCount++] = forgotten - 1;
      const kind = slot < rows.end ? (kinds[slot] as number) : 0;
      if (kind === 0) {
        copies[now + slot] = 0;
        continue;
      }
      const last = (copies[before + slot] as number) - 1;
      const isSameEntity =
        last >= 0 && this.generations[last] === generations[slot] && this.kinds[last] === kind;
      if (isSameEntity && areEqual(cells, slot * stride, this.cells, last * stride, stride)) {
        copies[now + slot] = last + 1;
      } else copies[now + slot] = 1 + this.#copy(rows, slot, kind, isSameEntity ? last : -1);
    }
  }

  /** Copies a row; `last` is the copy of the same entity before, or -1. */
  #copy(rows: Rows, slot: number, kind: number, last: number): number {
    if (this.#freeCount === 0) this.#more();
    const copy = this.#free[--this.#freeCount] as number;
    this.kinds[copy] = kind;
    this.generations[copy] = rows.generations[slot] as number;
    const { stride } = this.layout;
    const { cells } = rows;
    const mine = this.cells;
    const to = copy * stride;
    const from = slot * stride;
    for (let c = 0; c < stride; c++) mine[to + c] = cells[from + c] as number;
    const { held } = this.#plan[kind - 1] as KindPlan;
    this.held[copy] =
      last >= 0 && areEqualAt(mine, to, last * stride, held) ? (this.held[last] as number) : ++this.#lastHeld;
    return copy;
  }

  /** Room for more copies. */
  #more(): void {
    const had = this.kinds.length;
    const count = grown(had, had + 1);
    this.cells = regrown(this.cells, new Int32Array(count * this.layout.stride));
    this.kinds = regrown(this.kinds, new Uint8Array(count));
    this.generations = regrown(this.generations, new Uint32Array(count));
    this.held = regrown(this.held, new Uint32Array(count));
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

function areEqual(a: Int32Array, at: number, b: Int32Array, from: number, count: number): boolean {
  for (let c = 0; c < count; c++) if (a[at + c] !== b[from + c]) return false;
  return true;
}

/** Whether these cells of two rows are equal. */
function areEqualAt(cells: Int32Array, one: number, other: number, which: Int32Array): boolean {
  for (let i = 0; i < which.length; i++) {
    const c = which[i] as number;
    if (cells[one + c] !== cells[other + c]) return false;
  }
  return true;
}
