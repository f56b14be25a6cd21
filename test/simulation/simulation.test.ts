// Two thousand worlds; `npm run simulate` has any number. ZOCALO_SEED=S begins with another one.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Entry } from "./history.ts";
import { ENGINES, simulate } from "./world.ts";

/** Those with real files are dearer. */
const WORLDS = { memory: 1_900, durable: 100 } as const;
const FIRST_SEED = Number(process.env["ZOCALO_SEED"] ?? 20_261_129);

for (const engine of ENGINES) {
  test(`whatever fails, nobody is told what is not so, and nothing acknowledged is missing (${engine})`, async (t) => {
    const totals: Partial<Record<Entry["type"], number>> = {};
    const worlds = WORLDS[engine];
    for (let seed = FIRST_SEED; seed < FIRST_SEED + worlds; seed++) {
      const { broken, history } = await simulate(seed, engine);
      const again = `npm run simulate -- --engine ${engine} --seeds 1 --seed ${seed}`;
      assert.equal(broken, undefined, `${broken}; again: ${again}`);
      for (const { type } of history) totals[type] = (totals[type] ?? 0) + 1;
    }
    t.diagnostic(JSON.stringify(totals));
    const { acked = 0, recovered = 0, gap = 0, lost = 0, gone = 0, kept = 0, left = 0, failed = 0 } = totals;
    // Otherwise it would have proved little.
    const isMuch = acked > 25 * worlds && recovered > 2 * worlds && gap > worlds;
    assert.ok(isMuch && lost > worlds / 8 && gone > worlds / 8, "too little happened");
    const isLeft = kept > 12 * worlds && left > worlds / 2 && failed > worlds / 8;
    assert.ok(isLeft, "too little was left to others");
  });
}

for (const engine of ENGINES) {
  test(`a seed is a world: it is the same each time (${engine})`, async () => {
    const [one, again] = [await simulate(7, engine), await simulate(7, engine)];
    // The SDK draws the keys of its publications where nobody else can, and so does a store its names.
    const shown = (history: readonly Entry[]) =>
      JSON.stringify(history).replaceAll(/[0-9a-f]{24}-|(\\?"epoch\\?":\\?")[^"\\]*/g, "$1");
    assert.equal(shown(one.history), shown(again.history));
  });
}
