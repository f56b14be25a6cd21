import assert from "node:assert/strict";
import { test } from "node:test";
import type { Publications, SubscribeOptions, Subscription, SubscriptionHandlers } from "../src/index.ts";
import { begin, cutAndReturn } from "./begin.ts";
import { settled } from "./fake-clock.ts";
import type { FakeServer } from "./fake-server.ts";

const name = "plaza:general";

/** Handlers that write down what they are told. */
function notes() {
  const log: unknown[] = [];
  const handlers: SubscriptionHandlers = {
    publication: ({ offset }) => void log.push(offset),
    gap: (gap) => void log.push(gap),
    recovered: ({ since, missed }) => void log.push(`recovered ${missed} since ${since.offset}`),
    error: (error) => void log.push(error),
  };
  return { log, handlers };
}

function fill(server: FakeServer, count: number): void {
  for (let index = 0; index < count; index++) server.publish(name, index);
}

/** How often the server was asked for the flow. */
function subscribes(server: FakeServer): number {
  return server.conns.reduce((sum, conn) => sum + conn.count("subscribe"), 0);
}

async function take(subscription: Publications, count: number): Promise<number[]> {
  const offsets: number[] = [];
  while (offsets.length < count) {
    const { value } = await subscription.next();
    offsets.push(value?.offset ?? Number.NaN);
  }
  return offsets;
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
  assert.deepEqual(value, { offset: 1, at: 7, user: "ana", info: { name: "Ana" }, data: [1] });
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

test("subscribers of one channel share one subscription at the server", async () => {
  const { server, session } = begin();
  fill(server, 5);
  const room = session.channel(name);
  const all = [notes(), notes(), notes(), notes()] as const;
  room.subscribe({}, all[0].handlers);
  await settled();
  room.subscribe({}, all[1].handlers); // needs nothing new
  await settled();
  assert.equal(server.conn.count("subscribe"), 1);
  room.subscribe({ last: 2 }, all[2].handlers); // needs what came before
  session.channel(name).subscribe({ since: { epoch: "e1", offset: 1 } }, all[3].handlers);
  await settled();
  fill(server, 1);
  await settled();
  assert.deepEqual(
    all.map(({ log }) => log),
    [[6], [6], [4, 5, 6], ["recovered 4 since 1", 2, 3, 4, 5, 6]],
  );
  assert.equal(server.conn.flows.size, 1);
  await session.close();
});

test("asked for together, before the connection, each gets its own", async () => {
  const { server, session } = begin();
  fill(server, 10);
  const room = session.channel(name);
  const all = [notes(), notes(), notes(), notes()] as const;
  room.subscribe({ last: 1 }, all[0].handlers);
  room.subscribe({ last: 3 }, all[1].handlers);
  room.subscribe({ since: { epoch: "e1", offset: 8 } }, all[2].handlers);
  room.subscribe({ since: { epoch: "e0", offset: 8 } }, all[3].handlers);
  await settled();
  assert.deepEqual(
    all.map(({ log }) => log),
    [
      [10],
      [8, 9, 10],
      ["recovered 2 since 8", 9, 10],
      [{ reset: true, epoch: "e1", previous: { epoch: "e0", offset: 8 } }, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    ],
  );
  await session.close();
});

test("a slow subscriber does not hold back a fast one", async () => {
  const { server, session } = begin();
  const room = session.channel(name);
  const { log, handlers } = notes();
  room.subscribe({}, handlers);
  const slow = room.subscribe({ bufferEntries: 2 });
  await settled();
  fill(server, 6);
  await settled();
  assert.deepEqual(log, [1, 2, 3, 4, 5, 6]);
  assert.equal(server.conn.count("unsubscribe"), 0);
  assert.deepEqual(await take(slow, 6), [1, 2, 3, 4, 5, 6]);
  assert.deepEqual(log, [1, 2, 3, 4, 5, 6]);
  await session.close();
});

test("the server is left when nobody listens, and subscribed to again when somebody does", async () => {
  const { server, session } = begin();
  const room = session.channel(name);
  const first = room.subscribe();
  const second = room.subscribe();
  await settled();
  first.close();
  await settled();
  assert.equal(server.conn.flows.size, 1);
  await second.return();
  await settled();
  assert.equal(server.conn.flows.size, 0);
  room.subscribe();
  await settled();
  assert.equal(server.conn.flows.size, 1);
  await session.close();
});

test("break, close and signal end a subscription quietly", async () => {
  const { server, session } = begin();
  const room = session.channel(name);
  const aborter = new AbortController();
  const aborted = room.subscribe({ signal: aborter.signal });
  const waiting = [aborted.next(), aborted.next()];
  await settled();
  fill(server, 1);
  aborter.abort();
  assert.deepEqual(
    await Promise.all(waiting),
    [1, 2].map(() => ({ done: true, value: undefined })),
  );
  assert.equal((await room.subscribe({ signal: aborter.signal }).next()).done, true);
  for await (const _ of room.subscribe({ last: 1 })) break;
  await settled();
  assert.equal(server.conn.flows.size, 0);
  await session.close();
});

test("a refused subscription ends with its code; others in the session live on", async () => {
  const { server, session } = begin();
  server.intercept = (command) =>
    command.type === "subscribe" && command.channel === "secret:x"
      ? { type: "error", id: command.id ?? 0, code: "forbidden", message: "not you" }
      : undefined;
  const { log, handlers } = notes();
  session.channel("secret:x").subscribe({}, handlers);
  const iterated = session.channel("secret:x").subscribe();
  const other = session.channel(name).subscribe();
  await assert.rejects(iterated.next(), { name: "ChannelError", code: "forbidden", channel: "secret:x" });
  assert.deepEqual(
    log.map((error) => (error as { code: string }).code),
    ["forbidden"],
  );
  fill(server, 1);
  assert.deepEqual(await take(other, 1), [1]);
  assert.equal(server.conn.count("subscribe"), 2);
  await session.close();
});

test("presence that is not allowed costs only those who asked for it their subscription", async () => {
  const { server, session } = begin();
  server.intercept = (command) =>
    command.type === "subscribe" && command.presence === true
      ? { type: "error", id: command.id ?? 0, code: "forbidden", message: "nobody is seen here" }
      : undefined;
  const room = session.channel(name);
  const plain = room.subscribe();
  await settled();
  await assert.rejects(room.subscribe({ presence: true }).next(), { code: "forbidden" });
  fill(server, 1);
  assert.deepEqual(await take(plain, 1), [1]);
  await session.close();
});

test("a subscription that is refused for now is asked for again", async () => {
  const { server, clock, session } = begin();
  let refusals = 2;
  server.intercept = (command) =>
    command.type === "subscribe" && refusals-- > 0
      ? { type: "error", id: command.id ?? 0, code: "rate_limited", message: "slow", retryMs: 2_000 }
      : undefined;
  const subscription = session.channel(name).subscribe({ last: 1 });
  fill(server, 1);
  await clock.advance(4_000);
  assert.deepEqual(await take(subscription, 1), [1]);
  await session.close();
});

test("an unsubscribe that is refused for now is asked for again", async () => {
  const { server, clock, session } = begin();
  const subscription = session.channel(name).subscribe();
  await settled();
  let refusals = 1;
  server.intercept = (command) =>
    command.type === "unsubscribe" && refusals-- > 0
      ? { type: "error", id: command.id ?? 0, code: "rate_limited", message: "slow" }
      : undefined;
  subscription.close();
  await settled();
  assert.equal(server.conn.flows.size, 1);
  await clock.advance(1_000);
  assert.equal(server.conn.flows.size, 0);
  await session.close();
});

test("a subscription the server ends by itself ends with its code, or comes back", async () => {
  const { server, clock, session } = begin();
  const { log, handlers } = notes();
  session.channel(name).subscribe({}, handlers);
  await settled();
  fill(server, 1);
  await settled();
  server.conn.flows.clear();
  server.conn.push({ type: "unsubscribed", channel: name, code: "unavailable", message: "disk" });
  await settled();
  fill(server, 1);
  await clock.advance(1_000);
  assert.deepEqual(log, [1, 2]);
  server.conn.flows.clear();
  server.conn.push({ type: "unsubscribed", channel: name, code: "forbidden", message: "no more" });
  await settled();
  assert.match(String(log[2]), /no more/);
  await session.close();
});

test("presence is told at first and at each change, and asked for again after a jump", async () => {
  const { server, clock, session } = begin();
  const channel = server.log(name);
  channel.users = [{ user: "ana", connections: 1 }];
  const seen: string[] = [];
  const room = session.channel(name);
  const subscription: Subscription = room.subscribe(
    {},
    {
      publication() {},
      gap() {},
      presence: (users) => seen.push(users.map(({ user }) => user).join(" ")),
    },
  );
  await settled();
  server.conn.push({ type: "join", channel: name, version: 2, user: "luis" });
  await settled();
  assert.deepEqual(seen, ["ana", "ana luis"]);
  assert.deepEqual(
    subscription.users.map(({ user }) => user),
    ["ana", "luis"],
  );
  channel.users = [{ user: "eva", connections: 1 }];
  channel.version = 5;
  server.conn.push({ type: "leave", channel: name, version: 5, user: "luis" });
  await settled();
  assert.deepEqual(seen.slice(2), ["eva"]);
  assert.equal(server.conn.count("presence"), 1);
  channel.users = [];
  channel.version = 2;
  await cutAndReturn(server, clock);
  assert.deepEqual(seen.slice(3), [""]);
  await session.close();
});

test("who asks for presence later gets it, and nobody gets a publication twice", async () => {
  const { server, session } = begin();
  server.log(name).users = [{ user: "ana", connections: 1 }];
  const { log, handlers } = notes();
  const room = session.channel(name);
  room.subscribe({}, handlers);
  await settled();
  fill(server, 2);
  const asking = room.subscribe({ presence: true });
  await settled();
  fill(server, 1);
  await settled();
  assert.deepEqual(
    asking.users.map(({ user }) => user),
    ["ana"],
  );
  assert.deepEqual(log, [1, 2, 3]);
  await session.close();
});

test("handlers may do anything: subscribe, end themselves, throw, close the session", async () => {
  const globals = globalThis as { reportError?: (error: unknown) => void };
  const uncaught: unknown[] = [];
  globals.reportError = (error) => uncaught.push(error);
  try {
    const { server, session } = begin();
    fill(server, 5);
    const room = session.channel(name);
    const inner = notes();
    const rest = notes();
    const first = room.subscribe(
      { last: 5 },
      {
        publication({ offset }) {
          if (offset === 1) room.subscribe({ last: 2 }, inner.handlers);
          if (offset === 3) first.close();
          throw new Error(`at ${offset}`);
        },
        gap() {},
      },
    );
    room.subscribe({ last: 5 }, rest.handlers);
    await settled();
    assert.deepEqual(uncaught.map(String), ["Error: at 1", "Error: at 2", "Error: at 3"]);
    assert.deepEqual(rest.log, [1, 2, 3, 4, 5]);
    assert.deepEqual(inner.log, [4, 5]);
    room.subscribe(
      { last: 3 },
      {
        publication: () => void session.close(),
        gap() {},
      },
    );
    await settled();
    assert.equal(session.state.name, "closed");
  } finally {
    delete globals.reportError;
  }
});

test("a subscription with handlers cannot be iterated over", async () => {
  const { session } = begin();
  const subscription = session.channel(name).subscribe({}, notes().handlers) as Publications;
  await assert.rejects(subscription.next(), TypeError);
  await session.close();
});
