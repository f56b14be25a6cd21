// For any changes, loss, doubling, reordering and delay, clients know what the server had.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { play } from "./play.ts";

/** Any history without pressure. */
const anyPlay = fc.record({
  seed: fc.integer(),
  ticks: fc.integer({ min: 1, max: 200 }),
  entities: fc.nat(30),
  loss: fc.constantFrom(0, 0.05, 0.3, 0.8),
  doubling: fc.constantFrom(0, 0.1),
  delay: fc.constantFrom(0, 2, 6, 30),
  budgetBytes: fc.constant(65_000),
  churn: fc.constantFrom(0, 0.05, 0.3, 1),
  silence: fc.constantFrom(0, 0, 40, 70),
});

test("without pressure what is acknowledged is what the server had at that tick", () => {
  let reads = 0;
  fc.assert(
    fc.property(anyPlay, (options) => {
      for (const client of play(options)) {
        assert.equal(client.wholes, client.reads);
        reads += client.reads;
      }
    }),
    { seed: 1, numRuns: 60 },
  );
  assert.ok(reads > 5_000);
});
