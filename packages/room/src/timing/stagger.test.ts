import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "@zocalo/integrity";
import { Stagger } from "./stagger.ts";

function narrowest(phases: readonly number[]): number {
  const sorted = [...phases].sort((a, b) => a - b);
  return Math.min(...sorted.map((phase, i) => (sorted[i + 1] ?? (sorted[0] ?? 0) + 1) - phase));
}

test("rooms that start one after the other lie evenly over the tick", () => {
  const stagger = new Stagger();
  const phases: number[] = [];
  for (let count = 1; count <= 200; count++) {
    phases.push(stagger.take());
    assert.ok(narrowest(phases) >= 0.5 / count, `${count} rooms`);
    for (const phase of phases) assert.ok(phase >= 0 && phase < 1);
  }
});

test("a phase that was given back is taken again before any gap is split further", () => {
  const random = new Random(3);
  const stagger = new Stagger();
  const phases = Array.from({ length: 64 }, () => stagger.take());
  for (let round = 0; round < 500; round++) {
    const [gone] = phases.splice(random.below(phases.length), 1);
    stagger.free(gone ?? 0);
    phases.push(stagger.take());
    assert.ok(narrowest(phases) >= 1 / 64 - 1e-9);
  }
  stagger.free(0.123);
  assert.equal(new Set(phases).size, 64);
});
