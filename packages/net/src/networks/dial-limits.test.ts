import assert from "node:assert/strict";
import { test } from "node:test";
import { withinLimits } from "./dial-limits.ts";

const site = { op: "dial", network: "tcp" } as const;

test("the time that is left shrinks while a name is resolved, so that each address gets a share of what is really left", async () => {
  await withinLimits({ deadline: Date.now() + 60_000 }, site, async (limits) => {
    const before = limits.remainingMs;
    while (limits.remainingMs === before) await new Promise(setImmediate);
    assert.ok(limits.remainingMs < before);
  });
  await withinLimits(undefined, site, async (limits) => {
    assert.equal(limits.remainingMs, Number.POSITIVE_INFINITY);
  });
});
