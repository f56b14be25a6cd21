import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { hello, isFull, keepAll, keptOf, make } from "../../test/memory.ts";
import { CELL_COST } from "./cells.ts";
import { MemoryEngine } from "./memory-engine.ts";

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
  await engine.publish("c:1", hello, { ...keepAll, publications: 0 });
  const before = engine.bytes;
  await engine.publish("c:1", { ...hello, key: "k" }, { ...keepAll, publications: 0 });
  clock.advance(30_000); // The key's time is over.
  await assert.rejects(engine.publish("c:1", { user: 5 as never, data: "1", key: "k" }, keepAll), TypeError);
  assert.equal(engine.bytes, before);
  await engine.close();
});

test("one key past the limit is refused until the time of another is over, and none is forgotten before", async () => {
  const { engine, clock } = make({ maxKeysPerChannel: 3 });
  for (const key of ["a", "b", "c"]) await engine.publish("c:1", { ...hello, key }, keepAll);
  await assert.rejects(engine.publish("c:1", { ...hello, key: "d" }, keepAll), isFull);
  for (const key of ["a", "b", "c"]) {
    assert.equal((await engine.publish("c:1", { ...hello, key }, keepAll)).duplicate, true);
  }
  assert.equal((await engine.publish("c:1", hello, keepAll)).offset, 4, "without a key");
  assert.equal((await engine.publish("c:2", { ...hello, key: "d" }, keepAll)).offset, 1, "elsewhere");
  clock.advance(keepAll.keyMs);
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
  clock.advance(keepAll.keyMs);
  assert.equal((await publish(known)).duplicate, false);
  await engine.close();
});

test("a key is known for its own time, though that of one used before it is longer", async () => {
  const { engine, clock } = make();
  await engine.publish("c:1", { ...hello, key: "long" }, keepAll);
  await engine.publish("c:1", { ...hello, key: "short" }, { ...keepAll, keyMs: 1_000 });
  clock.advance(1_000);
  for (const duplicate of [false, true]) {
    const again = await engine.publish("c:1", { ...hello, key: "short" }, keepAll);
    assert.deepEqual([again.offset, again.duplicate], [3, duplicate]);
  }
  assert.equal((await engine.publish("c:1", { ...hello, key: "long" }, keepAll)).duplicate, true);
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
  clock.advance(keepAll.keyMs);
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

test("one that was published to again is not the one used longest ago", async () => {
  const { engine } = make({ maxChannels: 2 });
  for (const channel of ["c:1", "c:2", "c:1", "c:3"]) await engine.publish(channel, hello, keepAll);
  assert.deepEqual([await keptOf(engine, "c:1"), await keptOf(engine, "c:2")], [2, 0]);
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

test("text that is not plain takes two bytes a character", async () => {
  const { engine } = make();
  await engine.publish("c:1", { user: "u", data: JSON.stringify("x".repeat(1_000)) }, keepAll);
  const narrow = engine.bytes;
  await engine.publish("c:1", { user: "u", data: JSON.stringify(`${"x".repeat(999)}漢`) }, keepAll);
  assert.ok(engine.bytes - narrow > 2_000 && engine.bytes - narrow < 2_300, `${engine.bytes - narrow}`);
  await engine.close();
});

test("past its bytes channels that hold nothing then are forgotten, unless somebody has them open", async () => {
  const { engine } = make({ maxBytes: 10_000 });
  const first = await engine.publish("c:0", hello, keepAll);
  await engine.open("c:open");
  await engine.publish("c:open", hello, keepAll);
  for (let number = 1; number < 1_000; number++) {
    await engine.publish(`c:${number}`, hello, keepAll);
    assert.ok(engine.bytes <= 10_000, `${engine.bytes}`);
  }
  const most = Math.ceil(10_000 / CELL_COST / 2); // One of them may have nothing.
  assert.ok(engine.channels === most || engine.channels === most - 1, `${engine.channels}`);
  assert.equal(await keptOf(engine, "c:999"), 1);
  assert.equal((await engine.read("c:open", 0, 1)).head, 1, "it is still known");
  assert.notEqual((await engine.publish("c:0", hello, keepAll)).epoch, first.epoch);
  await engine.close();
});

test("open channels take at most a quarter of the bytes: one more is refused until one is released", async () => {
  const { engine } = make({ maxBytes: 40 * CELL_COST });
  const opened = [1, 2, 3, 4, 5].map((number) => `c:${number}`); // Each with what its address may take.
  for (const channel of opened) await engine.open(channel);
  assert.deepEqual([engine.isFull, engine.trouble], [true, "full: 5 channels are in use"]);
  await assert.rejects(engine.open("c:6"), isFull);
  for (let number = 0; number < 500; number++) {
    await engine.publish(`c:${number % 50}`, { ...hello, address: `${number % 30}` }, keepAll);
    assert.ok(engine.bytes <= 40 * CELL_COST, `${engine.bytes}`);
  }
  assert.equal((await engine.read("c:1", 0, 1)).head, 10);
  engine.release("c:1");
  assert.equal(engine.isFull, false);
  await engine.open("c:6");
  await engine.close();
});

test("keys in a channel and of an address each leave room for what has none", async () => {
  const { engine } = make({ maxBytes: 100_000 });
  let known = 0;
  for (let number = 0; number < 1_000; number++) {
    const keyed = { ...hello, key: "k", address: `${number}` };
    try {
      await engine.publish(`c:${number}`, keyed, keepAll);
      assert.equal(known++, number, "once full it stays so");
    } catch (error) {
      assert.ok(isFull(error));
    }
    await engine.publish("c:common", { ...hello, address: `other-${number}` }, keepAll);
    assert.ok(engine.bytes <= 100_000, `${engine.bytes}`);
  }
  assert.ok(known > 90 && known < 100, `${known}`); // A key, its channel, and the share that has both.
  assert.ok((await keptOf(engine, "c:common")) > 50);
  assert.equal((await engine.publish("c:0", { ...hello, key: "k" }, keepAll)).duplicate, true);
  await engine.close();
});

test("what it holds is counted right whatever happens", async () => {
  const { engine, clock } = make({ maxBytes: 10_000 });
  for (let number = 0; number < 500; number++) {
    const key = number % 3 === 0 ? `k${number % 7}` : undefined;
    const data = JSON.stringify("x".repeat((number * 37) % 600));
    await engine.publish(
      `c:${number % 5}`,
      { user: "u", data, key },
      { ...keepAll, publications: number % 6, keyMs: 2_000 },
    );
    clock.advance((number * 13) % 900);
    assert.ok(engine.bytes >= 0 && engine.bytes <= 10_000, `${engine.bytes}`);
  }
  clock.advance(120_000);
  assert.equal(engine.bytes, 5 * CELL_COST, "the channels");
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
