import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { systemClock } from "./clock.ts";

const DAY_MS = 86_400_000;

/** The machine's clocks, moved by the test. */
function machine(): { uptime: number; pass: (ms: number) => Promise<void> } {
  mock.timers.enable({ apis: ["setTimeout"] });
  const time = {
    uptime: 5_000.25,
    pass: async (ms: number) => {
      time.uptime += ms;
      mock.timers.tick(ms);
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
  mock.method(performance, "now", () => time.uptime);
  return time;
}

test.afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

test("a timer of sixty days comes after sixty days", async () => {
  const { pass } = machine();
  let fired = 0;
  systemClock.after(60 * DAY_MS, () => fired++);
  for (let day = 0; day < 59; day++) await pass(DAY_MS);
  await pass(DAY_MS - 1_000);
  assert.equal(fired, 0);
  await pass(1_000);
  assert.equal(fired, 1);
  systemClock.after(60 * DAY_MS, () => fired++).cancel();
  for (let day = 0; day < 61; day++) await pass(DAY_MS);
  assert.equal(fired, 1);
});

test("what a process that stood still is late for waits for what others did meanwhile", async () => {
  const time = machine();
  let fired = 0;
  systemClock.after(3_000, () => fired++);
  const short = { fired: 0 };
  systemClock.after(100, () => short.fired++);
  time.uptime += 60_000; // Suspended: its timers did not run.
  await time.pass(3_000);
  assert.deepEqual([fired, short.fired], [0, 0]);
  await time.pass(100);
  assert.deepEqual([fired, short.fired], [0, 1]);
  time.uptime += 60_000; // Again: once is enough, or nothing would ever be judged.
  await time.pass(900);
  assert.deepEqual([fired, short.fired], [1, 1]);
});

test("a task is called off even between its timer and the look at the sockets", async () => {
  const time = machine();
  let fired = 0;
  const timer = systemClock.after(10, () => fired++);
  const passing = time.pass(10);
  timer.cancel();
  await passing;
  assert.equal(fired, 0);
});

test("the system clock counts whole milliseconds that nobody sets", () => {
  machine();
  mock.method(Date, "now", () => 42);
  assert.deepEqual([systemClock.wall(), systemClock.uptime()], [42, 5_000]);
});
