import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "@zocalo/integrity";
import type { Rows } from "../contracts/rows.ts";
import { rowsOf, testLayout } from "../../test/time/rows.ts";
import { DISPLAY_RATE, Display } from "./display.ts";
import { DisplayFrame } from "./interpolation.ts";

const RATE = 30;
const TICK_MS = 1_000 / RATE;
const layout = testLayout([{ min: 0, max: 1_000_000, wraps: false, moves: true, refers: false }]);

/** An entity that is at ten times the tick, so what is shown says at what time it is shown. */
function frame(tick: number): Rows {
  return rowsOf(layout, [{ kind: 1, generation: 1, cells: [10 * tick] }]);
}

class Page {
  readonly display = new Display({ ticksPerSecond: RATE });
  readonly frames = new Map<number, Rows>();
  readonly into = new DisplayFrame(layout);

  comes(tick: number, nowMs: number): void {
    this.frames.set(tick, frame(tick));
    this.display.came(tick, nowMs);
  }

  show(nowMs: number) {
    const state = this.display.show(nowMs, (tick) => this.frames.get(tick), this.into);
    return { state, time: (this.into.cells[0] ?? 0) / 10 };
  }
}

test("for any jitter, loss and bursts the time never goes back nor passes the newest frame by 100 ms", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = new Random(seed);
    const page = new Page();
    const ahead = random.int(10, 1_000);
    const jitterMs = random.next() * 60;
    const arrivals: { at: number; tick: number }[] = [];
    let burstMs = 0;
    for (let tick = ahead; tick < ahead + 600; tick++) {
      if (random.chance(0.01)) burstMs = random.next() * 300;
      burstMs = Math.max(0, burstMs - TICK_MS);
      if (random.chance(0.05)) continue;
      arrivals.push({ at: (tick - ahead) * TICK_MS + 75 + burstMs + random.next() * jitterMs, tick });
    }
    arrivals.sort((a, b) => a.at - b.at);
    let last = 0;
    let lastMs = 0;
    let behind = 0;
    let shown = 0;
    for (let ms = 0; ms < 20_000; ms += 16.7) {
      for (let next = arrivals[0]; next !== undefined && next.at <= ms; next = arrivals[0]) {
        page.comes(next.tick, next.at);
        arrivals.shift();
      }
      const { state, time } = page.show(ms);
      if (state === "waiting") continue;
      assert.ok(time >= last, `seed ${seed}: back from ${last} to ${time}`);
      assert.ok(time <= page.display.newest + 100 / TICK_MS + 1e-9);
      // One frame alone is shown as it is, whatever the time.
      if (page.frames.size > 1) assert.ok(Math.abs(time - page.display.time) < 1e-6);
      const rate = (time - last) / ((ms - lastMs) / TICK_MS);
      // The first frame is where it begins, and it may yet be late.
      if (last > 0 && ms > 1_000) assert.ok(rate <= 1 + DISPLAY_RATE + 1e-6, `seed ${seed}: ${rate}`);
      [last, lastMs] = [time, ms];
      if (ms < 5_000) continue;
      shown += 1;
      behind += ahead + (ms - 75) / TICK_MS - time;
    }
    // On average it is behind by the jitter and a tick, and bursts make that at most twice as much.
    const mean = behind / shown;
    assert.ok(mean > 0.5 && mean < 2 + (jitterMs + 300) / TICK_MS, `seed ${seed}: ${mean} ticks behind`);
  }
});

test("without jitter it is one tick behind, and each frame shows what lies between two", () => {
  const page = new Page();
  for (let tick = 1; tick < 100; tick++) {
    page.comes(tick, tick * TICK_MS);
    for (const part of [0.25, 0.75]) {
      const { time } = page.show((tick + part) * TICK_MS);
      if (tick > 1) assert.ok(Math.abs(time - (tick + part - 1)) < 1e-6);
    }
  }
  assert.ok(Math.abs(page.display.delay - 1) < 1e-6);
});

test("when nothing newer comes it goes on for 100 ms and then holds, without time going back afterwards", () => {
  const page = new Page();
  for (let tick = 1; tick <= 60; tick++) page.comes(tick, tick * TICK_MS);
  let last = page.show(60 * TICK_MS).time;
  for (let ms = 60 * TICK_MS; ms < 10_000; ms += 10) {
    const { state, time } = page.show(ms);
    assert.ok(time >= last && time <= 63);
    if (ms > 65 * TICK_MS) assert.equal(state, "holding");
    last = time;
  }
  assert.equal(last, 63);
  page.comes(299, 299 * TICK_MS + 40);
  page.comes(300, 300 * TICK_MS);
  assert.equal(page.show(300 * TICK_MS).state, "returned");
  assert.equal(page.show(300 * TICK_MS + 10).state, "showing");
  assert.ok(page.display.time > 297);
});

test("two frames that come within one shown frame are one, and only what is newest by then counts", () => {
  const page = new Page();
  page.comes(1, TICK_MS);
  page.show(TICK_MS);
  const asked = new Set<number>();
  for (let tick = 2; tick <= 60; tick++) page.comes(tick, tick * TICK_MS);
  page.display.show(
    60 * TICK_MS,
    (tick) => {
      asked.add(tick);
      return page.frames.get(tick);
    },
    page.into,
  );
  assert.deepEqual(
    [...asked].filter((tick) => tick < 58),
    [],
  );
});

test("after a minute away the first shown frame is right, and says that it returned", () => {
  for (const clockStops of [false, true]) {
    for (const isQueued of [false, true]) {
      const page = new Page();
      for (let tick = 1; tick <= 100; tick++) {
        page.comes(tick, tick * TICK_MS);
        page.show(tick * TICK_MS);
      }
      const back = 1_900;
      // The machine was asleep, and its clock with it; or only the page was.
      const now = clockStops ? 101 * TICK_MS : back * TICK_MS;
      // What came meanwhile is read at once, or was thrown away on the way.
      if (isQueued) for (let tick = 101; tick < back - 1; tick++) page.comes(tick, now);
      page.comes(back, now);
      const { state, time } = page.show(now);
      assert.equal(state, "returned");
      assert.ok(time <= back && time >= back - 3, `${time}, and ${back} came`);
      assert.equal(page.show(now + 10).state, "showing");
    }
  }
});

test("when the page shows before the frames of its absence come, it returns with them, too", () => {
  const page = new Page();
  for (let tick = 1; tick <= 100; tick++) {
    page.comes(tick, tick * TICK_MS);
    page.show(tick * TICK_MS);
  }
  const now = 1_900 * TICK_MS;
  assert.equal(page.show(now).state, "returned");
  assert.equal(page.show(now + 10).state, "holding");
  page.comes(1_900, now + 15);
  const { state, time } = page.show(now + 20);
  assert.deepEqual([state, time], ["returned", 1_900]);
  assert.equal(page.show(now + 30).state, "showing");
});

test("nothing is shown before a frame is there, and one frame alone is shown as it is", () => {
  const page = new Page();
  assert.equal(page.show(0).state, "waiting");
  page.comes(5, 100);
  assert.deepEqual(page.show(100), { state: "showing", time: 5 });
  page.frames.clear();
  assert.equal(page.show(120).state, "waiting");
});
