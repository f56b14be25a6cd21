import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { asIteratorResult, asItIs, Waiter, Waiters } from "./waiters.ts";

const canceled = (): Error => new Error("canceled");

/** So many calls in one line, and how to see who is left in it. */
function line(count: number, signals: readonly (AbortSignal | undefined)[] = []) {
  const waiters = new Waiters<Waiter<number>>();
  const all = Array.from({ length: count }, (_, at) =>
    waiters.add(new Waiter<number>(asItIs), signals[at], canceled),
  );
  const left = (): number[] => [...waiters].map((waiter) => all.indexOf(waiter));
  return { waiters, all, left };
}

test("those who wait leave in the order in which they came, and may come again", async () => {
  const { waiters, all, left } = line(3);
  waiters.shift()?.resolve(1);
  assert.deepEqual(left(), [1, 2]);
  waiters.shift()?.resolve(2);
  waiters.shift()?.resolve(3);
  assert.equal(waiters.shift(), undefined);
  assert.deepEqual(await Promise.all(all.map((waiter) => waiter.promise)), [1, 2, 3]);
  assert.deepEqual([waiters.first, waiters.last], [undefined, undefined]);
  const late = waiters.add(new Waiter<number>(asItIs));
  assert.deepEqual([waiters.first, waiters.last], [late, late]);
});

for (const [at, left] of [
  [0, [1, 2]],
  [1, [0, 2]],
  [2, [0, 1]],
] as const) {
  test(`a signal takes its call out and leaves the others, at ${at} of 3`, async () => {
    const controller = new AbortController();
    const signals: (AbortSignal | undefined)[] = [];
    signals[at] = controller.signal;
    const called = line(3, signals);
    controller.abort();
    await assert.rejects(called.all[at]?.promise as Promise<number>, /canceled/);
    assert.deepEqual(called.left(), left);
    assert.equal(called.waiters.last, called.all[left[1]]);
    const late = called.waiters.add(new Waiter<number>(asItIs));
    assert.deepEqual([...called.waiters].at(-1), late, "who comes next stands behind them");
  });
}

test("to take a call out takes as many steps behind ten thousand others as behind ten", () => {
  const { waiters, all } = line(10_000);
  let steps = 0;
  const counted = all.slice(1, -1);
  for (const waiter of all) {
    let { next } = waiter;
    Object.defineProperty(waiter, "next", {
      get() {
        steps++;
        return next;
      },
      set(to: typeof next) {
        next = to;
      },
    });
  }
  for (const waiter of counted.toReversed()) assert.equal(waiters.delete(waiter), true);
  assert.ok(steps < 10 * counted.length, `${steps} steps`);
  assert.deepEqual([...waiters], [all[0], all.at(-1)]);
  assert.equal(waiters.delete(counted[0] as Waiter<number>), false);
});

test("one signal ends all of its calls", async () => {
  const { signal } = new AbortController();
  const controller = new AbortController();
  const { all, left } = line(3, [controller.signal, signal, controller.signal]);
  controller.abort();
  const outcomes = await Promise.allSettled([all[0]?.promise, all[2]?.promise]);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ["rejected", "rejected"],
  );
  assert.deepEqual(left(), [1]);
});

test("the error of a canceled call is asked for when it is out of the line, and has settled", async () => {
  const controller = new AbortController();
  const waiters = new Waiters<Waiter>();
  let wasFirst: boolean | undefined;
  let wasSettled: boolean | undefined;
  const waiter: Waiter = waiters.add(new Waiter(asItIs<void>), controller.signal, () => {
    wasFirst = waiters.first === waiter;
    wasSettled = waiter.isSettled;
    waiter.resolve(); // Too late.
    return canceled();
  });
  controller.abort();
  await assert.rejects(waiter.promise, /canceled/);
  assert.equal(wasFirst, false);
  assert.equal(wasSettled, true);
});

test("a call settles once, whatever comes after", async () => {
  const controller = new AbortController();
  let asked = 0;
  const waiter = new Waiter<number>(asItIs);
  waiter.endWith(controller.signal, () => {
    asked += 1;
    return canceled();
  });
  waiter.resolve(1);
  waiter.resolve(2);
  waiter.reject(new Error("late"));
  controller.abort();
  assert.equal(await waiter.promise, 1);
  assert.equal(asked, 0);
});

test("what an answer throws rejects", async () => {
  const waiter = new Waiter<number>(() => {
    throw new Error("not to be had");
  });
  waiter.resolve(1);
  await assert.rejects(waiter.promise, /not to be had/);
});

test("a failure that nobody awaits ends no process", async (t) => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  process.on("unhandledRejection", note);
  t.after(() => process.off("unhandledRejection", note));
  const { waiters } = line(2);
  for (const waiter of waiters.takeAll()) waiter.reject(new Error("broken"));
  await turn();
  await turn();
  assert.deepEqual(unhandled, []);
});

test("all can be taken out at once", () => {
  const { waiters, all, left } = line(3);
  assert.deepEqual(waiters.takeAll(), all);
  assert.deepEqual(left(), []);
  assert.equal(waiters.delete(all[1] as Waiter<number>), false);
});

test("null ends an iteration", () => {
  assert.deepEqual(asIteratorResult(0), { done: false, value: 0 });
  assert.deepEqual(asIteratorResult(null), { done: true, value: undefined });
});
