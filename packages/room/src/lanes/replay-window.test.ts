import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "@zocalo/integrity";
import { REPLAY_WINDOW, ReplayWindow } from "./replay-window.ts";

test("a counter is new once, and old once the window has passed it", () => {
  const window = new ReplayWindow();
  assert.equal(window.newest, -1);
  assert.equal(window.verdict(0), "new");
  window.accept(0);
  assert.equal(window.verdict(0), "replayed");
  window.accept(REPLAY_WINDOW);
  assert.equal(window.verdict(0), "old");
  assert.equal(window.verdict(1), "new");
  window.accept(1);
  assert.equal(window.verdict(1), "replayed");
  assert.equal(window.verdict(REPLAY_WINDOW), "replayed");
});

test("asking changes nothing", () => {
  const window = new ReplayWindow();
  window.accept(5);
  for (const counter of [2 ** 28 - 1, 6, 4, 5_000]) assert.equal(window.verdict(counter), "new");
  assert.equal(window.newest, 5);
  assert.equal(window.verdict(5), "replayed");
});

test("it says of any counters in any order what a set of all of them would", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = new Random(seed);
    const window = new ReplayWindow();
    const seen = new Set<number>();
    let newest = -1;
    let at = random.below(3) === 0 ? random.below(2 ** 27) : 0;
    for (let step = 0; step < 400; step++) {
      const jump = random.chance(0.05) ? random.below(5_000) : random.below(40);
      at = Math.max(0, at + (random.chance(0.6) ? jump : -jump));
      const expected =
        at > newest ? "new" : newest - at >= REPLAY_WINDOW ? "old" : seen.has(at) ? "replayed" : "new";
      assert.equal(window.verdict(at), expected, `seed ${seed}, step ${step}, counter ${at}`);
      if (expected !== "new" || random.chance(0.2)) continue;
      window.accept(at);
      seen.add(at);
      newest = Math.max(newest, at);
    }
  }
});
