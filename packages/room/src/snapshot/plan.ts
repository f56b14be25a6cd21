import type { Layout } from "../contracts/layout.ts";

/** Which cells of a kind are of which sort. */
export interface KindPlan {
  readonly moving: Int32Array;
  /** Those that do not move. */
  readonly held: Int32Array;
  readonly references: Int32Array;
  /** All but the references. */
  readonly others: Int32Array;
}

const plans = new WeakMap<Layout, readonly KindPlan[]>();

/** Those of a layout, by kind; all its rooms share them. */
export function planOf(layout: Layout): readonly KindPlan[] {
  let plan = plans.get(layout);
  if (plan === undefined) {
    plan = layout.kinds.map(({ cells }) => ({
      moving: Int32Array.from(cells.flatMap((cell, index) => (cell.moves ? [index] : []))),
      held: Int32Array.from(cells.flatMap((cell, index) => (cell.moves ? [] : [index]))),
      references: Int32Array.from(cells.flatMap((cell, index) => (cell.refers ? [index] : []))),
      others: Int32Array.from(cells.flatMap((cell, index) => (cell.refers ? [] : [index]))),
    }));
    plans.set(layout, plan);
  }
  return plan;
}
