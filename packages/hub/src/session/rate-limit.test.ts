import assert from "node:assert/strict";
import { test } from "node:test";
import { RateLimit } from "./rate-limit.ts";

test("a burst is taken at once, and one past it is not", () => {
  const rate = new RateLimit(10, 3, 0);
  assert.deepEqual([rate.take(0), rate.take(0), rate.take(0), rate.take(0)], [true, true, true, false]);
  assert.equal(rate.retryMs, 100);
});

test("a token comes back when its time has passed, and not before", () => {
  const rate = new RateLimit(10, 1, 0);
  assert.equal(rate.take(0), true);
  assert.equal(rate.take(99), false);
  assert.equal(rate.retryMs, 1);
  assert.equal(rate.take(100), true);
});

test("who waits as long as it says can go on with a tenth of the burst", () => {
  const rate = new RateLimit(10, 50, 0);
  while (rate.take(0));
  assert.equal(rate.retryMs, 500);
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6].map(() => rate.take(500)),
    [true, true, true, true, true, false],
  );
});

test("a long silence gives no more than a burst", () => {
  const rate = new RateLimit(10, 2, 0);
  assert.deepEqual([rate.take(1e9), rate.take(1e9), rate.take(1e9)], [true, true, false]);
});

test("what a command cost beyond one is a debt, of a burst at most", () => {
  const rate = new RateLimit(1, 2, 0);
  assert.equal(rate.take(0), true);
  rate.spend(1_000_000);
  assert.equal(rate.take(2_999), false);
  assert.equal(rate.take(3_000), true, "two for the debt, one to take");
});

test("it is full when a new one would give no more", () => {
  const rate = new RateLimit(1, 2, 0);
  assert.equal(rate.isFull(0), true);
  rate.take(0);
  assert.deepEqual([rate.isFull(999), rate.isFull(1_000)], [false, true]);
});
