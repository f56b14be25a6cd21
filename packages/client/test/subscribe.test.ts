import assert from "node:assert/strict";
import { test } from "node:test";
import type { SubscribeOptions } from "../src/index.ts";
import { begin, cutAndReturn } from "./begin.ts";
import { settled } from "./fake-clock.ts";
import type { FakeServer } from "./fake-server.ts";
import { fill, name, notes, take } from "./subscribing.ts";

/** How often the server was asked for the flow. */
function subscribes(server: FakeServer): number {
  return server.conns.reduce((sum, conn) => sum + conn.count("subscribe"), 0);
}

test("a subscription starts now, with the last ones, or after a position", async () => {
  const { server, session } = begin();
  fill(server, 5);
  const room = (channel: string) => session.channel(channel);
  const now = notes();
  room(name).subscribe({}, now.handlers);
  await settled();
  fill(server, 1);
  await settled();
  assert.deepEqual(now.log, [6]);

  for (const [options, expected] of [
    [{ last: 2 }, [5, 6]],
    [{ last: 100 }, [1, 2, 3, 4, 5, 6]],
    [{ since: { epoch: "e1", offset: 4 } }, ["recovered 2 since 4", 5, 6]],
    [{ since: { epoch: "e1", offset: 6 } }, ["recovered 0 since 6"]],
  ] as [SubscribeOptions, unknown[]][]) {
    const other = begin();
    fill(other.server, 6);
    const { log, handlers } = notes();
    other.session.channel(name).subscribe(options, handlers);
    await settled();
    assert.deepEqual(log, expected);
    await other.session.close();
  }
  await session.close();
});

test("what a publication brings", async () => {
  const { server, session } = begin();
  server.intercept = (command, conn) => {
    if (command.type === "subscribe") {
      queueMicrotask(() => {
        conn.push({
          type: "publication",
          channel: name,
          offset: 1,
          at: 7,
          user: "ana",
          info: { name: "Ana" },
          data: [1],
        });
      });
    }
    return undefined;
  };
  const { value } = await session.channel(name).subscribe().next();
  assert.deepEqual(value, {
    offset: 1,
    at: 7,
    user: "ana",
    info: { name: "Ana" },
    data: [1],
    json: "[1]",
  });
  await session.close();
});

test("position is after what was handed out, not after what waits", async () => {
  const { server, session } = begin();
  fill(server, 5);
  const subscription = session.channel(name).subscribe({ last: 5 });
  assert.equal(subscription.position, undefined);
  await settled();
  assert.deepEqual(subscription.position, { epoch: "e1", offset: 0 });
  await take(subscription, 2);
  assert.deepEqual(subscription.position, { epoch: "e1", offset: 2 });
  await session.close();
});

test("what is no longer kept is a gap, in its place in the order", async () => {
  const { server, clock, session } = begin();
  fill(server, 3);
  const { log, handlers } = notes();
  const room = session.channel(name);
  room.subscribe({ last: 3 }, handlers);
  const told: unknown[] = [];
  const iterated = room.subscribe({ last: 3, gap: (gap) => told.push(gap) });
  const silent = room.subscribe({ last: 3 });
  await settled();
  server.conn.cut();
  await settled();
  fill(server, 5);
  server.trim(name, 6);
  await clock.advance(1_000);
  const gap = { reset: false, epoch: "e1", from: 4, to: 6 };
  assert.deepEqual(log, [1, 2, 3, gap, 7, 8]);
  assert.deepEqual(await take(iterated, 3), [1, 2, 3]);
  assert.deepEqual(told, []);
  assert.deepEqual(await take(iterated, 2), [7, 8]);
  assert.deepEqual(told, [gap]);

  assert.deepEqual(await take(silent, 3), [1, 2, 3]);
  await assert.rejects(silent.next(), {
    name: "GapError",
    message: "plaza:general: publications 4 to 6 are lost",
    gap,
  });
  assert.deepEqual(await silent.next(), { done: true, value: undefined });
  // One can go on from there, knowing it.
  const { position } = silent;
  assert.deepEqual(position, { epoch: "e1", offset: 6 });
  assert.deepEqual(await take(room.subscribe({ since: position }), 2), [7, 8]);
  await session.close();
});

test("a replaced log is told, and the new one is had from its beginning", async () => {
  const { server, clock, session } = begin();
  fill(server, 3);
  const { log, handlers } = notes();
  session.channel(name).subscribe({ last: 1 }, handlers);
  const silent = session.channel(name).subscribe({ last: 1 });
  await settled();
  server.conn.cut();
  await settled();
  server.reset(name, "e2");
  fill(server, 4);
  server.trim(name, 1);
  await clock.advance(1_000);
  const reset = { reset: true, epoch: "e2", previous: { epoch: "e1", offset: 3 } };
  assert.deepEqual(log, [3, reset, { reset: false, epoch: "e2", from: 1, to: 1 }, 2, 3, 4]);
  await take(silent, 1);
  await assert.rejects(silent.next(), /the log was replaced; what was not received of e1 is lost/);
  await session.close();
});

test("who comes while the log is being replaced begins in the new one, and lost nothing of the old", async () => {
  for (const last of [1, 100]) {
    const { server, clock, session } = begin();
    fill(server, 3);
    const old = notes();
    session.channel(name).subscribe({}, old.handlers);
    await settled();
    server.conn.cut(); // which nobody has been told yet
    server.reset(name, "e2");
    fill(server, 4);
    server.trim(name, 1);
    const fresh = notes();
    session.channel(name).subscribe({ last }, fresh.handlers);
    await clock.advance(1_000);
    fill(server, 1);
    await settled();
    const reset = { reset: true, epoch: "e2", previous: { epoch: "e1", offset: 3 } };
    assert.deepEqual(old.log, [reset, { reset: false, epoch: "e2", from: 1, to: 1 }, 2, 3, 4, 5]);
    assert.deepEqual(fresh.log, [2, 3, 4, 5].slice(-1 - last));
    await session.close();
  }
});

test("a log that lacks what one had of it counts as replaced", async () => {
  const { server, clock, session } = begin();
  fill(server, 9);
  const { log, handlers } = notes();
  const room = session.channel(name);
  room.subscribe({ last: 1 }, handlers);
  const behind = notes();
  room.subscribe({ since: { epoch: "e1", offset: 2 } }, behind.handlers);
  await settled();
  assert.deepEqual(log, [9]);
  server.conn.cut();
  await settled();
  server.reset(name, "e1");
  fill(server, 4);
  await clock.advance(1_000);
  assert.deepEqual(log, [9, { reset: true, epoch: "e1", previous: { epoch: "e1", offset: 9 } }, 1, 2, 3, 4]);
  assert.deepEqual(behind.log.slice(-5), log.slice(1));
  await session.close();
});

test("a gap in the live flow is told, with and without a new log", async () => {
  const { server, session } = begin();
  const { log, handlers } = notes();
  session.channel(name).subscribe({}, handlers);
  await settled();
  fill(server, 1);
  const { conn } = server;
  conn.push({ type: "gap", channel: name, epoch: "e1", from: 2, to: 4 });
  conn.push({ type: "publication", channel: name, offset: 5, at: 0, user: "ana", data: 0 });
  conn.push({ type: "gap", channel: name, epoch: "e2", from: 1, to: 2, reset: true });
  conn.push({ type: "publication", channel: name, offset: 3, at: 0, user: "ana", data: 0 });
  await settled();
  assert.deepEqual(log, [
    1,
    { reset: false, epoch: "e1", from: 2, to: 4 },
    5,
    { reset: true, epoch: "e2", previous: { epoch: "e1", offset: 5 } },
    { reset: false, epoch: "e2", from: 1, to: 2 },
    3,
  ]);
  await session.close();
});

test("a hole that the server does not announce is told as well, and a repetition dropped", async () => {
  const { server, session } = begin();
  const { log, handlers } = notes();
  session.channel(name).subscribe({}, handlers);
  await settled();
  for (const offset of [1, 1, 3, 2, 4]) {
    server.conn.push({ type: "publication", channel: name, offset, at: 0, user: "ana", data: 0 });
  }
  await settled();
  assert.deepEqual(log, [1, { reset: false, epoch: "e1", from: 2, to: 2 }, 3, 4]);
  await session.close();
});

for (const [what, options, most] of [
  ["entries", { bufferEntries: 10 }, 10],
  ["text", { bufferLength: 1_000 }, 13],
] as const) {
  test(`a slow loop holds no more than its limit of ${what}, and misses nothing`, async () => {
    const { server, clock, session } = begin();
    fill(server, 100);
    const subscription = session.channel(name).subscribe({ last: 100, ...options });
    await settled();
    assert.equal(server.conn.count("unsubscribe"), 1);
    assert.equal(server.conn.flows.size, 0);
    // Nothing is held for it beyond the limit, and nothing more comes.
    fill(server, 100);
    const offsets: number[] = [];
    for (let index = 0; index < 200; index++) {
      offsets.push(...(await take(subscription, 1)));
      assert.ok(offsets.length <= subscribes(server) * most);
      if (index === 120) await cutAndReturn(server, clock);
    }
    assert.deepEqual(
      offsets,
      Array.from({ length: 200 }, (_, index) => index + 1),
    );
    await settled();
    // Nearly all resumptions bring one buffer full.
    const resumptions = subscribes(server);
    assert.ok(resumptions >= 200 / most && resumptions <= 200 / most + 8, String(resumptions));
    fill(server, 1);
    assert.deepEqual(await take(subscription, 1), [201]);
    await session.close();
  });
}
