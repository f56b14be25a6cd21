import assert from "node:assert/strict";
import { test } from "node:test";
import { Pace } from "./pace.ts";

/** Frames of 16 ms, of which every `each`th takes 40. */
function run(pace: Pace, frames: number, each: number): number[] {
  const seen = [pace.sharpness];
  for (let i = 1; i <= frames; i++) if (pace.frame(i % each === 0 ? 0.04 : 0.016)) seen.push(pace.sharpness);
  return seen;
}

test("a page that misses every second frame draws fewer pixels, in two steps", () => {
  assert.deepEqual(run(new Pace(), 1_000, 2), [2, 1.5, 1.25]);
});

test("a frame that is late now and then changes nothing, nor does a screen of 120 a second", () => {
  assert.deepEqual(run(new Pace(), 10_000, 10), [2]);
  const pace = new Pace();
  for (let i = 0; i < 1_000; i++) assert.equal(pace.frame(0.008), false);
});

test("it is judged by what is shown now, not by what was slow long ago", () => {
  const pace = new Pace();
  assert.deepEqual(run(pace, 105, 2), [2, 1.5]);
  assert.deepEqual(run(pace, 10_000, 20), [1.5]);
});
