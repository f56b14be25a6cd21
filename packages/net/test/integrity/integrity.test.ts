// A share of the integrity driver: a few seeds that are always the same, and one that nobody has tried.
// `npm run integrity` goes on.
process.env["ZOCALO_POISON"] ??= "1";

import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Scenario } from "@zocalo/integrity";

const { describeFailure, runCases } = await import("@zocalo/integrity");
const { makeScenarios } = await import("./scenarios.ts");

const SEEDS = [1, 2];
const CASES = 90;

const made = await makeScenarios();
after(() => made.dispose());

for (const seed of [...SEEDS, Math.floor(Math.random() * 2 ** 31)]) {
  test(`${CASES} cases dealt from seed ${seed} deliver each byte as it was handed over, or say that they did not`, () =>
    hunt(made.scenarios, seed));
}

async function hunt(scenarios: readonly Scenario[], seed: number): Promise<void> {
  const { failure } = await runCases({ scenarios, seed, cases: CASES });
  assert.ok(failure === undefined, failure && describeFailure("net", failure));
}
