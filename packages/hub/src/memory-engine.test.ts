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

/** Publications kept of a channel. */
async function keptOf(engine: MemoryEngine, channel: string): Promise<number> {
  return (await engine.read(channel, 0, 1_000)).publications.length;
}

test("one channel past those of an address takes the place of its own oldest, and others keep theirs", async () => {
  const { engine } = make({ maxChannelsPerAddress: 2 });
  const greedy = { ...hello, address: "203.0.113.7" };
  await engine.publish("c:honest", { ...hello, address: "198.51.100.1" }, keepAll);
  await engine.publish("c:nobody", hello, keepAll);
  await engine.publish("c:1", greedy, keepAll);
  await engine.publish("c:2", greedy, keepAll);
  assert.deepEqual([await keptOf(engine, "c:1"), await keptOf(engine, "c:2")], [1, 1]);
  await engine.publish("c:1", greedy, keepAll); // The latest now.
  await engine.publish("c:honest", greedy, keepAll); // Not begun by it.
  await engine.publish("c:3", greedy, keepAll);
  const names = ["c:1", "c:2", "c:3", "c:honest", "c:nobody"];
  assert.deepEqual(await Promise.all(names.map((name) => keptOf(engine, name))), [2, 0, 1, 2, 1]);
  await engine.close();
});

test("an address all of whose channels are open begins no other, and does when one is left", async () => {
  const { engine } = make({ maxChannelsPerAddress: 1 });
  const greedy = { ...hello, address: "203.0.113.7" };
  const { epoch } = await engine.open("c:1");
  await engine.publish("c:1", greedy, keepAll);
  await assert.rejects(engine.publish("c:2", greedy, keepAll), isFull);
  assert.equal(engine.channels, 1, "what was refused leaves no trace");
  await engine.publish("c:3", { ...hello, address: "198.51.100.1" }, keepAll);
  engine.release("c:1");
  await engine.open("c:1"); // Now it is open again, and has begun before.
  await assert.rejects(engine.publish("c:2", greedy, keepAll), isFull);
  engine.release("c:1");
  await engine.publish("c:2", greedy, keepAll);
  const first = await engine.open("c:1");
  assert.equal(first.head, 0);
  assert.notEqual(first.epoch, epoch, "its offsets begin again");
  await engine.close();
});

test("an address that publishes past its share loses its own oldest publications, and others keep theirs", async () => {
  const { engine } = make({ maxBytes: 1_000_000, maxBytesPerAddress: 50_000 });
  const large = { user: "eve", data: JSON.stringify("y".repeat(1_000)) };
  await engine.publish("c:honest", { ...large, address: "198.51.100.1" }, keepAll);
  for (let count = 0; count < 200; count++) {
    await engine.publish(`c:${count % 20}`, { ...large, address: "203.0.113.7" }, keepAll);
  }
  assert.equal(await keptOf(engine, "c:honest"), 1);
  assert.ok(engine.bytes <= 50_000 + 2_000, `${engine.bytes}`);
  assert.equal(await keptOf(engine, "c:19"), 10 - (await engine.read("c:19", 0, 1)).oldest + 1);
  assert.ok((await keptOf(engine, "c:19")) >= 1, "the latest is there");
  // In a channel that is open, too.
  await engine.open("c:open");
  for (let count = 0; count < 200; count++) {
    await engine.publish("c:open", { ...large, address: "203.0.113.7" }, keepAll);
  }
  assert.ok(engine.bytes <= 50_000 + 2_000, `${engine.bytes}`);
  assert.equal(await keptOf(engine, "c:honest"), 1);
  await engine.close();
});

test("what a stranger publishes past the share of whoever began the channel drives out what that channel holds only", async () => {
  const { engine } = make({ maxBytes: 1_000_000, maxBytesPerAddress: 50_000 });
  const large = { user: "eve", data: JSON.stringify("y".repeat(1_000)) };
  const honest = { ...large, address: "198.51.100.1" };
  for (let count = 0; count < 10; count++) await engine.publish("c:dear", honest, keepAll);
  await engine.publish("c:common", honest, keepAll);
  for (const address of ["203.0.113.7", undefined]) {
    for (let count = 0; count < 200; count++) {
      await engine.publish("c:common", { ...large, address }, keepAll);
    }
  }
  assert.equal(await keptOf(engine, "c:dear"), 10);
  assert.ok(engine.bytes <= 50_000 + 2_000, `${engine.bytes}`);
  assert.ok((await keptOf(engine, "c:common")) >= 1, "the latest is there");
  await engine.close();
});

test("what is forgotten is no longer counted for its address", async () => {
  const { engine, clock } = make({ maxChannels: 4, maxChannelsPerAddress: 2 });
  const address = "203.0.113.7";
  for (let round = 0; round < 3; round++) {
    await engine.publish("c:1", { ...hello, address }, keepAll);
    await engine.publish("c:2", { ...hello, address }, keepAll);
    clock.advance(100_000); // Both are empty, and the sweep has come.
    for (const channel of ["a", "b", "c", "d"]) await engine.publish(`c:${channel}`, hello, keepAll);
    assert.equal((await engine.read("c:1", 0, 1)).head, 0);
    clock.advance(100_000);
  }
  await engine.publish("c:1", { ...hello, address }, keepAll);
  await engine.publish("c:2", { ...hello, address }, keepAll);
  assert.deepEqual([await keptOf(engine, "c:1"), await keptOf(engine, "c:2")], [1, 1]);
  await engine.close();
});
