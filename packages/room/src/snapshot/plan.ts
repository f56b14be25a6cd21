import type { Cell, KindLayout, Layout } from "../contracts/layout.ts";
import { isSimilar } from "./foretell.ts";

/** Which cells of a kind are of which sort. */
export interface KindPlan {
  readonly moving: Int32Array;
  /** By cell of any kind: all bits of those that do not move. */
  readonly heldMasks: Int32Array;
  readonly references: Int32Array;
  /** All but the references. */
  readonly others: Int32Array;
  /** By cell: not 0 if 32-bit integers foretell it; where it wraps its span is a power of two then. */
  readonly isSmall: Uint8Array;
  /** By cell: not 0 if it is of the same form as the one before it. */
  readonly similar: Uint8Array;
}

/** Cells within this of 0 on both sides are foretold in 32-bit integers. */
const SMALL = 2 ** 23;

const plans = new WeakMap<Layout, readonly KindPlan[]>();

/** Those of a layout, by kind; all its rooms share them. */
export function planOf(layout: Layout): readonly KindPlan[] {
  let plan = plans.get(layout);
  if (plan === undefined) {
    plan = layout.kinds.map((kind) => ({
      moving: indicesOf(kind, (cell) => cell.moves),
      heldMasks: Int32Array.from({ length: layout.stride }, (_, c) =>
        kind.cells[c]?.moves === true ? 0 : -1,
      ),
      references: indicesOf(kind, (cell) => cell.refers),
      others: indicesOf(kind, (cell) => !cell.refers),
      isSmall: Uint8Array.from(kind.cells, isSmall),
      similar: Uint8Array.from(kind.cells, (_, c) => (isSimilar(kind, c) ? 1 : 0)),
    }));
    plans.set(layout, plan);
  }
  return plan;
}

function indicesOf({ cells }: KindLayout, isOne: (cell: Cell) => boolean): Int32Array {
  return Int32Array.from(cells.flatMap((cell, index) => (isOne(cell) ? [index] : [])));
}

function isSmall({ min, max, wraps }: Cell): number {
  const mask = max - min;
  // One more than such a mask has one bit that the mask has not.
  return min >= -SMALL && max <= SMALL && (!wraps || (mask & (mask + 1)) === 0) ? 1 : 0;
}
