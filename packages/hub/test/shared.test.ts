// What many ask for at once is read and encoded once.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type LogPage, MemoryEngine } from "../src/index.ts";
import { FakeClock, settle } from "./fake-clock.ts";
import type { FakeConn } from "./fake-conn.ts";
import { square } from "./square.ts";

/** Counts what is read of it. */
class CountingEngine extends MemoryEngine {
  reads = 0;

  override read(...args: Parameters<MemoryEngine["read"]>): Promise<LogPage> {
    this.reads++;
    return super.read(...args);
  }
}

function make() {
  const clock = new FakeClock();
  const engine = new CountingEngine({ clock });
  return { engine, ...square({ clock, engine }) };
}

const offsets = (conn: FakeConn): number[] => conn.all("publication").map(({ offset }) => offset);

test("a crowd that comes back to one place makes the engine read each page once, and all are told all", async () => {
  const { hub, conn, engine } = make();
  for (let count = 0; count < 200; count++) await hub.publish("quiet:x", count);
  const { epoch } = await engine.read("quiet:x", 0, 1);
  const crowd = Array.from({ length: 50 }, () => conn());
  engine.reads = 0;
  const since = { epoch, offset: 10 };
  for (const one of crowd) one.say({ type: "subscribe", channel: "quiet:x", since });
  for (const one of crowd) await one.until(() => one.all("publication").length === 190);
  assert.ok(engine.reads <= 2 * Math.ceil(190 / 64), `${engine.reads} reads`);
  const expected = Array.from({ length: 190 }, (_, index) => index + 11);
  for (const one of crowd) assert.deepEqual(offsets(one), expected);
  await hub.publish("quiet:x", "new");
  for (const one of crowd) assert.equal(offsets(one).at(-1), 201);
  await hub.close();
});

test("a history page is made once for all who ask, and anew when there is something new, or a second later", async () => {
  const { hub, conn, engine, clock } = make();
  for (let count = 0; count < 20; count++) await hub.publish("quiet:x", count);
  const crowd = Array.from({ length: 30 }, () => conn());
  await crowd[0]?.ask({ type: "subscribe", channel: "quiet:x" });
  const ask = async (limit: number): Promise<{ reads: number; newest: number[] }> => {
    engine.reads = 0;
    const answers = await Promise.all(
      crowd.map((one) => one.ask({ type: "history", channel: "quiet:x", limit })),
    );
    const newest = answers.map((answer) => {
      assert.ok(answer.type === "history");
      assert.equal(answer.publications.length, limit);
      return answer.publications.at(-1)?.offset ?? 0;
    });
    return { reads: engine.reads, newest: [...new Set(newest)] };
  };
  assert.deepEqual(await ask(5), { reads: 2, newest: [20] });
  assert.deepEqual(await ask(6), { reads: 2, newest: [20] }, "another page");
  assert.deepEqual(await ask(5), { reads: 0, newest: [20] });
  await hub.publish("quiet:x", "new");
  assert.deepEqual(await ask(5), { reads: 2, newest: [21] });
  clock.advance(999);
  assert.deepEqual(await ask(5), { reads: 0, newest: [21] });
  clock.advance(1);
  assert.deepEqual(await ask(5), { reads: 2, newest: [21] });
  await hub.close();
});

test("of a channel that nobody has open each history is read", async () => {
  const { hub, conn, engine } = make();
  await hub.publish("quiet:x", 1);
  const one = conn();
  for (let count = 1; count <= 3; count++) {
    engine.reads = 0;
    const answer = await one.ask({ type: "history", channel: "quiet:x" });
    assert.ok(answer.type === "history" && answer.publications.length === count);
    assert.equal(engine.reads, 2);
    await hub.publish("quiet:x", 1);
  }
  await hub.close();
});

test("an engine that fails is asked again by the next who ask", async () => {
  let isBroken = true;
  class BrokenEngine extends MemoryEngine {
    override read(...args: Parameters<MemoryEngine["read"]>): Promise<LogPage> {
      return isBroken ? Promise.reject(new Error("broken")) : super.read(...args);
    }
  }
  const { hub, conn, clock } = square({ engine: new BrokenEngine() });
  const one = conn();
  await one.ask({ type: "subscribe", channel: "quiet:x" });
  await hub.publish("quiet:x", 1);
  const ask = async (): Promise<string> => (await one.ask({ type: "history", channel: "quiet:x" })).type;
  assert.deepEqual([await ask(), await ask()], ["error", "error"]);
  isBroken = false;
  await settle();
  assert.equal(await ask(), "history");
  clock.advance(1);
  await hub.close();
});
