import assert from "node:assert/strict";
import { test } from "node:test";
import { hello, isFull, keepAll, keptOf, make } from "../../test/memory.ts";
import type { NewPublication, Retention } from "../engine/engine.ts";
import { CELL_COST, type Ref } from "./cells.ts";
import { MemoryLogs } from "./memory-logs.ts";
import type { RecordList } from "./record-list.ts";

const HONEST = "198.51.100.1";
const GREEDY = "203.0.113.7";

function listed(list: RecordList, owner: Ref): Ref[] {
  const refs: Ref[] = [];
  for (let ref = list.oldest(owner); ref !== 0; ref = list.newer(ref)) refs.push(ref);
  return refs;
}

test("what shares hold is what the logs do, and a share that holds nothing is forgotten", () => {
  const logs = new MemoryLogs();
  const { shares, keys } = logs;
  const all = ["c:1", "c:2", "c:3"].map((channel) => logs.begin(channel, 0));
  const empty = logs.bytes;
  const addresses = ["a", "b", "c", undefined];
  let now = 0;
  let unlimited = 0;
  for (let number = 0; number < 2_000; number++) {
    const log = all[number % 3] ?? 0;
    const address = addresses[(number * 7 + (number >> 3)) % 4];
    const retention: Retention = { publications: number % 9, bytes: 2_000, ttlMs: 500, keyMs: 300 };
    const key = number % 4 === 0 ? `k${number}` : undefined;
    const staged = logs.publications.stage({
      user: address ?? "",
      data: JSON.stringify("x".repeat((number * 37) % 600)),
    });
    const share = address === undefined ? 0 : shares.use(address);
    logs.append(log, staged, key, share, retention, { wall: 0, uptime: now });
    shares.done();
    if (number % 11 === 0) logs.dropOldest(log);
    if (number % 97 === 0) while (logs.dropOldest(log));
    now += (number * 13) % 90;
    for (const each of all) logs.trim(each, now);
    const some = ["a", "b", "c"].map((each) => shares.find(each)).filter((each) => each !== 0);
    const held = some.reduce((sum, each) => sum + shares.weight(each), 0);
    const weight = logs.bytes - empty - some.length * CELL_COST;
    unlimited = Math.max(unlimited, weight - held);
    assert.ok(held <= weight);
    assert.ok(keys.bytes >= some.reduce((sum, each) => sum + shares.keyWeight(each), 0));
    assert.equal(shares.size, some.length);
    for (const each of all) {
      const places = some.filter((one) => listed(shares.next, one).includes(each));
      const next = logs.page(each, 0, 1).map(({ user }) => shares.find(user));
      assert.deepEqual(
        places,
        next.filter((one) => one !== 0),
        "a log has a place at whose is next, and at no other",
      );
    }
    for (const each of some) assert.ok(shares.weight(each) > 0);
  }
  assert.ok(unlimited > 0);
  for (const log of all) logs.forget(log);
  assert.deepEqual([shares.size, keys.bytes, logs.bytes, logs.size], [0, 0, 0, 0]);
});

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

test("channels of an address that have keys do not hide one of its own that can be forgotten", async () => {
  const { engine } = make({ maxChannelsPerAddress: 100 });
  const greedy = { ...hello, address: GREEDY };
  for (let number = 0; number < 100; number++) {
    await engine.publish(`c:${number}`, { ...greedy, key: number < 99 ? "k" : undefined }, keepAll);
  }
  await engine.publish("c:100", greedy, keepAll);
  assert.deepEqual([await keptOf(engine, "c:98"), await keptOf(engine, "c:99")], [1, 0]);
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
  assert.ok(engine.bytes <= 50_000 + 5_000, `${engine.bytes}`);
  assert.equal(await keptOf(engine, "c:19"), 10 - (await engine.read("c:19", 0, 1)).oldest + 1);
  assert.ok((await keptOf(engine, "c:19")) >= 1, "the latest is there");
  // In a channel that is open, too.
  await engine.open("c:open");
  for (let count = 0; count < 200; count++) {
    await engine.publish("c:open", { ...large, address: "203.0.113.7" }, keepAll);
  }
  assert.ok(engine.bytes <= 50_000 + 5_000, `${engine.bytes}`);
  assert.equal(await keptOf(engine, "c:honest"), 1);
  await engine.close();
});

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
  assert.ok(engine.bytes <= 50_000 + 12 * 1_200, `${engine.bytes}`);
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
  await fill(0, 16); // 80 of 1,188 bytes each.
  assert.equal(await kept(16), 80, "at the limit all is kept that a channel may keep");
  await fill(16, 140);
  t.diagnostic(`${published} publications in 140 channels of others; ${engine.bytes} bytes are kept`);
  assert.equal(await keptOf(engine, "c:bystander"), 10);
  assert.ok(engine.bytes <= 100_000 + 300 * CELL_COST, `${engine.bytes}`);
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
  const behind = 42; // As many as fit, each behind what somebody else published before.
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
  assert.deepEqual(
    [engine.bytes, await keptOf(engine, "c:new")],
    [before + CELL_COST, 0],
    "there is nothing to replace",
  );
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
  assert.ok(engine.bytes <= 32_000, `${engine.bytes}`);
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
