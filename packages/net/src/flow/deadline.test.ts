import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { DeadlineTimer, deadlineToMs, MAX_DELAY_MS, startTimer } from "./deadline.ts";

test("deadlines are dates, epoch milliseconds or null", () => {
  assert.equal(deadlineToMs(new Date(5)), 5);
  assert.equal(deadlineToMs(5), 5);
  assert.equal(deadlineToMs(null), Number.POSITIVE_INFINITY);
  for (const bad of [Number.NaN, new Date(Number.NaN)]) {
    assert.throws(() => deadlineToMs(bad), { code: "invalid_argument" });
  }
});

test("a timer of Infinity is none, and one too long for Node's comes as late as can be", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let fired = 0;
  assert.equal(
    startTimer(() => fired++, Number.POSITIVE_INFINITY),
    undefined,
  );
  startTimer(() => fired++, 2 ** 40);
  t.mock.timers.tick(MAX_DELAY_MS - 1);
  assert.equal(fired, 0);
  t.mock.timers.tick(1);
  assert.equal(fired, 1);
});

test("a deadline in the past passes at once, and is forgotten when cleared", () => {
  let passed = 0;
  const timer = new DeadlineTimer(() => passed++);
  timer.set(Date.now() - 1);
  assert.deepEqual([passed, timer.hasPassed], [1, true]);
  timer.set(null);
  assert.deepEqual([passed, timer.hasPassed], [1, false]);
  timer.set(Number.NEGATIVE_INFINITY);
  assert.deepEqual([passed, timer.hasPassed], [2, true]);
});

test("a deadline passes at its time: not a fraction of a millisecond before", (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 1_000_000 });
  let now = 5000.25;
  t.mock.method(performance, "now", () => now);
  let passed = 0;
  const timer = new DeadlineTimer(() => passed++);
  timer.set(Date.now() + 1);
  assert.deepEqual([passed, timer.hasPassed], [0, false]);
  now += 0.99;
  assert.equal(timer.hasPassed, false);
  now += 0.01;
  assert.equal(timer.hasPassed, true);
  timer.set(Date.now());
  assert.deepEqual([passed, timer.hasPassed], [1, true]);
  timer.set(null);
});

test("two timers that are set to one time in one call pass together", (t) => {
  let now = 5000;
  let wall = 1_000_000;
  t.mock.method(performance, "now", () => now);
  t.mock.method(Date, "now", () => wall);
  const timers = [new DeadlineTimer(() => undefined), new DeadlineTimer(() => undefined)];
  for (const timer of timers) {
    timer.set(1_000_100);
    now += 0.01;
    wall += 1; // It turned over between the two.
  }
  now = 5099.995;
  assert.deepEqual(
    timers.map((timer) => timer.hasPassed),
    [false, false],
  );
  now = 5100;
  assert.deepEqual(
    timers.map((timer) => timer.hasPassed),
    [true, true],
  );
  for (const timer of timers) timer.set(null);
});

test("a timer that runs early is not a deadline that has passed", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
  let now = 5000;
  t.mock.method(performance, "now", () => now);
  let passed = 0;
  const timer = new DeadlineTimer(() => passed++);
  timer.set(Date.now() + 10);
  now += 9.5;
  t.mock.timers.tick(10);
  assert.equal(passed, 0);
  now += 0.5;
  t.mock.timers.tick(1);
  assert.equal(passed, 1);
});

test("setting the system's clock after a deadline was set moves nothing", (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 1_000_000 });
  let now = 5000;
  t.mock.method(performance, "now", () => now);
  const timer = new DeadlineTimer(() => undefined);
  timer.set(Date.now() + 1000);
  for (const wallTime of [0, 2_000_000]) {
    t.mock.timers.setTime(wallTime);
    assert.equal(timer.hasPassed, false);
  }
  now += 1000;
  assert.equal(timer.hasPassed, true);
  timer.set(null);
});

test("a moved deadline passes once, at its last place", async () => {
  let passed = 0;
  const done = new Promise<void>((resolve) => {
    const timer = new DeadlineTimer(() => {
      passed++;
      resolve();
    });
    timer.holdProcess(true);
    timer.set(Date.now() + 1e7);
    timer.set(Date.now() + 5);
    timer.set(Date.now() + 10);
  });
  await done;
  await new Promise(setImmediate);
  assert.equal(passed, 1);
});

test("a deadline further away than a timer can count is not taken for a near one", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    let passed = 0;
    const timer = new DeadlineTimer(() => passed++);
    timer.set(Date.now() + 2 ** 40);
    mock.timers.tick(2 ** 31 + 10);
    assert.equal(passed, 0);
    timer.set(null);
  } finally {
    mock.timers.reset();
  }
});
