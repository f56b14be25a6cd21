import type { Figures } from "./simulation.ts";

export function quantile(values: readonly number[], q: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? 0;
}

/** What runs measured, in a sentence. */
export function summary(runs: readonly Figures[]): string {
  const all = (of: (run: Figures) => readonly number[]) => runs.flatMap((run) => of(run));
  const mean = (of: (run: Figures) => number) =>
    ((100 * runs.reduce((sum, run) => sum + of(run), 0)) / runs.length).toFixed(2);
  const errors = all((run) => run.errors);
  const depths = all((run) => run.depths);
  const behind = all((run) => run.behind);
  const wrong = errors.filter((error) => error > 0).length / errors.length;
  return (
    `Prediction error p95 ${quantile(errors, 0.95)}, p99 ${quantile(errors, 0.99)} quanta (a step is up to 100), ` +
    `wrong in ${(100 * wrong).toFixed(2)} % of the frames. ` +
    `Inputs applied ${mean((run) => run.applied)} %, repeated ${mean((run) => run.repeated)} %. ` +
    `Buffer depth p5 ${quantile(depths, 0.05)}, p50 ${quantile(depths, 0.5)}, p95 ${quantile(depths, 0.95)} ticks. ` +
    `Shown behind the newest frame p50 ${quantile(behind, 0.5).toFixed(2)}, p95 ${quantile(behind, 0.95).toFixed(2)} ticks.`
  );
}
