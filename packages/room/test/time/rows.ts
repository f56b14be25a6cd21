import type { Cell, Layout } from "../../src/contracts/layout.ts";
import type { Rows } from "../../src/contracts/rows.ts";

/** One slot. */
export interface Entry {
  readonly kind: number;
  readonly generation: number;
  readonly cells: readonly number[];
}

/** A layout of kinds that consist of these cells. */
export function testLayout(...kinds: readonly Cell[][]): Layout {
  return {
    kinds: kinds.map((cells, index) => ({ name: `kind${index}`, cells, weight: 1 })),
    stride: Math.max(...kinds.map((cells) => cells.length)),
    hash: 1,
  };
}

/** Rows with these slots. */
export function rowsOf(layout: Layout, entries: readonly Entry[]): Rows {
  const cells = new Int32Array(entries.length * layout.stride);
  for (const [slot, entry] of entries.entries()) cells.set(entry.cells, slot * layout.stride);
  return {
    layout,
    end: entries.length,
    kinds: Uint8Array.from(entries, (entry) => entry.kind),
    generations: Uint32Array.from(entries, (entry) => entry.generation),
    cells,
  };
}
