import type { Cell, KindLayout } from "../contracts/layout.ts";
import { difference, intoRange } from "../schema/cells.ts";
import { magnitude } from "./residuals.ts";

// Where a cell will be, and how far it is from there. Both sides do the same arithmetic: exact integers in
// doubles, rounded once.

/**
 * What a cell that `moves` will be, if it goes on as it did.
 *
 * @param base Its value at the base.
 * @param previous Its value before that.
 * @param ahead Ticks since the base.
 * @param behind Ticks from the previous one to the base, at least 1.
 */
export function foretell(cell: Cell, base: number, previous: number, ahead: number, behind: number): number {
  if (base === previous) return base;
  const way = difference(cell, previous, base) * ahead;
  return intoRange(cell, base + (behind === 1 ? way : Math.round(way / behind)));
}

/** How to come from `expected` to `value`, as a 32-bit integer. */
export function differenceOf(cell: Cell, value: number, expected: number): number {
  return difference(cell, expected, value) | 0;
}

/** Where that leads from `expected`. What did not come from `differenceOf` may lead past the cell's ends. */
export function valueOf(cell: Cell, expected: number, difference: number): number {
  return cell.wraps ? intoRange(cell, expected + difference) : (expected + difference) | 0;
}

/** How much a cell changed between two ticks, as far as it counts. */
export function speedOf(cell: Cell, value: number, before: number): number {
  return magnitude(difference(cell, before, value));
}

/** Whether a cell has two values. */
export function isBinary(cell: Cell): boolean {
  return cell.max - cell.min === 1 && !cell.refers;
}

/** Whether a cell is of the same form as the one before it, as the parts of a vector are. */
export function isSimilar(kind: KindLayout, c: number): boolean {
  const one = kind.cells[c - 1];
  const other = kind.cells[c];
  return (
    one !== undefined &&
    one.min === other?.min &&
    one.max === other.max &&
    one.moves === other.moves &&
    one.wraps === other.wraps &&
    !one.refers &&
    !other.refers
  );
}
