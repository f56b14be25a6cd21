import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "@zocalo/integrity";
import { ClientTime } from "./client-time.ts";

const RATE = 30;
const TICK_MS = 1_000 / RATE;
/** How often the page shows something, and so how late an input may leave, in milliseconds. */
const SHOW_MS = 5;

interface Packet {
  readonly at: number;
  readonly tick: number;
  readonly came: number;
  readonly cameAt: number;
}

/** Two clocks, and a way between them whose packets take what the test says. */
class Link {
  readonly time = new ClientTime({ ticksPerSecond: RATE });
  /** What the server's clock says at 0 of the one here, in ticks. */
  ahead: number;
  /** How much faster the server's clock runs. */
  readonly drift: number;
  upMs: () => number;
  downMs: () => number;
  nowMs = 5_000;
  #quickestUp = Number.POSITIVE_INFINITY;
  #quickestDown = Number.POSITIVE_INFINITY;
  #up: Packet[] = [];
  #down: Packet[] = [];
  #tick: number;

  constructor(ahead: number, drift: number, upMs: () => number, downMs: () => number) {
    this.ahead = ahead;
    this.drift = drift;
    this.upMs = upMs;
    this.downMs = downMs;
    this.#tick = Math.ceil(this.server());
  }

  server(nowMs = this.nowMs): number {
    return (nowMs / TICK_MS) * (1 + this.drift) + this.ahead;
  }

  /** The server says something each tick, and the page answers. */
  run(ms: number, check?: () => void): void {
    const end = this.nowMs + ms;
    for (; this.nowMs < end; this.nowMs += SHOW_MS) {
      this.#serve();
      for (const packet of this.#down.filter(({ at }) => at <= this.nowMs)) {
        this.time.frame(packet.tick, packet.came, packet.cameAt, packet.at);
      }
      this.#down = this.#down.filter(({ at }) => at > this.nowMs);
      const count = this.time.advance(this.nowMs);
      const { number } = this.time.inputs;
      for (let tick = number - count + 1; tick <= number; tick++) {
        const takes = this.upMs();
        this.#quickestUp = Math.min(this.#quickestUp, takes);
        const at = this.nowMs + takes;
        this.#up.push({ at, tick, came: tick, cameAt: this.server(at) });
      }
      check?.();
    }
  }

  #serve(): void {
    // After a step it does not make up for what it did not run.
    if (Math.abs(this.#tick - this.server()) > 2) this.#tick = Math.ceil(this.server());
    for (; this.#tick <= this.server(); this.#tick++) {
      const sentMs = this.nowMs - ((this.server() - this.#tick) * TICK_MS) / (1 + this.drift);
      const told = this.#up.find(({ at }) => at <= sentMs);
      if (told !== undefined) this.#up.splice(this.#up.indexOf(told), 1);
      const takes = this.downMs();
      this.#quickestDown = Math.min(this.#quickestDown, takes);
      this.#down.push({
        at: sentMs + takes,
        tick: this.#tick,
        came: told?.came ?? 0,
        cameAt: told?.cameAt ?? 0,
      });
    }
  }

  get errorMs(): number {
    return Math.abs(this.time.serverTicks(this.nowMs) - this.server()) * TICK_MS;
  }

  /** What cannot be told: half of what the quickest ways differ by, and how late inputs leave. */
  get boundMs(): number {
    return (Math.abs(this.#quickestUp - this.#quickestDown) + SHOW_MS) / 2;
  }
}

test("for any jitter and bursts the error is at most half of what the quickest ways differ by", () => {
  for (let seed = 1; seed <= 100; seed++) {
    const random = new Random(seed);
    const up = 5 + random.next() * 150;
    const down = 5 + random.next() * 150;
    let burstUntil = 0;
    const takes = (ms: number) => (): number => {
      if (random.chance(0.02)) burstUntil = link.nowMs + 400;
      return ms + Math.max(0, burstUntil - link.nowMs) - Math.log(1 - random.next()) * 15;
    };
    const link = new Link(random.int(1e4, 1e6), 0, takes(up), takes(down));
    // Until an input came the ways are taken for equal; a window that is not full may miss the quickest.
    link.run(3_000);
    link.run(4_000, () => {
      assert.ok(link.errorMs <= link.boundMs + 15, `seed ${seed}: ${link.errorMs} > ${link.boundMs}`);
    });
    const { roundTripMs } = link.time;
    assert.ok(roundTripMs >= up + down - 1e-6 && roundTripMs <= up + down + SHOW_MS + 30, `${roundTripMs}`);
  }
});

test("it follows clocks that drift by 500 millionths", () => {
  for (const drift of [-5e-4, 5e-4]) {
    const random = new Random(9);
    const takes = (): number => 75 + random.next() * 30;
    const link = new Link(4_000, drift, takes, takes);
    link.run(2_000);
    link.run(100_000, () => assert.ok(link.errorMs <= 15 + 5_000 * 5e-4, `${link.errorMs}`));
  }
});

test("a clock that was set is noticed at once if it was by more than the round trip, else within 128 frames", () => {
  for (const step of [-1_800, -60, -3, 3, 60, 1_800]) {
    const random = new Random(4);
    const takes = (): number => 75 + random.next() * 20;
    const link = new Link(10_000, 0, takes, takes);
    link.run(10_000);
    link.ahead += step;
    link.run(Math.abs(step) > 6 ? 600 : 200 + 128 * TICK_MS);
    assert.ok(link.errorMs <= 20, `${step} ticks: ${link.errorMs}`);
  }
});

test("before the first frame there are no inputs, and before the first input came the way there is none", () => {
  const time = new ClientTime({ ticksPerSecond: RATE });
  assert.equal(time.advance(1_000), 0);
  assert.equal(time.roundTripMs, 0);
  time.frame(100, 0, 0, 1_000);
  assert.equal(Math.round(time.serverTicks(1_000)), 100);
  assert.equal(time.roundTripMs, 0);
  assert.equal(time.advance(1_000), 1);
  const { number } = time.inputs;
  time.frame(102, number, 102, 1_100);
  assert.ok(Math.abs(time.roundTripMs - 2 * TICK_MS) < 0.1, `${time.roundTripMs}`);
  time.frame(103, Number.NaN, Number.NaN, Number.NaN);
  assert.ok(Math.abs(time.roundTripMs - 2 * TICK_MS) < 0.1);
});

test("after an hour without a word it goes by what it knew", () => {
  const link = new Link(
    7_000,
    0,
    () => 50,
    () => 50,
  );
  link.run(4_000);
  link.nowMs += 3_600_000;
  assert.ok(link.errorMs <= SHOW_MS);
  link.run(4_000);
  assert.ok(link.errorMs <= SHOW_MS);
});
