// Some hundred worlds; `npm run simulate` has any number. ZOCALO_SEED=S begins with another one.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Entry } from "./history.ts";
import { simulate } from "./world.ts";

const WORLDS = 400;
const FIRST_SEED = Number(process.env["ZOCALO_SEED"] ?? 20_261_129);

test("whatever fails, nobody is told what is not so, and nothing acknowledged is missing", async (t) => {
  const totals: Partial<Record<Entry["type"], number>> = {};
  for (let seed = FIRST_SEED; seed < FIRST_SEED + WORLDS; seed++) {
    const { broken, history } = await simulate(seed);
    assert.equal(broken, undefined, `${broken}; again: npm run simulate -- --seeds 1 --seed ${seed}`);
    for (const { type } of history) totals[type] = (totals[type] ?? 0) + 1;
  }
  t.diagnostic(JSON.stringify(totals));
  const { acked = 0, recovered = 0, gap = 0, lost = 0, gone = 0, kept = 0, left = 0, failed = 0 } = totals;
  // Otherwise it would have proved little.
  assert.ok(
    acked > 10_000 && recovered > 1_000 && gap > 500 && lost > 50 && gone > 50,
    "too little happened",
  );
  assert.ok(kept > 5_000 && left > 300 && failed > 50, "too little was left to others");
});

test("a seed is a world: it is the same each time", async () => {
  const [one, again] = [await simulate(7), await simulate(7)];
  // The SDK draws the keys of its publications where nobody else can.
  const shown = (history: readonly Entry[]) => JSON.stringify(history).replaceAll(/[0-9a-f]{24}-/g, "");
  assert.equal(shown(one.history), shown(again.history));
});
