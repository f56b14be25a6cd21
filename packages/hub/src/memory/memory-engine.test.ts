import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { ProtocolError } from "@zocalo/protocol";
import { FakeClock } from "../../test/fake-clock.ts";
import type { NewPublication, Retention } from "../engine/engine.ts";
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

test("what is forgotten on the way weighs nothing, though what is to be added fails", async () => {
  const { engine, clock } = make({ sweepMs: 3_600_000 });
  await engine.publish("c:1", { ...hello, key: "k" }, { ...keepAll, publications: 0 });
  clock.advance(30_000); // The key's time is over.
  await assert.rejects(engine.publish("c:1", { user: 5 as never, data: "1", key: "k" }, keepAll), TypeError);
  assert.equal(engine.bytes, 0);
  await engine.close();
});

const isFull = (error: unknown): boolean => error instanceof ProtocolError && error.code === "limit_reached";

test("one key past the limit is refused until the time of another is over, and none is forgotten before", async () => {
  const { engine, clock } = make({ maxKeysPerChannel: 3 });
  for (const key of ["a", "b", "c"]) await engine.publish("c:1", { ...hello, key }, keepAll);
  await assert.rejects(engine.publish("c:1", { ...hello, key: "d" }, keepAll), isFull);
  for (const key of ["a", "b", "c"]) {
    assert.equal((await engine.publish("c:1", { ...hello, key }, keepAll)).duplicate, true);
  }
  assert.equal((await engine.publish("c:1", hello, keepAll)).offset, 4, "without a key");
  assert.equal((await engine.publish("c:2", { ...hello, key: "d" }, keepAll)).offset, 1, "elsewhere");
  clock.advance(keepAll.keyTtlMs);
  assert.equal((await engine.publish("c:1", { ...hello, key: "d" }, keepAll)).offset, 5);
  await engine.close();
});

test("keys take at most half of the memory: then they are refused, and publications without one are not", async () => {
  const { engine, clock } = make({ maxBytes: 20_000 });
  const publish = (number: number) =>
    engine.publish(`c:${number % 7}`, { ...hello, key: `${number}` }, keepAll);
  let known = 0;
  while (known < 1_000) {
    try {
      await publish(known);
    } catch (error) {
      assert.ok(isFull(error));
      break;
    }
    known++;
  }
  assert.ok(known > 60 && known < 80, `${known}`);
  for (let number = 0; number < 500; number++) await engine.publish("c:8", hello, keepAll);
  for (let number = 0; number < known; number++) assert.equal((await publish(number)).duplicate, true);
  clock.advance(keepAll.keyTtlMs);
  assert.equal((await publish(known)).duplicate, false);
  await engine.close();
});

test("a channel with a key whose time is not over is not forgotten for another", async () => {
  const { engine, clock } = make({ maxChannels: 2, maxChannelsPerAddress: 1 });
  const address = "203.0.113.7";
  await engine.publish("c:1", { ...hello, key: "k", address }, keepAll);
  await assert.rejects(engine.publish("c:2", { ...hello, address }, keepAll), isFull);
  await engine.publish("c:3", { ...hello, key: "k" }, keepAll);
  await assert.rejects(engine.publish("c:4", hello, keepAll), isFull);
  assert.equal((await engine.publish("c:1", { ...hello, key: "k", address }, keepAll)).duplicate, true);
  clock.advance(keepAll.keyTtlMs);
  assert.equal((await engine.publish("c:2", { ...hello, address }, keepAll)).offset, 1);
  await engine.close();
});

test("one channel past the limit takes the place of one that holds nothing any more", async () => {
  const { engine, clock } = make({ maxChannels: 3 });
  await engine.publish("c:1", hello, keepAll);
  clock.advance(59_999);
  await engine.publish("c:2", hello, keepAll);
  // the latest, and all it has is a key
  await engine.publish("c:1", { ...hello, key: "k" }, { ...keepAll, publications: 0 });
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
  const { engine, clock } = make({ maxBytes: 5_000 });
  for (let number = 0; number < 500; number++) {
    const key = number % 3 === 0 ? `k${number % 7}` : undefined;
    const data = JSON.stringify("x".repeat((number * 37) % 600));
    await engine.publish(
      `c:${number % 5}`,
      { user: "u", data, key },
      { ...keepAll, publications: number % 6, keyTtlMs: 2_000 },
    );
    clock.advance((number * 13) % 900);
    assert.ok(engine.bytes >= 0 && engine.bytes <= 5_000, `${engine.bytes}`);
  }
  clock.advance(120_000);
  assert.equal(engine.bytes, 0);
  await engine.close();
});

test("a clock that is set, forward or back, ages no publication and no key, and misdates only what comes then", async () => {
  const years = 10 * 365 * 86_400_000;
  for (const byMs of [years, -years]) {
    const { engine, clock } = make();
    const wall = clock.wall();
    const keyed = { ...hello, key: "k" };
    const first = await engine.publish("c:1", keyed, keepAll);
    clock.setWall(byMs);
    const again = await engine.publish("c:1", keyed, keepAll);
    assert.deepEqual([again.offset, again.duplicate, again.at], [1, true, wall]);
    assert.equal((await engine.publish("c:1", hello, keepAll)).at, wall + byMs);
    clock.setWall(-byMs);
    assert.equal((await engine.publish("c:1", hello, keepAll)).at, wall);
    assert.equal(await keptOf(engine, "c:1"), 3);
    clock.setWall(byMs);
    clock.advance(60_000); // What is old is old.
    assert.equal(await keptOf(engine, "c:1"), 0);
    assert.equal((await engine.publish("c:1", keyed, keepAll)).offset, first.offset + 3);
    await engine.close();
  }
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

const HONEST = "198.51.100.1";
const GREEDY = "203.0.113.7";

test("what a stranger publishes counts for the stranger, and whoever began the channel keeps what it has elsewhere", async () => {
  const { engine } = make({ maxBytes: 1_000_000, maxBytesPerAddress: 50_000 });
  const large = { user: "eve", data: JSON.stringify("y".repeat(1_000)) };
  for (let count = 0; count < 10; count++)
    await engine.publish("c:dear", { ...large, address: HONEST }, keepAll);
  await engine.publish("c:common", { ...large, address: HONEST }, keepAll);
  for (let count = 0; count < 200; count++) {
    await engine.publish("c:common", { ...large, address: GREEDY }, keepAll);
  }
  assert.equal(await keptOf(engine, "c:dear"), 10);
  assert.ok(engine.bytes <= 50_000 + 11 * 1_200, `${engine.bytes}`);
  assert.ok((await keptOf(engine, "c:common")) >= 1, "the latest is there");
  // Whoever has no limit has that of all.
  for (let count = 0; count < 200; count++) await engine.publish("c:common", large, keepAll);
  assert.equal(await keptOf(engine, "c:dear"), 10);
  for (let count = 0; count < 40; count++)
    await engine.publish("c:dear", { ...large, address: HONEST }, keepAll);
  assert.ok((await keptOf(engine, "c:dear")) >= 40, "its share is still its own");
  await engine.close();
});

test("an address that fills the channels of many others drives out what it has itself, at its limit and not before", async (t) => {
  const { engine } = make({ maxBytes: 300_000, maxBytesPerAddress: 100_000 });
  const large = { user: "eve", data: JSON.stringify("y".repeat(1_000)), address: GREEDY };
  const retention = { ...keepAll, bytes: 5_010 }; // Five of them.
  for (let count = 0; count < 10; count++) {
    await engine.publish("c:bystander", { ...hello, address: HONEST }, retention);
  }
  let published = 0;
  const fill = async (from: number, to: number): Promise<void> => {
    for (let number = from; number < to; number++) {
      await engine.publish(`c:${number}`, { ...hello, address: `192.0.2.${number}` }, retention);
      for (let count = 0; count < 5; count++, published++) {
        await engine.publish(`c:${number}`, large, retention);
      }
    }
  };
  const kept = async (channels: number): Promise<number> => {
    let sum = 0;
    for (let number = 0; number < channels; number++) sum += await keptOf(engine, `c:${number}`);
    return sum;
  };
  await fill(0, 18); // 90 of 1,100 bytes each.
  assert.equal(await kept(18), 90, "at the limit all is kept that a channel may keep");
  await fill(18, 140);
  t.diagnostic(`${published} publications in 140 channels of others; ${engine.bytes} bytes are kept`);
  assert.equal(await keptOf(engine, "c:bystander"), 10);
  assert.ok(engine.bytes <= 100_000 + 150 * 130, `${engine.bytes}`);
  assert.equal(await keptOf(engine, "c:0"), 0, "its oldest went");
  assert.equal(await keptOf(engine, "c:139"), 5);
  await engine.close();
});

test("what others published before in its channel does not go for what an address publishes elsewhere", async () => {
  const { engine } = make({ maxBytes: 1_000_000, maxBytesPerAddress: 50_000 });
  const small = { user: "eve", data: "1", address: GREEDY };
  const large = { ...small, data: JSON.stringify("y".repeat(1_000)) };
  for (let number = 0; number < 50; number++) {
    const channel = `c:others-${number}`;
    for (let count = 0; count < 5; count++)
      await engine.publish(channel, { ...hello, address: HONEST }, keepAll);
    await engine.publish(channel, small, keepAll);
  }
  for (let count = 0; count < 500; count++) await engine.publish(`c:own-${count % 7}`, large, keepAll);
  for (let number = 0; number < 50; number++) {
    assert.equal(await keptOf(engine, `c:others-${number}`), 6, `c:others-${number}`);
  }
  await engine.close();
});

test("past its share an address loses first what it has in the channel that was published to longest ago", async () => {
  const { engine } = make({ maxBytes: 1_000_000, maxBytesPerAddress: 50_000 });
  const large = { user: "eve", data: JSON.stringify("y".repeat(1_000)), address: GREEDY };
  for (let count = 0; count < 20; count++) await engine.publish("c:begun-first", large, keepAll);
  for (let count = 0; count < 20; count++) await engine.publish("c:idle", large, keepAll);
  for (let count = 0; count < 10; count++) await engine.publish("c:begun-first", large, keepAll);
  assert.equal(await keptOf(engine, "c:begun-first"), 30);
  assert.ok((await keptOf(engine, "c:idle")) < 20);
  await engine.close();
});

test("an address with nothing of its own to drop takes as many bytes of the channel that it publishes in, and no more", async () => {
  const { engine } = make({ maxBytes: 1_000_000, maxBytesPerAddress: 50_000 });
  const large = { user: "eve", data: JSON.stringify("y".repeat(1_000)), address: GREEDY };
  const behind = 45; // As many as fit, each behind what somebody else published before.
  for (let number = 0; number < behind; number++) {
    await engine.publish(`c:${number}`, { ...hello, address: HONEST }, keepAll);
    await engine.publish(`c:${number}`, large, keepAll);
  }
  for (let count = 0; count < 20; count++) {
    await engine.publish("c:target", { ...large, address: "192.0.2.9" }, keepAll);
  }
  const before = engine.bytes;
  for (let count = 1; count <= 3; count++) {
    await engine.publish("c:target", large, keepAll);
    assert.deepEqual([engine.bytes, await keptOf(engine, "c:target")], [before, 20]);
  }
  await engine.publish("c:new", large, keepAll);
  assert.deepEqual([engine.bytes, await keptOf(engine, "c:new")], [before, 0], "there is nothing to replace");
  for (let number = 0; number < behind; number++) {
    assert.equal(await keptOf(engine, `c:${number}`), 2, `c:${number}`);
  }
  await engine.close();
});

test("keys count for the address that published with them, in whichever channel, and are not forgotten", async () => {
  const { engine } = make({ maxBytes: 300_000, maxBytesPerAddress: 50_000 });
  const none: Retention = { ...keepAll, publications: 0 };
  await engine.publish("c:dear", { ...hello, key: "dear", address: HONEST }, keepAll);
  let refused = 0;
  for (let number = 0; number < 2_000; number++) {
    const channel = `c:${number % 20}`;
    const keyed = { ...hello, key: `key-${number}`, address: GREEDY };
    if (number < 20) await engine.publish(channel, { ...hello, address: `192.0.2.${number}` }, none);
    await engine.publish(channel, keyed, none).catch((error: unknown) => {
      assert.ok(isFull(error));
      refused++;
    });
  }
  assert.ok(refused > 1_700 && refused < 1_900, `${refused}`);
  assert.ok(engine.bytes <= 26_000, `${engine.bytes}`);
  assert.equal(await keptOf(engine, "c:dear"), 1);
  assert.equal((await engine.publish("c:dear", { ...hello, key: "dear" }, keepAll)).duplicate, true);
  assert.equal((await engine.publish("c:0", { ...hello, key: "key-0" }, none)).duplicate, true);
  assert.equal(
    (await engine.publish("c:1", { ...hello, key: "new", address: HONEST }, none)).duplicate,
    false,
  );
  await engine.close();
});

test("a first publication that cannot be added is counted for its address once, and leaves its log as it was", async () => {
  const { engine } = make({ maxChannelsPerAddress: 2 });
  const fault = new Error("no data");
  const faulty = {
    user: "eve",
    address: GREEDY,
    get data(): string {
      throw fault;
    },
  };
  const before = engine.bytes;
  for (let count = 0; count < 3; count++) await assert.rejects(engine.publish("c:1", faulty, keepAll), fault);
  const notText = { user: "eve", address: GREEDY, data: 7 } as unknown as NewPublication;
  await assert.rejects(engine.publish("c:1", notText, keepAll), TypeError);
  assert.equal(engine.bytes, before);
  assert.equal((await engine.publish("c:1", { ...hello, address: GREEDY }, keepAll)).offset, 1);
  await engine.publish("c:2", { ...hello, address: GREEDY }, keepAll);
  assert.deepEqual([await keptOf(engine, "c:1"), await keptOf(engine, "c:2")], [1, 1]);
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

test("what is kept does not keep the command that it came in", async () => {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as () => void;
  const engine = new MemoryEngine();
  const used = (): number => {
    gc();
    return process.memoryUsage().heapUsed;
  };
  const before = used();
  // Each of them is a part of a text of 128 KiB: one character of two bytes makes all others take two, too.
  for (const text of ["0123456789abcdef", "0123456789 ¡hola!", "漢".repeat(16)]) {
    for (let count = 0; count < 200; count++) {
      const command = Buffer.from(`{"data":"${text}","漢":"${"x".repeat(65_000)}"}`).toString();
      await engine.publish("c:1", { user: "ana", data: command.slice(8, 10 + text.length) }, keepAll);
    }
  }
  const grown = used() - before;
  assert.ok(grown < 4_000_000, `${grown} bytes`); // 78 MB where they do
  assert.equal((await engine.read("c:1", 0, 1)).publications[0]?.data, '"0123456789abcdef"');
  await engine.close();
});
