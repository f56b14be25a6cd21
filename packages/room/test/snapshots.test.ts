// For any changes, loss, doubling, reordering and delay, clients know what the server had.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { anyPlay, anyPressedPlay } from "./any-play.ts";
import { play } from "./play.ts";

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

test("under a budget each entity is as it was on the server when it was last included", () => {
  let parts = 0;
  let wholes = 0;
  fc.assert(
    fc.property(anyPressedPlay, (options) => {
      for (const client of play(options)) {
        parts += client.reads - client.wholes;
        wholes += client.wholes;
      }
    }),
    { seed: 1, numRuns: 40 },
  );
  assert.ok(parts > 2_000 && wholes > 200, `${parts} parts, ${wholes} wholes`);
});
