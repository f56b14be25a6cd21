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

const isFull = (error: unknown): boolean => error instanceof ProtocolError && error.code === "limit_reached";

test("one channel past the limit takes the place of one that holds nothing any more", async () => {
  const { engine, clock } = make({ maxChannels: 3 });
  await engine.publish("c:1", hello, keepAll);
  clock.advance(59_999);
  await engine.publish("c:2", hello, keepAll);
  await engine.publish("c:1", { ...hello, key: "k" }, { ...keepAll, publications: 0 }); // the latest, and all it has is a key
  await engine.open("c:3"); // empty too, and open
  clock.advance(40_000); // the key's time is over, and the sweep has come
  await engine.publish("c:4", hello, keepAll);
  assert.equal((await engine.read("c:1", 0, 1)).head, 0);
  assert.equal((await engine.read("c:2", 0, 1)).publications.length, 1);
  await engine.close();
});

test("with nothing empty, it takes that of the one published to longest ago that nobody has open", async () => {
  const { engine } = make({ maxChannels: 3 });
  const opened = await engine.publish("c:1", hello, keepAll);
  await engine.open("c:1");
  const first = await engine.publish("c:2", hello, keepAll);
  await engine.publish("c:3", hello, keepAll);
  const before = engine.bytes;
  await engine.publish("c:4", hello, keepAll);
  assert.equal(engine.bytes, before);
  const heads = await Promise.all(["c:1", "c:2", "c:3", "c:4"].map((name) => engine.read(name, 0, 1)));
  assert.deepEqual(
    heads.map(({ head }) => head),
    [1, 0, 1, 1],
  );
  assert.equal(heads[0]?.epoch, opened.epoch);
  const again = await engine.publish("c:2", hello, keepAll);
  assert.notEqual(again.epoch, first.epoch); // whoever comes back is told that the log was replaced
  await engine.close();
});

test("when all are open one more is refused", async () => {
  const { engine, clock } = make({ maxChannels: 2 });
  await engine.open("c:1");
  await engine.open("c:2");
  await assert.rejects(engine.open("c:3"), isFull);
  await assert.rejects(engine.publish("c:3", hello, keepAll), isFull);
  await engine.publish("c:1", hello, keepAll);
  engine.release("c:1");
  clock.advance(30_000);
  await engine.open("c:3");
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

test("text that V8 keeps at two bytes a character counts so", async () => {
  const { engine } = make();
  await engine.publish("c:1", { user: "u", data: JSON.stringify("x".repeat(1_000)) }, keepAll);
  const narrow = engine.bytes;
  await engine.publish("c:1", { user: "u", data: JSON.stringify(`${"x".repeat(999)}漢`) }, keepAll);
  assert.equal(engine.bytes - narrow, narrow + 1_002);
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
