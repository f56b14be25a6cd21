import assert from "node:assert/strict";
import { test } from "node:test";
import type { ServerMessage, Subscribe, Subscribed } from "@zocalo/protocol";
import { MemoryEngine } from "../src/index.ts";
import { settle } from "./fake-clock.ts";
import type { FakeConn } from "./fake-conn.ts";
import { type Square, square } from "./square.ts";

async function fill({ hub }: Square, channel: string, count: number): Promise<string> {
  let epoch = "";
  for (let number = 1; number <= count; number++) ({ epoch } = await hub.publish(channel, number));
  return epoch;
}

async function subscribe(conn: FakeConn, command: Omit<Subscribe, "type">): Promise<Subscribed> {
  const answer = await conn.ask({ type: "subscribe", ...command });
  assert.ok(answer.type === "subscribed", JSON.stringify(answer));
  await settle();
  return answer;
}

function offsets(conn: FakeConn): number[] {
  return conn.all("publication").map(({ offset }) => offset);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

test("without since the flow begins at the head, or with the last that are asked for", async () => {
  const plaza = square();
  await fill(plaza, "short:x", 25);
  for (const [last, first] of [
    [0, 26],
    [1, 25],
    [10, 16],
    [11, 16], // no more than that is kept
    [1_000, 16],
  ] as const) {
    const conn = plaza.conn();
    const { offset, head, recovered, gap, reset } = await subscribe(conn, { channel: "short:x", last });
    assert.deepEqual([offset, head, recovered, gap, reset], [first - 1, 25, false, undefined, undefined]);
    assert.deepEqual(offsets(conn), range(first, 25));
  }
  await plaza.hub.close();
});

test("since a position that is all kept: recovered, then exactly what was missed, then what is new", async () => {
  const plaza = square();
  const epoch = await fill(plaza, "quiet:x", 300);
  for (const offset of [0, 1, 150, 299, 300]) {
    const conn = plaza.conn();
    const answer = await subscribe(conn, { channel: "quiet:x", since: { epoch, offset } });
    assert.deepEqual(
      [answer.recovered, answer.offset, answer.head, answer.gap],
      [true, offset, 300, undefined],
    );
    assert.equal(conn.received[0]?.type, "subscribed");
    assert.deepEqual(offsets(conn), range(offset + 1, 300));
  }
  const conn = plaza.conn();
  await subscribe(conn, { channel: "quiet:x", since: { epoch, offset: 298 } });
  await plaza.hub.publish("quiet:x", "new");
  assert.deepEqual(offsets(conn), [299, 300, 301]);
  assert.equal(plaza.hub.stats().recovered, 6);
  await plaza.hub.close();
});

test("since a position of which some is no longer kept: the exact gap, then the rest", async () => {
  const plaza = square();
  const epoch = await fill(plaza, "short:x", 25);
  for (const [since, gap] of [
    [15, undefined],
    [14, { from: 15, to: 15 }],
    [0, { from: 1, to: 15 }],
  ] as const) {
    const conn = plaza.conn();
    const answer = await subscribe(conn, { channel: "short:x", since: { epoch, offset: since } });
    assert.deepEqual([answer.recovered, answer.gap, answer.offset], [gap === undefined, gap, 15]);
    assert.deepEqual(offsets(conn), range(16, 25));
  }
  await plaza.hub.close();
});

test("since another epoch, or past the head: reset, then all there is of this log", async () => {
  const plaza = square();
  const epoch = await fill(plaza, "quiet:x", 3);
  const shortEpoch = await fill(plaza, "short:x", 12);
  for (const since of [
    { epoch: "another", offset: 2 },
    { epoch, offset: 4 },
    { epoch, offset: Number.MAX_SAFE_INTEGER },
  ]) {
    const conn = plaza.conn();
    const answer = await subscribe(conn, { channel: "quiet:x", since });
    assert.deepEqual(
      [answer.recovered, answer.reset, answer.gap, answer.offset],
      [false, true, undefined, 0],
    );
    assert.deepEqual(offsets(conn), [1, 2, 3]);
  }
  const conn = plaza.conn();
  const answer = await subscribe(conn, {
    channel: "short:x",
    since: { epoch: `${shortEpoch}0`, offset: 12 },
  });
  assert.deepEqual([answer.reset, answer.gap, answer.offset], [true, { from: 1, to: 2 }, 2]);
  assert.deepEqual(offsets(conn), range(3, 12));
  await plaza.hub.close();
});

test("the position of a publication's own answer can be resumed from", async () => {
  const plaza = square();
  const ana = plaza.conn();
  const published = await ana.ask({ type: "publish", channel: "quiet:x", data: 1 });
  assert.ok(published.type === "published");
  const { epoch, offset } = published;
  assert.equal((await subscribe(ana, { channel: "quiet:x", since: { epoch, offset } })).recovered, true);
  await plaza.hub.close();
});

test("a subscriber that does not read loses nothing, holds no more than its buffer, and is live again after", async () => {
  const plaza = square();
  const [slow, quick] = [plaza.conn({ highWater: 1_000, maxBuffered: 2_000 }), plaza.conn()];
  await subscribe(slow, { channel: "quiet:x" });
  await subscribe(quick, { channel: "quiet:x" });
  slow.pause();
  await fill(plaza, "quiet:x", 500);
  assert.deepEqual(offsets(quick), range(1, 500));
  assert.ok(slow.peakBuffered <= 2_000);
  assert.equal(plaza.hub.stats().fellBehind, 1);
  while (offsets(slow).length < 500) {
    slow.read(3);
    await settle();
  }
  slow.resume();
  await settle();
  await plaza.hub.publish("quiet:x", "live");
  assert.deepEqual(offsets(slow), range(1, 501));
  assert.equal(slow.all("gap").length, 0);
  await plaza.hub.close();
});

test("a subscriber that the log was trimmed past is told exactly what it will not get", async () => {
  const plaza = square();
  const slow = plaza.conn({ highWater: 300, maxBuffered: 600 });
  const { epoch } = await subscribe(slow, { channel: "short:x" });
  slow.pause();
  await fill(plaza, "short:x", 100);
  slow.resume();
  await settle();
  const [gap] = slow.all("gap");
  assert.ok(gap);
  const got = offsets(slow);
  assert.deepEqual(gap, { type: "gap", channel: "short:x", epoch, from: gap.from, to: 90 });
  assert.deepEqual(got, [...range(1, gap.from - 1), ...range(91, 100)]);
  assert.equal(slow.all("gap").length, 1);
  await plaza.hub.close();
});

test("a publication larger than a connection can carry is a gap there, and a publication elsewhere", async () => {
  const plaza = square();
  const [small, big] = [plaza.conn({ maxSendBytes: 500 }), plaza.conn()];
  await subscribe(small, { channel: "quiet:x" });
  await subscribe(big, { channel: "quiet:x" });
  await plaza.hub.publish("quiet:x", 1);
  const { epoch } = await plaza.hub.publish("quiet:x", "ñ".repeat(400));
  await plaza.hub.publish("quiet:x", 3);
  const flow = (conn: FakeConn): unknown[] =>
    conn.received
      .slice(1)
      .map((message: ServerMessage) => (message.type === "publication" ? message.offset : message));
  assert.deepEqual(flow(small), [1, { type: "gap", channel: "quiet:x", from: 2, to: 2, epoch }, 3]);
  assert.deepEqual(flow(big), [1, 2, 3]);
  // The same when it is read from the log.
  const late = plaza.conn({ maxSendBytes: 500 });
  await subscribe(late, { channel: "quiet:x", last: 3 });
  assert.deepEqual(flow(late), [1, { type: "gap", channel: "quiet:x", from: 2, to: 2, epoch }, 3]);
  await plaza.hub.close();
});

test("a session with many slow channels gives each its turn", async () => {
  const plaza = square();
  const slow = plaza.conn({ highWater: 400, maxBuffered: 800 });
  for (const name of ["a", "b", "c"]) await subscribe(slow, { channel: `quiet:${name}` });
  slow.pause();
  for (const name of ["a", "b", "c"]) await fill(plaza, `quiet:${name}`, 60);
  for (let step = 0; step < 60; step++) {
    slow.read(2);
    await settle();
  }
  const counts = ["a", "b", "c"].map(
    (name) => slow.all("publication").filter(({ channel }) => channel === `quiet:${name}`).length,
  );
  assert.ok(
    counts.every((count) => count > 20),
    counts.join(),
  );
  await plaza.hub.close();
});

class FlakyEngine extends MemoryEngine {
  failures = 0;
  reads = 0;

  override async read(channel: string, after: number, limit: number): ReturnType<MemoryEngine["read"]> {
    this.reads++;
    if (this.failures-- > 0) throw new Error("read failed");
    return super.read(channel, after, limit);
  }
}

test("a log that cannot be read for a while is read later", async () => {
  const engine = new FlakyEngine();
  const plaza = square({ engine });
  const slow = plaza.conn({ highWater: 300, maxBuffered: 600 });
  await subscribe(slow, { channel: "quiet:x" });
  slow.pause();
  await fill(plaza, "quiet:x", 50);
  engine.failures = 5;
  slow.resume();
  for (let step = 0; step < 20; step++) {
    await settle();
    plaza.clock.advance(200);
  }
  await settle();
  assert.deepEqual(offsets(slow), range(1, 50));
  await plaza.hub.close();
});

test("a log that cannot be read at all ends the subscription, and says so", async () => {
  const engine = new FlakyEngine();
  const plaza = square({ engine });
  const slow = plaza.conn({ highWater: 300, maxBuffered: 600 });
  await subscribe(slow, { channel: "quiet:x" });
  slow.pause();
  await fill(plaza, "quiet:x", 50);
  engine.failures = 1_000;
  slow.resume();
  for (let step = 0; step < 40; step++) {
    await settle();
    plaza.clock.advance(200);
  }
  const end = slow.received.at(-1);
  assert.ok(end?.type === "unsubscribed");
  assert.deepEqual([end.id, end.channel, end.code], [undefined, "quiet:x", "unavailable"]);
  assert.equal(engine.reads, 6);
  assert.equal(plaza.errors.length, 2);
  assert.equal(plaza.hub.stats().subscriptions, 0);
  engine.failures = 0;
  const last = slow.all("publication").at(-1)?.offset ?? 0;
  const epoch = slow.all("subscribed")[0]?.epoch ?? "";
  assert.equal(
    (await subscribe(slow, { channel: "quiet:x", since: { epoch, offset: last } })).recovered,
    true,
  );
  assert.deepEqual(offsets(slow), range(1, 50));
  await plaza.hub.close();
});
