import assert from "node:assert/strict";
import { test } from "node:test";
import type { Publications, Subscription } from "../src/index.ts";
import { begin, cutAndReturn } from "./begin.ts";
import { settled } from "./fake-clock.ts";
import { fill, name, notes, take } from "./subscribing.ts";

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

test("whoever comes to a running flow after a position is told what became of it", async () => {
  const { server, session } = begin();
  fill(server, 5);
  const room = session.channel(name);
  const [running, newest, past] = [notes(), notes(), notes()];
  room.subscribe({}, running.handlers);
  await settled();
  room.subscribe({ since: { epoch: "e1", offset: 5 } }, newest.handlers);
  await settled();
  assert.deepEqual(newest.log, ["recovered 0 since 5"]);
  room.subscribe({ since: { epoch: "e1", offset: 7 } }, past.handlers); // in a log that lacks it
  await settled();
  assert.deepEqual(past.log, [
    { reset: true, epoch: "e1", previous: { epoch: "e1", offset: 7 } },
    1,
    2,
    3,
    4,
    5,
  ]);
  fill(server, 3);
  await settled();
  assert.deepEqual(past.log.slice(-3), [6, 7, 8]);
  assert.deepEqual(running.log, [6, 7, 8]);
  assert.deepEqual(newest.log, ["recovered 0 since 5", 6, 7, 8]);
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

test("the session is hidden as long as all subscribers are, and misses nothing when that changes", async () => {
  const { server, session } = begin();
  const room = session.channel(name);
  const { log, handlers } = notes();
  const wasHidden = () =>
    server.conn.commands.flatMap((each) => (each.type === "subscribe" ? [each.hidden === true] : []));
  room.subscribe({ hidden: true }, handlers);
  await settled();
  fill(server, 1);
  await settled();
  const seen = room.subscribe({});
  fill(server, 1); // while it subscribes again
  await settled();
  assert.deepEqual(wasHidden(), [true, false]);
  seen.close();
  fill(server, 1);
  await settled();
  assert.deepEqual(wasHidden(), [true, false, true]);
  assert.deepEqual(log, [1, 2, 3]);
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

test("all pages of presence are read, and one that cannot be had now is asked for again", async () => {
  const { server, clock, session } = begin();
  server.usersInPage = 2;
  server.log(name).users = ["ana", "ben", "eva", "luis", "zoe"].map((user) => ({ user, connections: 1 }));
  let refusals = 2;
  server.intercept = (command) =>
    command.type === "presence" && command.after === 4 && refusals-- > 0
      ? { type: "error", id: command.id ?? 0, code: "unavailable", message: "not now" }
      : undefined;
  const seen: [string, number][] = [];
  const subscription = session.channel(name).subscribe(
    {},
    {
      publication() {},
      gap() {},
      presence: (users, total) => seen.push([users.map(({ user }) => user).join(" "), total]),
    },
  );
  await settled();
  assert.deepEqual([seen, subscription.total], [[], 0]);
  await clock.advance(1_000);
  await clock.advance(1_000);
  assert.deepEqual(seen, [["ana ben eva luis zoe", 5]]);
  assert.deepEqual([subscription.total, server.conn.count("presence")], [5, 4]);
  refusals = 1;
  await cutAndReturn(server, clock);
  const asked = server.conn.count("presence");
  await session.close();
  await clock.advance(60_000);
  assert.equal(server.conn.count("presence"), asked, "nobody wants it any more");
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
