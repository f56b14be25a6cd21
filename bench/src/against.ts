import { figure, type Results } from "./results.ts";

/** The build of another commit, twice: what the two differ by is how much a figure means here and now. */
export const BEFORE = ["before", "before, again"] as const;
export type Before = (typeof BEFORE)[number];

export function isBefore(name: string): name is Before {
  return (BEFORE as readonly string[]).includes(name);
}

/** A figure that is worse by less than this is as good. */
const TOLERANCE = 0.05;

/**
 * This build beside that of another commit, one line per column. Worse is what is beyond the tolerance and
 * beyond what the other differs from itself by.
 */
export function comparison({ title, unit, columns, rows, isLessBetter }: Results, now: string): string {
  const valueOf = (name: string, column: string): number =>
    rows.find((row) => row.name === name)?.values[column] ?? Number.NaN;
  const lines = columns.map((column) => {
    const [first, second] = BEFORE.map((name) => valueOf(name, column));
    const [before = Number.NaN, again = Number.NaN] = [first, second];
    const both = (before + again) / 2;
    const change = valueOf(now, column) / both - 1;
    const spread = Math.abs(before - again) / both;
    const loss = isLessBetter ? change : -change;
    const isWorse = loss > TOLERANCE && loss > spread;
    const shown = `${figure(before)} and ${figure(again)} → ${figure(valueOf(now, column))}`;
    return `${column}: ${shown} (${percent(change)}, spread ${percent(spread)})${isWorse ? " WORSE" : ""}`;
  });
  return [`${title} (${unit}; ${isLessBetter ? "less" : "more"} is better), before → now`, ...lines].join(
    "\n",
  );
}

function percent(part: number): string {
  return `${part >= 0 ? "+" : ""}${(100 * part).toFixed(1)} %`;
}
