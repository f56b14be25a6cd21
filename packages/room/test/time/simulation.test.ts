import assert from "node:assert/strict";
import { test } from "node:test";
import { type Figures, type Run, simulate } from "./simulation.ts";
import { quantile, summary } from "./summary.ts";

// Each run throws if: an input is applied twice, out of order, or differs from what its sender was told; a
// frame does not match the prediction although all inputs came; the displayed time goes back, passes the
// newest frame by 100 ms, or is not that of what is shown; inputs are steered by more than 2 %.
function run(seeds: number, of: (seed: number) => Omit<Run, "seed">): Figures[] {
  return Array.from({ length: seeds }, (_, index) => simulate({ seed: index + 1, ...of(index + 1) }));
}

test("150 ms there and back, 5 % lost, jitter and bursts: every promise holds, and few inputs are missing", (t) => {
  const runs = run(200, () => ({}));
  t.diagnostic(summary(runs));
  const errors = runs.flatMap((figures) => figures.errors);
  const depths = runs.flatMap((figures) => figures.depths);
  assert.equal(quantile(errors, 0.9), 0);
  const applied = runs.reduce((sum, figures) => sum + figures.applied, 0) / runs.length;
  assert.ok(applied > 0.97, `${applied} of the inputs were applied`);
  const depth = quantile(depths, 0.5);
  assert.ok(depth >= 1 && depth <= 4, `${depth} ticks in the buffer`);
});

test("without loss, bursts and a page that hitches no prediction is ever wrong", (t) => {
  const runs = run(30, () => ({ link: { jitterMs: 1, loss: 0, burstMs: 0 }, hitches: 0 }));
  t.diagnostic(summary(runs));
  assert.equal(Math.max(...runs.flatMap((figures) => figures.errors)), 0);
});

test("any way, any jitter, any loss", () => {
  run(200, (seed) => ({
    seconds: 10,
    link: {
      wayMs: (seed * 7) % 200,
      jitterMs: (seed * 13) % 40,
      loss: ((seed * 3) % 30) / 100,
      burstsPerSecond: ((seed * 5) % 20) / 10 + 0.01,
      burstMs: (seed * 31) % 500,
    },
  }));
});

test("after a minute away the first shown frame is right, whatever became of what was sent meanwhile", () => {
  run(60, (seed) => ({
    seconds: 16,
    away: { after: 8, isQueued: seed % 2 === 0, clockStops: seed % 3 === 0 },
  }));
});
