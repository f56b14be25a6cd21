import assert from "node:assert/strict";
import { test } from "node:test";
import type { Command, Json, ReceivedPublish } from "@zocalo/protocol";
import { begin, codeOf } from "./begin.ts";
import { ChannelError } from "../src/index.ts";
import { settled } from "./fake-clock.ts";
import type { FakeConn } from "./fake-server.ts";

const name = "plaza:general";

function published(conn: FakeConn): ReceivedPublish[] {
  return conn.commands.filter((command): command is ReceivedPublish => command.type === "publish");
}

const dataOf = (commands: readonly ReceivedPublish[]) => commands.map(({ data }) => data);

test("what is published before the connection waits for it, in order", async () => {
  const { server, session } = begin({ token: "ana" });
  const room = session.channel<string>(name);
  const receipts = await Promise.all([room.publish("a"), room.publish("b"), room.publish("c")]);
  assert.deepEqual(
    receipts,
    [1, 2, 3].map((offset) => ({ epoch: "e1", offset })),
  );
  assert.deepEqual(dataOf(published(server.conn)), ["a", "b", "c"]);
  await session.close();
});

test("what was committed but not acknowledged is sent again with its key, and is in the log once", async () => {
  const { server, clock, session } = begin({ token: "ana" });
  await settled();
  const room = session.channel<string>(name);
  await room.publish("before");
  // Commits, and is cut before it answers.
  server.intercept = (command: Command, conn: FakeConn) => {
    if (command.type !== "publish") return undefined;
    server.publish(name, command.data as Json, command.key);
    if (command.data === "b") conn.cut();
    return null;
  };
  const publishing = Promise.all([room.publish("a"), room.publish("b"), room.publish("c")]);
  await settled();
  server.intercept = () => undefined;
  await clock.advance(1_000);
  const receipts = await publishing;
  assert.deepEqual(
    receipts.map(({ offset }) => offset),
    [2, 3, 4],
  );
  assert.deepEqual(
    server.log(name).publications.map(({ data }) => data),
    ["before", "a", "b", "c"],
  );
  const [first, second] = server.conns.map(published);
  assert.deepEqual(dataOf(second ?? []), ["a", "b", "c"]);
  const keys = (first ?? []).slice(1).map(({ key }) => key);
  assert.deepEqual(
    (second ?? []).slice(0, keys.length).map(({ key }) => key),
    keys,
  );
  await session.close();
});

test("each call has a key of its own, unless it is given one", async () => {
  const one = begin();
  const two = begin();
  await Promise.all(
    [one.session, two.session].flatMap((it) => [1, 2].map(() => it.channel(name).publish("x"))),
  );
  await one.session.channel(name).publish("x", { key: 'mine "' });
  const keys = [one, two].flatMap(({ server }) => published(server.conn).map(({ key }) => key));
  assert.equal(new Set(keys).size, 5);
  assert.ok(keys.includes('mine "'));
  assert.ok(keys.every((key) => key !== undefined && key.length <= 64));
  await Promise.all([one.session.close(), two.session.close()]);
});

test("what it says is fixed when publish is called", async () => {
  const { server, session } = begin();
  const data = { text: "hola" };
  const publishing = session.channel<typeof data>(name).publish(data);
  data.text = "adiós";
  await publishing;
  assert.deepEqual(server.log(name).publications[0]?.data, { text: "hola" });
  await session.close();
});

test("JSON text is published as it is, on one line, and what is none is refused here", async () => {
  const { server, session } = begin();
  const room = session.channel<unknown>(name);
  const json = '{"id":1688888483063664642,"a":1e400,"a":-0}';
  await room.publishJson(json);
  await room.publishJson("[1,\r\n2]");
  const sent = server.conn.commands.flatMap((it) => ("json" in it ? it.json : []));
  assert.deepEqual(sent, [json, "[1,  2]"]);
  for (const wrong of ["{a:1}", "", '1,"key":"k"', '"\ud800"', `[${"[".repeat(64)}${"]".repeat(64)}]`]) {
    const refusal = await room.publishJson(wrong).catch((error: unknown) => error);
    assert.ok(refusal instanceof ChannelError && refusal.code === "bad_command", String(refusal));
  }
  assert.equal(server.conn.count("publish"), 2);
  await session.close();
});

test("a refusal is a typed error, and the next publication goes on", async () => {
  const { server, session } = begin();
  server.intercept = (command) =>
    command.type === "publish" && command.data === "bad"
      ? { type: "error", id: command.id ?? 0, code: "forbidden", message: "not you" }
      : undefined;
  const room = session.channel<string>(name);
  const bad = room.publish("bad");
  const good = room.publish("good");
  await assert.rejects(bad, {
    name: "ChannelError",
    code: "forbidden",
    channel: name,
    message: `${name}: not you`,
  });
  assert.equal((await good).offset, 1);
  await session.close();
});

test("the outbox takes as many as its limit, and no more until one is acknowledged", async () => {
  const { server, session } = begin({ outbox: { entries: 3 } });
  server.intercept = ({ type }) => (type === "publish" ? null : undefined);
  const room = session.channel<number>(name);
  const waiting = [1, 2, 3].map((data) => codeOf(room.publish(data)));
  assert.equal(await codeOf(room.publish(4)), "outbox_full");
  assert.equal(await codeOf(room.presence()), "resolved");
  await settled();
  const [first] = published(server.conn);
  server.conn.push({ type: "published", id: first?.id ?? 0, epoch: "e1", offset: 1 });
  assert.equal(await waiting[0], "resolved");
  const fifth = codeOf(room.publish(5));
  await session.close();
  assert.deepEqual(await Promise.all([...waiting, fifth]), ["resolved", "closed", "closed", "closed"]);
});

test("the outbox takes as much text as its limit, and no more", async () => {
  const { session } = begin({ outbox: { length: 10 } }, (server) => {
    server.isDown = true;
  });
  const room = session.channel<string>(name);
  const outcomes = ["123456", "", "1"].map((data) => codeOf(room.publish(data))); // 8, 2 and 3 with quotes
  assert.equal(await outcomes[2], "outbox_full");
  await session.close();
  assert.deepEqual(await Promise.all(outcomes), ["closed", "closed", "outbox_full"]);
});

test("the default limits are as documented", async () => {
  const { session } = begin({}, (server) => {
    server.isDown = true;
  });
  const outcomes = Array.from({ length: 1_001 }, (_, index) => codeOf(session.channel(name).publish(index)));
  assert.equal(await outcomes[1_000], "outbox_full");
  await session.close();
  assert.equal(await outcomes[999], "closed");

  const other = begin({}, (server) => {
    server.isDown = true;
  });
  const room = other.session.channel(name);
  const full = codeOf(room.publish("x".repeat(1_048_576 - 2)));
  assert.equal(await codeOf(room.publish(1)), "outbox_full");
  await other.session.close();
  assert.equal(await full, "closed");
});

test("a signal takes a publication back that was not sent, and stops waiting for one that was", async () => {
  const { server, clock, session } = begin({}, (it) => {
    it.isDown = true;
  });
  const room = session.channel<string>(name);
  const aborter = new AbortController();
  const reason = new Error("changed my mind");
  const unsent = room.publish("never", { signal: aborter.signal });
  const kept = room.publish("kept");
  aborter.abort(reason);
  await assert.rejects(unsent, reason);
  await assert.rejects(room.publish("neither", { signal: aborter.signal }), reason);
  server.isDown = false;
  await clock.advance(1_000);
  assert.equal((await kept).offset, 1);
  server.intercept = ({ type }) => (type === "publish" ? null : undefined);
  const second = new AbortController();
  const sent = room.publish("sent", { signal: second.signal });
  await settled();
  second.abort(reason);
  await assert.rejects(sent, reason);
  await session.close();
});

test("what is larger than the server takes does not get there", async () => {
  const { server, session } = begin({}, (it) => {
    it.commandBytes = 200;
  });
  const room = session.channel<string>(name);
  await assert.rejects(room.publish("ñ".repeat(100)), { code: "too_large" });
  await assert.rejects(room.publish("x".repeat(200)), { code: "too_large" });
  assert.equal((await room.publish("x".repeat(50))).offset, 1);
  assert.deepEqual(dataOf(published(server.conn)), ["x".repeat(50)]);
  await session.close();
});

test("what the connection never sends is refused, and holds up nothing", async () => {
  const { server, clock, session } = begin({}, (it) => {
    it.maxSendBytes = 200;
  });
  const room = session.channel<string>(name);
  const outcome = room.publish("ñ".repeat(100)).catch((error: { code: string }) => error.code);
  const next = room.publish("x".repeat(50));
  await clock.advance(20_000);
  assert.equal(server.dials, 1);
  assert.equal(await outcome, "too_large");
  assert.equal((await next).offset, 1);
  await session.close();
});

test("what JSON cannot say is refused", async () => {
  const { session } = begin();
  await assert.rejects(session.channel<undefined>(name).publish(undefined), {
    name: "TypeError",
    message: "plaza:general: JSON cannot say undefined",
  });
  await assert.rejects(session.channel<bigint>(name).publish(1n), TypeError);
  await session.close();
});

test("sent as one guest and not acknowledged, it is sent again as another, with the same key", async () => {
  let guests = 0;
  const { server, clock, session } = begin({ token: () => `guest-${++guests}` });
  await settled();
  server.intercept = ({ type }) => (type === "publish" ? null : undefined);
  const room = session.channel<string>(name);
  const sent = room.publish("sent");
  await settled();
  const [first] = published(server.conn);
  server.intercept = () => undefined;
  server.conn.cut();
  await settled();
  await clock.advance(1_000);
  await sent;
  assert.equal(session.user, "guest-2");
  assert.ok(first?.key);
  assert.deepEqual(
    published(server.conn).map(({ key }) => key),
    [first.key],
  );
  await session.close();
});

test("what the connection has no room for is sent when it has, in order", async () => {
  const { server, session } = begin();
  await settled();
  server.conn.isFull = true;
  const room = session.channel<string>(name);
  const publishing = Promise.all(["a", "b", "c"].map((data) => room.publish(data)));
  await settled();
  assert.equal(published(server.conn).length, 0);
  server.conn.drain();
  await publishing;
  assert.deepEqual(dataOf(published(server.conn)), ["a", "b", "c"]);
  await session.close();
});

test("history and presence are read, over a lost connection too", async () => {
  const { server, clock, session } = begin();
  for (let offset = 1; offset <= 5; offset++) server.publish(name, offset);
  server.log(name).users = [{ user: "ana", connections: 2 }];
  await settled();
  const room = session.channel<number>(name);
  const page = await room.history({ before: 5, limit: 2 });
  assert.deepEqual(page, {
    epoch: "e1",
    head: 5,
    oldest: 1,
    publications: [3, 4].map((offset) => ({ offset, at: 0, user: "ana", data: offset, json: `${offset}` })),
  });
  server.intercept = ({ type }) => (type === "history" || type === "presence" ? null : undefined);
  const reading = Promise.all([room.history(), room.presence()]);
  await settled();
  server.intercept = () => undefined;
  server.conn.cut();
  await clock.advance(1_000);
  const [{ publications }, present] = await reading;
  assert.equal(publications.length, 5);
  assert.deepEqual(present, { users: [{ user: "ana", connections: 2 }], total: 1 });
  await session.close();
});

test("a read that finds no connection gives up in time", async () => {
  const { clock, session } = begin({ timeoutMs: 3_000 }, (server) => {
    server.isDown = true;
  });
  const reading = codeOf(session.channel(name).history());
  await clock.advance(3_000);
  assert.equal(await reading, "timeout");
  await session.close();
});
