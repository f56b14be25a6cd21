import type { Cell, Layout } from "../contracts/layout.ts";
import type { Rows } from "../contracts/rows.ts";

/**
 * What is shown: `Rows` between two ticks, where the cells that move have fractions. Made once and filled
 * often.
 */
export class DisplayFrame {
  readonly layout: Layout;
  end = 0;
  kinds = new Uint8Array(0);
  generations = new Uint32Array(0);
  cells = new Float64Array(0);

  constructor(layout: Layout) {
    this.layout = layout;
  }

  /** Makes room for so many slots. What was there is gone. */
  fit(end: number): void {
    if (this.kinds.length < end) {
      const room = Math.max(end, 2 * this.kinds.length);
      this.kinds = new Uint8Array(room);
      this.generations = new Uint32Array(room);
      this.cells = new Float64Array(room * this.layout.stride);
    }
    this.end = end;
  }

  /** Shows an entity in this slot, whatever is there. */
  put(slot: number, kind: number, generation: number, row: Float64Array): void {
    const { kinds, generations, cells, end } = this;
    if (slot >= kinds.length) {
      this.fit(slot + 1);
      this.kinds.set(kinds);
      this.generations.set(generations);
      this.cells.set(cells);
    }
    this.kinds.fill(0, end, slot);
    this.end = Math.max(end, slot + 1);
    this.kinds[slot] = kind;
    this.generations[slot] = generation;
    this.cells.set(row, slot * this.layout.stride);
  }
}

/** The difference from `a` to `b`; of a cell that wraps the shorter one. */
export function difference(cell: Cell, a: number, b: number): number {
  const plain = b - a;
  if (!cell.wraps) return plain;
  const span = cell.max - cell.min + 1;
  return plain - span * Math.round(plain / span);
}

/** Brings a computed value back into the range of its cell. One that wraps stays below `max + 1`. */
export function intoRange(cell: Cell, value: number): number {
  if (!cell.wraps) return Math.max(cell.min, Math.min(cell.max, value));
  const span = cell.max - cell.min + 1;
  const turned = value - span * Math.floor((value - cell.min) / span);
  // Rounding can make a whole turn of what is just below `min`.
  return turned < cell.max + 1 ? turned : cell.min;
}

/**
 * Fills `into` with what lies between two frames. An entity is one that has its slot, generation and kind in
 * both; its cells that move are on the way, and the others switch when `share` is 1. Who is there switches
 * then, too: what is only in `to` is not there before 1, what is only in `from` until then.
 *
 * @param share 0 is `from`, 1 is `to`. Past 1 cells that move go on as they went from one to the other, as
 *   far as their range goes; the others stay.
 */
export function interpolate(from: Rows, to: Rows, share: number, into: DisplayFrame): void {
  const base = share < 1 ? from : to;
  const { stride, kinds } = base.layout;
  into.fit(base.end);
  for (let slot = 0; slot < base.end; slot++) {
    const kind = base.kinds[slot] ?? 0;
    const generation = base.generations[slot] ?? 0;
    into.kinds[slot] = kind;
    into.generations[slot] = generation;
    if (kind === 0) continue;
    const isInBoth =
      slot < from.end &&
      slot < to.end &&
      from.kinds[slot] === to.kinds[slot] &&
      from.generations[slot] === to.generations[slot];
    const cells = kinds[kind - 1]?.cells ?? [];
    for (let i = 0; i < cells.length; i++) {
      const cell = cells[i];
      const at = slot * stride + i;
      const value = base.cells[at] ?? 0;
      into.cells[at] = value;
      if (!isInBoth || share === 1 || cell?.moves !== true) continue;
      const start = from.cells[at] ?? 0;
      const way = difference(cell, start, to.cells[at] ?? 0);
      if (way !== 0) into.cells[at] = intoRange(cell, start + way * share);
    }
  }
}
