// Many connections of one address read pages: nobody else waits behind all of them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type LogPage, MemoryEngine } from "../src/index.ts";
import { settle } from "./fake-clock.ts";
import type { FakeConn, FakeConnOptions } from "./fake-conn.ts";
import { square } from "./square.ts";
import { GREEDY, HONEST } from "./visitors.ts";

/** One that reads when it is let. */
class HeldEngine extends MemoryEngine {
  readonly held: (() => void)[] = [];
  isHolding = true;

  override async read(...args: Parameters<MemoryEngine["read"]>): Promise<LogPage> {
    if (this.isHolding) await new Promise<void>((resolve) => this.held.push(resolve));
    return super.read(...args);
  }
}

test("one address has two pages read at once, others do not wait for it, and all are answered", async () => {
  const engine = new HeldEngine();
  const { hub, conn } = square({ engine });
  const pages = Array.from({ length: 19 }, (_, index) =>
    conn(GREEDY).ask({ type: "history", channel: "quiet:x", limit: index + 1 }),
  );
  const leaver = conn(GREEDY);
  leaver.say({ type: "history", channel: "quiet:x" });
  await settle();
  assert.equal(engine.held.length, 2);
  const honest = conn(HONEST).ask({ type: "history", channel: "quiet:x" });
  await settle();
  assert.equal(engine.held.length, 3);
  leaver.cut();
  engine.isHolding = false;
  for (const letGo of engine.held) letGo();
  for (const page of [honest, ...pages]) assert.equal((await page).type, "history");
  await hub.close();
});

test("a page of history that nobody waits for any more is not read", async () => {
  const engine = new HeldEngine();
  const { hub, conn } = square({ engine });
  const leavers = Array.from({ length: 50 }, (_, index) => {
    const one = conn(GREEDY);
    one.say({ type: "history", channel: "quiet:x", limit: index + 1 });
    return one;
  });
  await settle();
  for (const one of leavers) one.cut();
  const last = conn(GREEDY).ask({ type: "history", channel: "quiet:x" });
  let reads = 0;
  for (let held = engine.held.splice(0); held.length > 0; held = engine.held.splice(0)) {
    reads += held.length;
    for (const letGo of held) letGo();
    await settle();
  }
  assert.equal((await last).type, "history");
  assert.equal(reads, 2 * 1 + 1, "those that were begun, and the last one's");
  await hub.close();
});

test("one address has two pages read at once for those who catch up, and what nobody waits for is not read", async () => {
  const engine = new HeldEngine();
  engine.isHolding = false;
  const { hub, conn } = square({ engine });
  let epoch = "";
  for (let count = 0; count < 40; count++) ({ epoch } = await hub.publish("quiet:x", count));
  engine.isHolding = true;
  const resume = (from: FakeConnOptions, offset: number): FakeConn => {
    const one = conn(from);
    one.say({ type: "subscribe", channel: "quiet:x", since: { epoch, offset } });
    return one;
  };
  const greedy = Array.from({ length: 20 }, (_, offset) => resume(GREEDY, offset));
  await settle();
  assert.equal(engine.held.length, 2);
  const honest = resume(HONEST, 30);
  const sharing = resume(GREEDY, 30);
  await settle();
  assert.equal(engine.held.length, 3, "what is read for another one is not waited for");
  for (const leaver of greedy.slice(2, 10)) leaver.cut();
  let reads = 0;
  while (engine.held.length > 0) {
    for (const letGo of engine.held.splice(0)) {
      reads++;
      letGo();
    }
    await settle();
  }
  assert.equal(reads, 13);
  for (const [one, count] of [
    [honest, 10],
    [sharing, 10],
    [greedy[0], 40],
    [greedy[19], 21],
  ] as const) {
    assert.equal(one?.all("publication").length, count);
  }
  await hub.close();
});

/** Counts the publications that are read. */
class CountingEngine extends MemoryEngine {
  entries = 0;

  override async read(...args: Parameters<MemoryEngine["read"]>): Promise<LogPage> {
    const page = await super.read(...args);
    this.entries += page.publications.length;
    return page;
  }
}

test("who takes little at once is read little at once, and more when it takes more", async () => {
  const engine = new CountingEngine();
  const quiet = { subscribe: "anyone", history: { bytes: 67_108_864 } } as const;
  const { hub, conn } = square({ engine, namespaces: { quiet } });
  for (const [length, highWater] of [
    [20_000, 65_536],
    [20_000, 15_000],
    [100, 65_536],
  ] as const) {
    const channel = `quiet:${length}-${highWater}`;
    let epoch = "";
    for (let count = 0; count < 300; count++) {
      ({ epoch } = await hub.publish(channel, "x".repeat(length)));
    }
    const slow = conn({ highWater, maxBuffered: 2 * highWater });
    slow.pause();
    engine.entries = 0;
    slow.say({ type: "subscribe", channel, since: { epoch, offset: 0 } });
    while (slow.all("publication").length < 300) {
      await settle();
      slow.read(1);
    }
    assert.deepEqual(
      slow.all("publication").map(({ offset }) => offset),
      Array.from({ length: 300 }, (_, index) => index + 1),
    );
    assert.ok(engine.entries <= 64 + 4 * 300, `${engine.entries} were read for 300 of ${length}`);
    slow.cut();
  }
  await hub.close();
});
