import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "@zocalo/integrity";
import { INPUT_RATE, InputClock, MAX_LEAD_MS, SteeredClock } from "./steering.ts";

const RATE = 30;
const TICK_MS = 1_000 / RATE;

function steered(): SteeredClock {
  const clock = new SteeredClock({ ticksPerSecond: RATE, maxRate: 0.02, jumpMs: 100, standMs: 250 });
  clock.steer(0, 0);
  return clock;
}

test("it nears its target by at most its rate, and without passing it", () => {
  for (const error of [-7, -2, -0.5, 0.5, 2.9]) {
    const clock = steered();
    let distance = Math.abs(error);
    for (let now = 7; now < 20_000; now += 7) {
      const target = now / TICK_MS + error;
      clock.steer(now, target);
      assert.ok(Math.abs(clock.rate - 1) <= 0.02 + 1e-12);
      const left = target - clock.position;
      assert.ok(Math.abs(left) <= distance + 1e-9 && left * error >= -1e-9, `${left} of ${error}`);
      distance = Math.abs(left);
    }
    assert.ok(distance < 0.05, `${distance} of ${error}`);
    assert.equal(clock.jumps, 0);
  }
});

test("far behind it jumps, far ahead it stands until the time is right, and it never goes back", () => {
  const clock = steered();
  clock.steer(10, 100);
  assert.equal(clock.position, 100);
  assert.equal(clock.jumps, 1);
  for (let now = 20; now <= 2_000; now += 10) {
    const before = clock.position;
    clock.steer(now, 50 + now / TICK_MS);
    assert.ok(clock.position >= before);
    if (now < 1_600) assert.equal(clock.position, 100);
  }
  assert.ok(Math.abs(clock.position - (50 + 2_000 / TICK_MS)) < 0.5);
  assert.equal(clock.jumps, 2);
  // Nor does it if the clock that it is given does.
  const before = clock.position;
  clock.steer(500, 50);
  assert.equal(clock.position, before);
});

test("it goes no further than it may, be it by a jump", () => {
  const clock = steered();
  clock.steer(1_000, 30, 20);
  assert.equal(clock.position, 20);
  clock.steer(2_000, 1_000, 21);
  assert.equal(clock.position, 21);
  clock.steer(3_000, 1_000, 5);
  assert.equal(clock.position, 21);
});

interface World {
  readonly seed: number;
  /** Of the way to the server, in milliseconds. */
  readonly wayMs: number;
  readonly jitterMs: number;
  readonly drift: number;
  readonly frameMs: number;
  /** By so many ticks the server's time is another after ten seconds. */
  readonly step?: number;
}

/** Inputs go to a server, which says when they came. */
function run({ seed, wayMs, jitterMs, drift, frameMs, step = 0 }: World) {
  const random = new Random(seed);
  const clock = new InputClock(RATE);
  const start = random.int(0, 100_000);
  const server = (ms: number) => 1_000 + (ms / TICK_MS) * (1 + drift) + (ms > 10_000 ? step : 0);
  const told: { at: number; number: number; came: number }[] = [];
  const slack: { at: number; slack: number }[] = [];
  const rates: number[] = [];
  let last = Number.NEGATIVE_INFINITY;
  let most = 0;
  for (let ms = 0; ms < 30_000; ms += frameMs * (0.8 + random.next() * 0.4)) {
    for (let at = told.length - 1; at >= 0; at--) {
      const entry = told[at];
      if (entry === undefined || entry.at > ms) continue;
      clock.came(entry.number, entry.came);
      told.splice(at, 1);
    }
    const { jumps } = clock;
    const count = clock.advance(start + ms, server(ms));
    assert.ok(clock.number >= last);
    last = clock.number;
    if (clock.jumps === jumps && clock.rate !== 0) rates.push(clock.rate);
    most = Math.max(most, clock.number - server(ms));
    for (let number = clock.number - count + 1; number <= clock.number; number++) {
      const upMs = wayMs + random.next() * jitterMs;
      const came = server(ms + upMs);
      slack.push({ at: ms, slack: number - came });
      told.push({ at: ms + upMs + wayMs + random.next() * jitterMs, number, came });
    }
  }
  return { clock, slack, rates, most };
}

test("for many ways, jitters, drifts and rates of frames: within 2 %, and inputs arrive just in time", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = new Random(seed);
    const jitterMs = random.next() * 80;
    const world = {
      seed,
      wayMs: 1 + random.next() * 200,
      jitterMs,
      drift: (random.next() - 0.5) * 1e-3,
      frameMs: random.pick([7, 16.7, 33.3]),
    };
    const { slack, rates, clock } = run(world);
    for (const rate of rates) assert.ok(Math.abs(rate - 1) <= INPUT_RATE + 1e-12);
    const settled = slack.filter(({ at }) => at > 10_000).map((entry) => entry.slack);
    const late = settled.filter((ticks) => ticks < 0).length / settled.length;
    const mean = settled.reduce((sum, ticks) => sum + ticks, 0) / settled.length;
    assert.ok(late <= 0.01, `seed ${seed}: ${late} came late`);
    // The jitter of the network and of the frames, and the tick to spare.
    const spread = (jitterMs + world.frameMs) / TICK_MS;
    assert.ok(mean > 0 && mean <= spread + 1.5, `seed ${seed}: ${mean} ticks early, of ${spread}`);
    assert.ok(clock.jumps <= 2, `seed ${seed}: ${clock.jumps} jumps`);
  }
});

test("once it has settled it does not swing: without jitter the rate stays at 1", () => {
  const { rates, slack } = run({ seed: 1, wayMs: 75, jitterMs: 0, drift: 0, frameMs: TICK_MS / 2 });
  for (const rate of rates.slice(-600)) assert.ok(Math.abs(rate - 1) < 0.01);
  const last = slack.slice(-300).map((entry) => entry.slack);
  assert.ok(Math.max(...last) - Math.min(...last) <= 1);
});

test("after the server's time was another by any number of ticks, inputs are in time again", () => {
  for (const step of [-1_800, -30, -4, -1, 1, 4, 30, 1_800]) {
    const { slack } = run({ seed: 7, wayMs: 75, jitterMs: 20, drift: 0, frameMs: 16.7, step });
    const settled = slack.filter(({ at }) => at > 20_000);
    // Far ahead it stands, for as long as it is: there are no inputs of that time.
    if (step === -1_800) assert.equal(settled.length, 0);
    else assert.ok(settled.length > 200, `${step}`);
    for (const entry of settled) assert.ok(entry.slack > -0.5 && entry.slack < 4, `${step}: ${entry.slack}`);
  }
});

test("inputs are at most a second ahead of the server, whatever it says", () => {
  const clock = new InputClock(RATE);
  for (let now = 0; now < 20_000; now += 10) {
    const server = now / TICK_MS;
    clock.advance(now, server);
    clock.came(clock.number, server + 500);
    assert.ok(clock.number <= server + (MAX_LEAD_MS / 1_000) * RATE);
  }
});

test("after a page stood still at most five inputs are made up for, and numbers go on", () => {
  const clock = new InputClock(RATE);
  clock.advance(0, 100);
  for (let now = 10; now <= 1_000; now += 10) clock.advance(now, 100 + now / TICK_MS);
  const before = clock.number;
  assert.equal(clock.advance(61_000, 100 + 61_000 / TICK_MS), 5);
  assert.ok(clock.number > before + 1_790);
  assert.equal(clock.skipped, clock.number - before - 5);
  assert.ok(clock.fraction >= 0 && clock.fraction < 1);
  // Of an input that was never made, or is to come, nothing is learnt.
  clock.came(clock.number + 1, clock.number);
  clock.came(clock.number - 500, clock.number);
  assert.equal(clock.transit.isKnown, false);
});
