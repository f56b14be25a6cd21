import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { systemClock } from "./clock.ts";

const DAY_MS = 86_400_000;

function machine() {
  mock.timers.enable({ apis: ["setTimeout"] });
  const time = { uptime: 5_000.25, pass: (ms: number) => mock.timers.tick((time.uptime += ms) && ms) };
  mock.method(performance, "now", () => time.uptime);
  return time;
}

test.afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

test("a timer of sixty days comes after sixty days", () => {
  const { pass } = machine();
  let fired = 0;
  systemClock.after(60 * DAY_MS, () => fired++);
  for (let day = 0; day < 59; day++) pass(DAY_MS);
  pass(DAY_MS - 1_000);
  assert.equal(fired, 0);
  pass(1_000);
  pass(0);
  assert.equal(fired, 1);
  systemClock.after(60 * DAY_MS, () => fired++)();
  for (let day = 0; day < 61; day++) pass(DAY_MS);
  assert.equal(fired, 1);
});

test("what a page that was asleep is late for waits for what came meanwhile", () => {
  const time = machine();
  let fired = 0;
  systemClock.after(3_000, () => fired++);
  time.uptime += 60_000;
  time.pass(3_000);
  time.pass(999);
  assert.equal(fired, 0);
  time.pass(1);
  assert.equal(fired, 1);
});

test("a timer can be called off until its task runs", () => {
  const { pass } = machine();
  let fired = 0;
  const stop = systemClock.after(10, () => fired++);
  mock.timers.tick(10); // It has come, and lets what waits be read.
  stop();
  pass(10);
  assert.equal(fired, 0);
});
