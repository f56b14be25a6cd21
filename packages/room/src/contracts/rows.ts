import type { Layout } from "./layout.ts";

/**
 * The entities of a world at one moment: one row each. The arrays are replaced when they grow; ask for them
 * anew after anything was added.
 *
 * @typeParam Cells `Int32Array` for what is true: those cells are quantised and compared. `Float64Array` for
 *   what is shown between two ticks: there the cells that move have fractions, and the others have not.
 */
export interface Rows<Cells extends Int32Array | Float64Array = Int32Array> {
  /** What they consist of. */
  readonly layout: Layout;
  /** Slots below this may be in use. */
  readonly end: number;
  /** By slot: 0 for a free one, else 1 plus the index of the kind. */
  readonly kinds: Uint8Array;
  /** By slot: how many entities it has had, modulo 2^32. Another number is another entity. */
  readonly generations: Uint32Array;
  /** By slot, `layout.stride` cells each. A kind that has fewer leaves the rest 0, as a free slot does. */
  readonly cells: Cells;
}
