import assert from "node:assert/strict";
import { test } from "node:test";
import { ProtocolError } from "@zocalo/protocol";
import { FakeClock } from "../test/fake-clock.ts";
import type { Retention } from "./engine.ts";
import { MemoryEngine, type MemoryEngineOptions } from "./memory-engine.ts";

const keepAll: Retention = { publications: 1_000, bytes: 1_000_000, ttlMs: 60_000, keyTtlMs: 30_000 };
const hello = { user: "ana", data: '"hola"' };

function make(options: MemoryEngineOptions = {}): { engine: MemoryEngine; clock: FakeClock } {
  const clock = new FakeClock();
  return { engine: new MemoryEngine({ clock, ...options }), clock };
}

test("a publication is kept for its time, and not a millisecond longer", async () => {
  const { engine, clock } = make();
  await engine.publish("c:1", hello, keepAll);
  clock.advance(59_999);
  assert.equal((await engine.read("c:1", 0, 1)).publications.length, 1);
  clock.advance(1);
  const { head, oldest, publications } = await engine.read("c:1", 0, 1);
  assert.deepEqual([head, oldest, publications.length], [1, 2, 0]);
  await engine.close();
});

test("a key is known for its time, and not a millisecond longer", async () => {
  const { engine, clock } = make();
  await engine.publish("c:1", { ...hello, key: "k" }, keepAll);
  clock.advance(29_999);
  assert.equal((await engine.publish("c:1", { ...hello, key: "k" }, keepAll)).duplicate, true);
  clock.advance(1);
  assert.equal((await engine.publish("c:1", { ...hello, key: "k" }, keepAll)).duplicate, false);
  await engine.close();
});

test("the oldest key is forgotten at one past the limit", async () => {
  const { engine } = make({ maxKeysPerChannel: 3 });
  for (const key of ["a", "b", "c"]) await engine.publish("c:1", { ...hello, key }, keepAll);
  assert.equal((await engine.publish("c:1", { ...hello, key: "a" }, keepAll)).duplicate, true);
  await engine.publish("c:1", { ...hello, key: "d" }, keepAll);
  assert.equal((await engine.publish("c:1", { ...hello, key: "b" }, keepAll)).duplicate, true);
  assert.equal((await engine.publish("c:1", { ...hello, key: "a" }, keepAll)).duplicate, false);
  await engine.close();
});

test("one channel past the limit is refused until another holds nothing any more", async () => {
  const { engine, clock } = make({ maxChannels: 2 });
  await engine.publish("c:1", hello, keepAll);
  await engine.open("c:2");
  const isFull = (error: unknown): boolean =>
    error instanceof ProtocolError && error.code === "limit_reached";
  await assert.rejects(engine.publish("c:3", hello, keepAll), isFull);
  clock.advance(60_000);
  await engine.publish("c:3", hello, keepAll); // instead of c:1; c:2 is empty too, and open
  await assert.rejects(engine.publish("c:1", hello, keepAll), isFull);
  await engine.close();
});

test("a log that was forgotten comes back under another epoch, unless it never held anything", async () => {
  const { engine, clock } = make({ maxChannels: 2 });
  const unused = await engine.open("c:2");
  engine.release("c:2");
  assert.equal((await engine.open("c:2")).epoch, unused.epoch);
  const used = await engine.publish("c:1", hello, keepAll);
  clock.advance(60_000);
  engine.release("c:2");
  await engine.publish("c:3", hello, keepAll);
  await engine.publish("c:4", hello, keepAll); // c:1 is forgotten for it
  clock.advance(60_000);
  const again = await engine.publish("c:1", hello, keepAll);
  assert.equal(again.offset, 1);
  assert.notEqual(again.epoch, used.epoch);
  await engine.close();
});

test("past its bytes the channel published to longest ago loses its oldest", async () => {
  const { engine } = make({ maxBytes: 10_000 });
  const big = { user: "u", data: JSON.stringify("x".repeat(2_000)) };
  for (const channel of ["c:1", "c:2", "c:1", "c:2"]) await engine.publish(channel, big, keepAll);
  assert.ok(engine.bytes <= 10_000);
  await engine.publish("c:2", big, keepAll); // the fifth does not fit with its overhead
  assert.ok(engine.bytes <= 10_000);
  assert.equal((await engine.read("c:1", 0, 1)).oldest, 2);
  assert.equal((await engine.read("c:2", 0, 1)).oldest, 1);
  await engine.close();
});

test("what it holds is counted right whatever happens", async () => {
  const { engine, clock } = make({ maxBytes: 5_000, maxKeysPerChannel: 4 });
  for (let number = 0; number < 500; number++) {
    const key = number % 3 === 0 ? `k${number % 7}` : undefined;
    const data = JSON.stringify("x".repeat((number * 37) % 600));
    await engine.publish(
      `c:${number % 5}`,
      { user: "u", data, key },
      { ...keepAll, publications: number % 6 },
    );
    clock.advance((number * 13) % 900);
    assert.ok(engine.bytes >= 0 && engine.bytes <= 5_000, `${engine.bytes}`);
  }
  clock.advance(120_000);
  assert.equal(engine.bytes, 0);
  await engine.close();
});

test("the time of a log does not go back with the clock", async () => {
  let now = 1_000_000;
  const clock = { now: () => now, after: () => ({ cancel() {} }) };
  const engine = new MemoryEngine({ clock });
  const first = await engine.publish("c:1", hello, keepAll);
  now -= 500;
  const second = await engine.publish("c:1", hello, keepAll);
  assert.ok(second.at >= first.at);
  await engine.close();
});
