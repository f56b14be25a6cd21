import assert from "node:assert/strict";
import { test } from "node:test";
import { RedialWait } from "./redial.ts";

test("waits of --reconnect double up to 30 s, are random from their half, and begin anew", () => {
  const longest = new RedialWait(true, () => 1);
  const waits = Array.from({ length: 7 }, () => longest.next());
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  longest.succeeded();
  assert.equal(longest.next(), 1000);
  assert.equal(new RedialWait(true, () => 0).next(), 500);
});
