import type { Cell } from "../contracts/layout.ts";

/** The difference from `a` to `b`, which are in the cell's range; of a cell that wraps the shorter one. */
export function difference(cell: Cell, a: number, b: number): number {
  const plain = b - a;
  if (!cell.wraps) return plain;
  const span = cell.max - cell.min + 1;
  return plain * 2 >= span ? plain - span : plain * 2 < -span ? plain + span : plain;
}

/** Brings a computed value back into the range of its cell. One that wraps stays below `max + 1`. */
export function intoRange(cell: Cell, value: number): number {
  const { min, max } = cell;
  if (!cell.wraps) return value < min ? min : value > max ? max : value;
  const span = max - min + 1;
  const turned = value - span * Math.floor((value - min) / span);
  // Rounding can make a whole turn of what is just below `min`.
  return turned < max + 1 ? turned : min;
}
