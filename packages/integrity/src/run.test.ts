import assert from "node:assert/strict";
import { test } from "node:test";
import { type CaseContext, runCases, type Scenario } from "./run.ts";

/** A case that ends when the timers of the process have had so many turns. */
function slowScenario(turns: number, hangLooks?: number): Scenario {
  return {
    name: "slow",
    ...(hangLooks === undefined ? undefined : { hangLooks }),
    draw: (decks) => ({ scenario: "slow", seed: decks.random.fork() }),
    run: (_drawn, context) => inTurns(turns, context),
    *simpler() {},
  };
}

function inTurns(turns: number, context: CaseContext): Promise<void> {
  return new Promise((resolve) => {
    let left = turns;
    const timer = setInterval(() => {
      left -= 1;
      if (left === 0) resolve();
    }, 100);
    context.onEnd(() => clearInterval(timer));
  });
}

const run = { seed: 1, cases: 1, hangLooks: 2, shrinks: false } as const;

test("a case that goes on for longer than the run waits for it hangs", async () => {
  const { failure } = await runCases({ ...run, scenarios: [slowScenario(1_000)] });
  assert.match(failure?.error.message ?? "", /the case hangs/);
});

test("a scenario that waits for a process says for itself how long that may take", async () => {
  assert.deepEqual(await runCases({ ...run, scenarios: [slowScenario(6, 1_000)] }), { cases: 1 });
});
