import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { backoffMs, defaultBackoff } from "./backoff.ts";

test("the bound doubles with each attempt up to the greatest", () => {
  const almostOne = 1 - Number.EPSILON;
  const bounds = [1, 2, 3, 4, 5, 6, 7, 8, 1_000_000].map((attempt) =>
    backoffMs(attempt, almostOne, defaultBackoff),
  );
  assert.deepEqual(bounds, [499, 999, 1999, 3999, 7999, 15999, 19999, 19999, 19999]);
});

test("a wait is anything from nothing to its bound", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      fc.integer({ min: 1, max: 1_000 }),
      fc.integer({ min: 1, max: 60_000 }),
      (attempt, random, baseMs, maxMs) => {
        const ms = backoffMs(attempt, random, { baseMs, maxMs });
        return ms >= 0 && ms <= Math.min(maxMs, baseMs * 2 ** (attempt - 1)) && Number.isInteger(ms);
      },
    ),
  );
  assert.equal(backoffMs(7, 0, defaultBackoff), 0);
  assert.equal(backoffMs(1, 0.5, defaultBackoff), defaultBackoff.baseMs / 2);
});
