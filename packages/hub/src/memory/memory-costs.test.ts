import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/fake-clock.ts";
import { hello, keepAll, keptOf, make } from "../../test/memory.ts";
import type { Retention } from "../engine/engine.ts";
import type { Timer } from "../primitives/clock.ts";
import { CELL_COST } from "./cells.ts";
import { MemoryEngine } from "./memory-engine.ts";
import { MemoryLogs } from "./memory-logs.ts";

/** Keys that a command forgets at most; none of the others is known either. */
const KEYS_AT_ONCE = 64;

test("many keys whose time is over are forgotten some at a time, and none is known meanwhile", async () => {
  const { engine, clock } = make({ sweepMs: 3_600_000 });
  const none: Retention = { ...keepAll, publications: 0 };
  const publish = (number: number) => engine.publish("c:1", { ...hello, key: `${number}` }, none);
  for (let number = 0; number < 1_000; number++) await publish(number);
  clock.advance(keepAll.keyMs);
  const before = engine.bytes;
  await engine.publish("c:1", hello, none);
  assert.equal(engine.bytes, before - KEYS_AT_ONCE * CELL_COST);
  // From the end, where nothing was forgotten yet.
  for (let number = 999; number >= 900; number--) {
    assert.equal((await publish(number)).duplicate, false);
    assert.equal((await publish(number)).duplicate, true);
  }
  assert.equal(engine.bytes, (1 + 100) * CELL_COST, "those that are known, and the channel");
  await engine.close();
});

test("a sweep takes many steps where much is past its time, and other tasks have their turn between them", async () => {
  let steps = 0;
  let most = 0;
  let before = 0;
  class CountingClock extends FakeClock {
    override after(delayMs: number, task: () => void): Timer {
      return super.after(delayMs, () => {
        before = engine.bytes;
        task();
        most = Math.max(most, before - engine.bytes);
        steps++;
      });
    }
  }
  const clock = new CountingClock();
  const engine = new MemoryEngine({ clock });
  const short: Retention = { publications: 10_000, bytes: 1_000_000, ttlMs: 20_000, keyMs: 20_000 };
  await engine.open("c:open");
  for (let number = 0; number < 3_000; number++) {
    await engine.publish("c:1", { ...hello, key: `${number}` }, short);
    await engine.publish("c:open", hello, short);
    await engine.publish(`c:${number}`, hello, short);
    await engine.publish(
      `c:keyed-${number % 1_000}`,
      { ...hello, key: `${number}` },
      { ...short, publications: 0 },
    );
  }
  clock.advance(30_000);
  const logs = 3_000 + 1_000 + 1;
  assert.equal(engine.bytes, logs * CELL_COST);
  assert.ok(most <= (1_000 + KEYS_AT_ONCE) * CELL_COST, `${most / CELL_COST} records`);
  const done = 3_000 * 5 + logs;
  assert.ok(steps >= done / (1_000 + KEYS_AT_ONCE) && steps < done / 500, `${steps} steps`);
  await engine.close();
});

test("a sweep leaves nothing where the last channel has nothing but keys on the way", async () => {
  const { engine, clock } = make();
  await engine.open("c:1");
  for (let number = 0; number < 500; number++) {
    await engine.publish("c:1", { ...hello, key: `${number}` }, { ...keepAll, ttlMs: 1_000 });
  }
  clock.advance(30_000);
  assert.equal(engine.bytes, CELL_COST);
  await engine.close();
});

test("what a new channel costs at the limit does not grow with those that are open, keyed, or full", async (t) => {
  const { engine } = make({ maxChannels: 3_000 });
  for (let number = 0; number < 1_000; number++) {
    await engine.open(`c:open-${number}`);
    await engine.publish(`c:keyed-${number}`, { ...hello, key: "k" }, keepAll);
    if (number < 990) await engine.publish(`c:full-${number}`, hello, keepAll);
  }
  const looks = t.mock.method(MemoryLogs.prototype, "isOpen");
  for (let number = 0; number < 100; number++) {
    await engine.publish(`c:new-${number}`, hello, { ...keepAll, publications: 0 });
  }
  assert.equal(engine.channels, 3_000);
  assert.ok(looks.mock.callCount() < 100 * 50, `${looks.mock.callCount()} looks for 100 new channels`);
  assert.equal(await keptOf(engine, "c:full-0"), 1, "those that hold nothing went first");
  await engine.close();
});

test("what a publication costs that is too much does not grow with channels that have nothing to drop", async (t) => {
  const { engine } = make({ maxBytes: 1_000_000 });
  for (let number = 0; number < 800; number++) {
    await engine.open(`c:open-${number}`);
    await engine.publish(`c:keyed-${number}`, { ...hello, key: "k" }, { ...keepAll, publications: 0 });
  }
  const large = { user: "u", data: JSON.stringify("x".repeat(20_000)) };
  for (let number = 0; number < 100; number++) await engine.publish("c:1", large, keepAll);
  const looks = t.mock.method(MemoryLogs.prototype, "isOpen");
  for (let number = 0; number < 100; number++) await engine.publish("c:1", large, keepAll);
  assert.ok(engine.bytes > 975_000 && engine.bytes <= 1_000_000, `${engine.bytes}`);
  assert.ok(looks.mock.callCount() < 100 * 50, `${looks.mock.callCount()} looks for 100 publications`);
  await engine.close();
});
