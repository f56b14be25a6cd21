import assert from "node:assert/strict";
import { test } from "node:test";
import { type Monitored, monitor, unmonitor } from "./rounds.ts";

test("while the process stands still the time of the checks goes on by two periods at most", async () => {
  const periodMs = 20;
  const times: number[] = [];
  await new Promise<void>((resolve) => {
    const member: Monitored = {
      slot: -1,
      checkPeer(now) {
        times.push(now);
        if (times.length === 3) {
          unmonitor(member, periodMs);
          resolve();
          return;
        }
        const until = performance.now() + 300;
        while (performance.now() < until);
      },
    };
    monitor(member, periodMs);
    // Rounds do not keep the process alive.
    const alive = setInterval(() => times.length === 3 && clearInterval(alive), 5);
  });
  const [first = 0, second = 0, third = 0] = times;
  for (const passed of [second - first, third - second]) {
    assert.ok(passed > 0 && passed <= 2 * periodMs + 1, `${passed} ms`);
  }
});
