import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "@zocalo/integrity";
import { VirtualClock } from "../../test/time/virtual-clock.ts";
import { systemClock } from "../host/options.ts";
import type { Clock } from "./clock.ts";
import { Ticker } from "./ticker.ts";

/** Promised by `Ticker`. */
const MOST_WAKES = 3;

/** Counts how often a clock wakes somebody. */
class CountingClock implements Clock {
  wakes = 0;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  uptime(): number {
    return this.#clock.uptime();
  }

  after(ms: number, run: () => void): () => void {
    return this.#clock.after(ms, () => {
      this.wakes += 1;
      run();
    });
  }
}

/** As Node has it: milliseconds are whole ones, at least one, and counted from the last whole one. */
class NodeClock extends VirtualClock {
  override after(ms: number, run: () => void): () => void {
    const now = this.uptime();
    return super.after(Math.floor(now) + Math.max(1, Math.trunc(ms)) - now, run);
  }
}

function started(clock: VirtualClock, options: { phase?: number; maxBehind?: number } = {}) {
  const ran: { tick: number; at: number }[] = [];
  const ticker = new Ticker({ clock, ticksPerSecond: 50, ...options }, (tick) =>
    ran.push({ tick, at: clock.uptime() }),
  );
  ticker.start();
  return { ticker, ran };
}

test("late timers do not add up: after an hour as many ticks have run as an hour has", () => {
  const clock = new VirtualClock(7);
  const random = new Random(1);
  clock.lateness = () => random.next() * 9;
  const { ticker, ran } = started(clock);
  clock.runUntil(7 + 3_600_000 + 15);
  assert.equal(ran.length, 180_000);
  assert.deepEqual(
    ran.map(({ tick }) => tick),
    Array.from(ran, (_, index) => index + 1),
  );
  assert.equal(ticker.skipped, 0);
  const { p50Ms, p99Ms, worstMs } = ticker.lateness();
  assert.ok(p50Ms > 4 && p50Ms < 5 && p99Ms > 8.5 && worstMs >= p99Ms && worstMs < 9);
});

test("after a stand of less than maxBehind ticks all of them run, and the time is as it was", () => {
  const clock = new VirtualClock();
  const { ticker, ran } = started(clock);
  clock.runUntil(40);
  clock.standStill(99);
  clock.runUntil(160);
  assert.deepEqual(
    ran.map(({ at }) => at),
    [20, 40, 139, 139, 139, 139, 140, 160],
  );
  assert.equal(ticker.skipped, 0);
  assert.equal(ticker.position(), 8);
});

test("after a longer one maxBehind ticks run, the rest is skipped and counted, and numbers go on", () => {
  const clock = new VirtualClock();
  const { ticker, ran } = started(clock, { maxBehind: 3 });
  clock.runUntil(40);
  clock.standStill(60_000);
  clock.runUntil(60_060);
  assert.deepEqual(ran.slice(2), [
    { tick: 3, at: 60_040 },
    { tick: 4, at: 60_040 },
    { tick: 5, at: 60_040 },
    { tick: 6, at: 60_060 },
  ]);
  assert.equal(ticker.skipped, 2_997);
  assert.equal(ticker.position(), 6);
  assert.equal(ticker.lateness().worstMs, 59_980);
});

test("a timer that comes early by a whole millisecond is set again, and no tick runs before it is due", () => {
  const clock = new VirtualClock();
  clock.lateness = () => -0.9;
  const { ran } = started(clock);
  clock.runUntil(1_000);
  assert.ok(ran.length >= 49);
  for (const { tick, at } of ran) assert.ok(at >= tick * 20 - 0.5, `tick ${tick} ran at ${at}`);
});

test("it sleeps between ticks: Node's timers, early as they are, wake it at most three times for each", () => {
  let most = 0;
  for (const ticksPerSecond of [7, 30, 60, 64, 128, 144, 999, 1_000]) {
    for (let phase = 0; phase < 1; phase += 1 / 16) {
      const virtual = new NodeClock(phase);
      const clock = new CountingClock(virtual);
      const wakesOf: number[] = [];
      const ticker = new Ticker({ clock, ticksPerSecond, phase }, () => {
        wakesOf.push(clock.wakes);
        clock.wakes = 0;
        virtual.standStill(0.3);
      });
      ticker.start();
      virtual.runUntil(2_000);
      // Numbers of ticks that were made up for at once have none.
      assert.ok(wakesOf.length >= 2 * ticksPerSecond - 3, `${wakesOf.length} ticks`);
      most = Math.max(most, ...wakesOf);
    }
  }
  assert.equal(most, MOST_WAKES);
});

test("the system's own timers wake it no more often", async () => {
  const clock = new CountingClock(systemClock);
  const wakesOf: number[] = [];
  await new Promise<void>((resolve) => {
    const ticker = new Ticker({ clock, ticksPerSecond: 128 }, (tick) => {
      wakesOf.push(clock.wakes);
      clock.wakes = 0;
      if (tick < 40) return;
      ticker.stop();
      resolve();
    });
    ticker.start();
  });
  assert.ok(Math.max(...wakesOf) <= MOST_WAKES, wakesOf.join(" "));
});

test("a tick that throws does not end the others, and stop ends them within one", () => {
  const clock = new VirtualClock();
  const ran: number[] = [];
  const ticker = new Ticker({ clock, ticksPerSecond: 10 }, (tick) => {
    ran.push(tick);
    if (tick === 2) throw new Error("of the game");
    if (tick === 4) ticker.stop();
  });
  ticker.start();
  assert.throws(() => clock.runUntil(1_000), /of the game/);
  clock.standStill(300);
  clock.runUntil(2_000);
  assert.deepEqual(ran, [1, 2, 3, 4]);
  assert.equal(ticker.nextTick, 5);
  ticker.start();
  ticker.start();
  clock.runUntil(2_200);
  assert.deepEqual(ran, [1, 2, 3, 4, 5, 6]);
});

test("one that a tick stops and starts goes on with one timer, and runs no tick before it is due", () => {
  const clock = new VirtualClock();
  const ran: string[] = [];
  const ticker = new Ticker({ clock, ticksPerSecond: 50 }, (tick) => {
    ran.push(`${tick} at ${clock.uptime()}`);
    if (tick !== 2) return;
    ticker.stop();
    ticker.start();
  });
  ticker.start();
  clock.standStill(90);
  clock.runUntil(130);
  assert.deepEqual(ran, ["1 at 90", "2 at 90", "3 at 110", "4 at 130"]);
  assert.equal(clock.timers, 1);
  ticker.stop();
  assert.equal(clock.timers, 0);
});

test("a phase says when within a tick of the clock it runs", () => {
  for (const start of [0, 3, 19.5, 1_000_000]) {
    const clock = new VirtualClock(start);
    const { ran } = started(clock, { phase: 0.25 });
    clock.runUntil(start + 41);
    assert.ok(ran.length >= 2);
    for (const { at } of ran) assert.ok(Math.abs(((at / 20) % 1) - 0.25) < 1e-6, `${at}`);
    assert.ok((ran[0]?.at ?? 0) > start);
  }
});

test("options out of their range are refused", () => {
  const clock = new VirtualClock();
  const make = (options: object) => () => new Ticker({ clock, ticksPerSecond: 30, ...options }, () => {});
  for (const ticksPerSecond of [0, -1, Number.NaN, 1_001])
    assert.throws(make({ ticksPerSecond }), RangeError);
  for (const phase of [-0.1, 1, Number.NaN]) assert.throws(make({ phase }), RangeError);
  for (const maxBehind of [0, 1.5, Number.NaN]) assert.throws(make({ maxBehind }), RangeError);
  make({ ticksPerSecond: 1_000, phase: 0, maxBehind: 1 })();
});
