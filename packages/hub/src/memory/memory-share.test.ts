import assert from "node:assert/strict";
import { test } from "node:test";
import type { Retention } from "../engine/engine.ts";
import { MemoryLog } from "./memory-log.ts";
import { MemoryShare } from "./memory-share.ts";

test("what shares hold is what the logs do, and a share that holds nothing is forgotten", () => {
  const all = new Map<string, MemoryShare>();
  const keys = { bytes: 0 };
  const logs = ["c:1", "c:2", "c:3"].map((channel) => new MemoryLog(channel, "epoch", keys));
  const addresses = ["a", "b", "c", undefined];
  let now = 0;
  let unlimited = 0;
  for (let number = 0; number < 2_000; number++) {
    const log = logs[number % 3];
    const address = addresses[(number * 7 + (number >> 3)) % 4];
    assert.ok(log);
    const retention: Retention = { publications: number % 9, bytes: 2_000, ttlMs: 500, keyTtlMs: 300 };
    const key = number % 4 === 0 ? `k${number}` : undefined;
    const data = JSON.stringify("x".repeat((number * 37) % 600));
    const share = address === undefined ? undefined : (all.get(address) ?? new MemoryShare(address, all));
    log.append({ user: "u", data, key }, share, retention, { wall: 0, uptime: now });
    if (number % 11 === 0) log.dropOldest();
    if (number % 97 === 0) log.clear();
    now += (number * 13) % 90;
    for (const each of logs) each.trim(now);
    const held = [...all.values()].reduce((sum, { weight }) => sum + weight, 0);
    const weight = logs.reduce((sum, each) => sum + each.weight, 0);
    unlimited = Math.max(unlimited, weight - held);
    assert.ok(held <= weight);
    assert.ok(keys.bytes >= [...all.values()].reduce((sum, { keyWeight }) => sum + keyWeight, 0));
    for (const each of logs) {
      const places = [...all.values()].filter((one) => [...one.droppable].includes(each));
      assert.deepEqual(
        places.map((one) => each.isNextOf(one)),
        places.length === 0 ? [] : [true],
        "a log has a place at whose is next, and at no other",
      );
    }
    for (const { weight: held } of all.values()) assert.ok(held > 0);
  }
  assert.ok(unlimited > 0);
  for (const log of logs) log.clear();
  assert.deepEqual([all.size, keys.bytes, ...logs.map(({ weight }) => weight)], [0, 0, 0, 0, 0]);
});
