import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "@zocalo/integrity";
import { SlidingWindow } from "./window.ts";
import { TransitTimes } from "./jitter.ts";

test("a window's quantiles are those of its last values, whatever came before", () => {
  const random = new Random(1);
  const window = new SlidingWindow(50);
  const all: number[] = [];
  assert.equal(window.quantile(0.5), 0);
  for (let n = 0; n < 500; n++) {
    const value = random.int(-1_000, 1_000);
    all.push(value);
    window.add(value);
    const sorted = all.slice(-50).sort((a, b) => a - b);
    for (const q of [0, 0.5, 0.95, 0.99, 1]) {
      assert.equal(window.quantile(q), sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)]);
    }
  }
  window.clear();
  assert.equal(window.quantile(1), 0);
  assert.equal(window.count, 0);
  window.add(7);
  assert.equal(window.quantile(1), 7);
});

test("what is reckoned with is the jitter of 95 in 100 and one tick", () => {
  const transit = new TransitTimes(30);
  assert.equal(transit.isKnown, false);
  for (let n = 0; n < 128; n++) transit.arrived(1_000 + (n % 16) / 4);
  // Of 16 values 95 in 100 are 15.2: the greatest of them is the sixteenth.
  assert.equal(transit.jitter, 3.75);
  assert.equal(transit.reckoned, 1_004.75);
  for (let n = 0; n < 128; n++) transit.arrived(n % 32 === 0 ? 1_020 : 1_000);
  assert.equal(transit.jitter, 0);
  assert.equal(transit.reckoned, 1_001);
});

test("an arrival before what was possible begins anew, and one is enough", () => {
  const transit = new TransitTimes(30);
  for (let n = 0; n < 128; n++) transit.arrived(1_000);
  transit.arrived(998);
  assert.equal(transit.reckoned, 1_001);
  transit.arrived(990);
  assert.equal(transit.reckoned, 991);
});

test("a queue that is read after a minute leaves nothing behind but its freshest end", () => {
  const transit = new TransitTimes(30);
  for (let n = 0; n < 128; n++) transit.arrived(1_000);
  const random = new Random(1);
  for (let late = 1_800; late >= 0; late--) transit.arrived(1_000 + late + random.int(0, 2));
  assert.ok(transit.reckoned <= 1_004 && transit.reckoned >= 1_001, `${transit.reckoned}`);
  transit.arrived(Number.NaN);
  transit.arrived(Number.POSITIVE_INFINITY);
  assert.ok(transit.reckoned <= 1_004);
  transit.clear();
  assert.equal(transit.isKnown, false);
});
