import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "@zocalo/integrity";
import { ClockOffset } from "./clock-offset.ts";

const RATE = 30;
const TICK_MS = 1_000 / RATE;

/** Two clocks, and a way between them whose packets take what the test says. */
class Link {
  readonly offset = new ClockOffset(RATE);
  /** What the server's clock says at 0 of the one here, in ticks. */
  ahead: number;
  /** How much faster the server's clock runs. */
  drift: number;
  #nowMs = 5_000;
  #toldMs = 0;
  #quickestUp = Number.POSITIVE_INFINITY;
  #quickestDown = Number.POSITIVE_INFINITY;

  constructor(ahead: number, drift: number) {
    this.ahead = ahead;
    this.drift = drift;
  }

  server(nowMs: number): number {
    return (nowMs / TICK_MS) * (1 + this.drift) + this.ahead;
  }

  /** One packet there and one back; what each takes, in milliseconds. */
  exchange(upMs: number, downMs: number): void {
    const sentMs = this.#nowMs;
    const came = this.server(sentMs + upMs);
    const backMs = sentMs + upMs + downMs;
    // What it says of the upward way came back with the answer, or after a later one.
    this.#toldMs = Math.max(this.#toldMs, backMs);
    this.offset.up(sentMs, came, this.#toldMs);
    this.offset.down(this.server(this.#toldMs - downMs), this.#toldMs);
    this.#quickestUp = Math.min(this.#quickestUp, upMs);
    this.#quickestDown = Math.min(this.#quickestDown, downMs);
    this.#nowMs += TICK_MS;
  }

  get errorMs(): number {
    return Math.abs(this.offset.serverTicks(this.#nowMs) - this.server(this.#nowMs)) * TICK_MS;
  }

  /** What cannot be told from outside: half of what the quickest ways differ by. */
  get boundMs(): number {
    return Math.abs(this.#quickestUp - this.#quickestDown) / 2;
  }

  pass(ms: number): void {
    this.#nowMs += ms;
  }
}

test("for any jitter and bursts the error is at most half of what the quickest ways differ by", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = new Random(seed);
    const link = new Link(random.int(-1e6, 1e6), 0);
    const up = 5 + random.next() * 150;
    const down = 5 + random.next() * 150;
    let burstMs = 0;
    for (let n = 0; n < 200; n++) {
      if (random.chance(0.02)) burstMs = 400;
      burstMs = Math.max(0, burstMs - TICK_MS);
      const late = () => burstMs - Math.log(1 - random.next()) * 15;
      link.exchange(up + late(), down + late());
      assert.ok(link.errorMs <= link.boundMs + 1e-3, `seed ${seed}: ${link.errorMs} > ${link.boundMs}`);
    }
    assert.ok(link.offset.roundTripMs >= up + down);
    assert.equal(link.offset.steps, 0);
  }
});

test("it follows clocks that drift by 500 millionths", () => {
  for (const drift of [-5e-4, 5e-4]) {
    const random = new Random(9);
    const link = new Link(40, drift);
    for (let n = 0; n < 30_000; n++) {
      link.exchange(75 + random.next() * 30, 75 + random.next() * 30);
      // What it knows is at most 8 seconds old.
      assert.ok(link.errorMs <= 15 + 8_000 * 5e-4, `${link.errorMs} after ${n}`);
    }
    assert.equal(link.offset.steps, 0);
  }
});

test("a clock that was set is noticed at once if it was by more than the round trip, else within 8 seconds", () => {
  for (const step of [-1_800, -60, -3, 3, 60, 1_800]) {
    const random = new Random(4);
    const link = new Link(1_000, 0);
    const run = (packets: number) => {
      for (let n = 0; n < packets; n++) link.exchange(75 + random.next() * 20, 75 + random.next() * 20);
    };
    run(300);
    link.ahead += step;
    const isFar = Math.abs(step) * TICK_MS > 190;
    run(isFar ? 3 : 8 * RATE + 40);
    assert.ok(link.errorMs <= 20, `${step} ticks: ${link.errorMs}`);
    assert.equal(link.offset.steps > 0, isFar);
  }
});

test("with samples of one way only it goes by the last round trip, and before any by its own clock", () => {
  const offset = new ClockOffset(RATE);
  assert.equal(offset.isKnown, false);
  assert.equal(Math.round(offset.serverTicks(1_000)), 30);
  offset.down(100, 1_000);
  assert.equal(offset.isKnown, true);
  assert.equal(Math.round(offset.serverTicks(1_000)), 100);
  assert.equal(offset.roundTripMs, 0);
  offset.up(900, 99, 1_000);
  assert.ok(Math.abs(offset.roundTripMs - 66.667) < 0.1);
  offset.down(Number.NaN, 1_000);
  offset.up(Number.NaN, Number.NaN, 1_000);
  assert.ok(offset.serverTicks(1_000) > 100 && offset.serverTicks(1_000) < 102);
});

test("after an hour without a word it goes by what it knew, and then only by what is new", () => {
  const link = new Link(77, 0);
  for (let n = 0; n < 100; n++) link.exchange(50, 50);
  link.pass(3_600_000);
  assert.ok(link.errorMs < 1e-3);
  link.ahead -= 2;
  link.exchange(50, 50);
  assert.ok(link.errorMs < 1e-3);
});
