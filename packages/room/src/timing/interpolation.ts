import type { Layout } from "../contracts/layout.ts";
import type { Rows } from "../contracts/rows.ts";
import { difference, intoRange } from "../schema/cells.ts";

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

  /** Makes room for so many slots. What was there is gone. @internal */
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

/**
 * Fills `into` with what lies between two frames. An entity is one that has its slot, generation and kind in
 * both; its cells that move are on the way, and the others switch when `share` is 1. Who is there switches
 * then, too: what is only in `to` is not there before 1, what is only in `from` until then.
 *
 * @param share 0 is `from`, 1 is `to`. Past 1 cells that move go on as they went from one to the other, as
 *   far as their range goes; the others stay.
 * @example
 * const shown = new DisplayFrame(game.layout);
 * interpolate(world, world, 0.5, shown);
 */
export function interpolate(from: Rows, to: Rows, share: number, into: DisplayFrame): void {
  const base = share < 1 ? from : to;
  const { stride, kinds } = base.layout;
  const { end } = base;
  into.fit(end);
  into.kinds.set(base.kinds.subarray(0, end));
  into.generations.set(base.generations.subarray(0, end));
  into.cells.set(base.cells.subarray(0, end * stride));
  const other = share < 1 ? to : from;
  for (let slot = 0; slot < Math.min(end, other.end); slot++) {
    const kind = from.kinds[slot] ?? 0;
    if (kind === 0 || kind !== to.kinds[slot] || from.generations[slot] !== to.generations[slot]) continue;
    const cells = kinds[kind - 1]?.cells ?? [];
    for (let i = 0; i < cells.length; i++) {
      const cell = cells[i];
      const at = slot * stride + i;
      const start = from.cells[at] ?? 0;
      const end = to.cells[at] ?? 0;
      if (cell?.moves === true && start !== end && share !== 1)
        into.cells[at] = intoRange(cell, start + difference(cell, start, end) * share);
    }
  }
}
