import assert from "node:assert/strict";
import { test } from "node:test";
import { type ErrorCode, LIMITS, type ServerMessage } from "@zocalo/protocol";
import { MemoryEngine } from "../src/index.ts";
import { settle } from "./fake-clock.ts";
import type { FakeConn } from "./fake-conn.ts";
import { square } from "./square.ts";

function codeOf(message: ServerMessage | undefined): ErrorCode | undefined {
  return message?.type === "error" ? message.code : undefined;
}

function disconnectOf(conn: FakeConn): number | undefined {
  const last = conn.received.at(-1);
  return last?.type === "disconnect" ? last.code : undefined;
}

test("what makes no sense is answered with a typed error, and the connection goes on", async () => {
  const { hub, conn } = square();
  const eve = conn();
  const cases: readonly (readonly [string, ErrorCode])[] = [
    [" ", "bad_json"],
    ["rubbish", "bad_json"],
    ["[]", "bad_json"],
    ["null", "bad_json"],
    ['{"type":"__proto__"}', "unknown_command"],
    ['{"type":"publish","channel":"quiet:x"}', "bad_command"],
    ['{"type":"subscribe","channel":{"a":1}}', "bad_command"],
    ['{"type":"subscribe","channel":"quiet:x\\u0000"}', "bad_command"],
    [`{"type":"publish","channel":"quiet:x","data":${"[".repeat(65)}${"]".repeat(65)}}`, "bad_command"],
    [`{"type":"publish","channel":"quiet:x","data":"${"x".repeat(LIMITS.dataLength)}"}`, "too_large"],
    [`{"type":"ping","pad":"${"x".repeat(LIMITS.commandBytes)}"}`, "too_large"],
  ];
  for (const [text, code] of cases) {
    eve.say(text);
    await settle();
    assert.equal(codeOf(eve.received.at(-1)), code, text.slice(0, 80));
  }
  assert.equal((await eve.ask({ type: "ping" })).type, "pong");
  assert.equal(hub.stats().refused, cases.length);
  await hub.close();
});

test("an HTTP request is cut off before its body is read, so that no web page can send commands", async () => {
  const { hub, conn } = square();
  const page = conn();
  page.say("POST / HTTP/1.1");
  page.say("Host: localhost:7000");
  page.say("");
  page.say('{"type":"publish","channel":"plaza:x","data":"from an evil page"}');
  assert.equal((await page.untilClosed()).code, 4400);
  assert.equal(disconnectOf(page), 4400);
  assert.equal(hub.stats().published, 0);
  await hub.close();
});

test("an empty line is no command, and no bad one", async () => {
  const { hub, conn } = square({ limits: { badCommands: 3 } });
  const person = conn();
  for (let number = 0; number < 10; number++) person.say("");
  assert.equal((await person.ask({ type: "ping" })).type, "pong");
  assert.equal(person.received.length, 1);
  assert.equal(hub.stats().refused, 0);
  await hub.close();
});

test("as many bad commands in a row as the limit says are answered; one more is disconnect 4400", async () => {
  const { hub, conn } = square({ limits: { badCommands: 3 } });
  const [eve, ana] = [conn(), conn()];
  for (let round = 0; round < 2; round++) {
    for (let bad = 0; bad < 3; bad++) eve.say("rubbish");
    assert.equal((await eve.ask({ type: "ping" })).type, "pong"); // and the count begins anew
  }
  for (let bad = 0; bad < 4; bad++) eve.say("rubbish");
  assert.equal((await eve.untilClosed()).code, 4400);
  assert.equal(disconnectOf(eve), 4400);
  assert.equal((await ana.ask({ type: "ping" })).type, "pong");
  await hub.close();
});

test("a binary message ends a stream with 1003", async () => {
  const { hub, conn } = square();
  const eve = conn();
  eve.say(new Uint8Array([123, 125]));
  assert.equal((await eve.untilClosed()).code, 1003);
  assert.equal(disconnectOf(eve), 1003);
  await hub.close();
});

test("commands past the rate are refused with the time to wait, and none is carried out", async () => {
  const { hub, conn, clock } = square({ limits: { commandsPerSecond: 10, commandBurst: 5 } });
  const eve = conn();
  for (let id = 1; id <= 6; id++) eve.say({ type: "publish", channel: "quiet:x", data: id, id });
  await settle();
  assert.deepEqual(
    eve.received.map((message) => message.type),
    ["published", "published", "published", "published", "published", "error"],
  );
  assert.deepEqual(eve.received.at(-1), {
    type: "error",
    id: 6,
    code: "rate_limited",
    message: "try again in 100 ms",
    retryMs: 100,
  });
  assert.equal(hub.stats().published, 5);
  clock.advance(100);
  assert.equal((await eve.ask({ type: "ping" })).type, "pong");
  await hub.close();
});

test("a flood far past the rate is disconnect 4429, and others do not notice", async () => {
  const { hub, conn } = square({ limits: { commandBurst: 5, excessCommands: 50 } });
  const [eve, ana] = [conn(), conn()];
  for (let count = 0; count < 5 + 50; count++) eve.say({ type: "ping" });
  await settle();
  assert.equal(eve.closed, undefined);
  eve.say({ type: "ping" });
  assert.equal((await eve.untilClosed()).code, 4429);
  assert.equal(disconnectOf(eve), 4429);
  assert.equal((await ana.ask({ type: "ping" })).type, "pong");
  await hub.close();
});

test("who sends somewhat more than the rate is refused some of it for ever, and not disconnected", async () => {
  const { hub, conn, clock } = square({
    limits: { commandsPerSecond: 10, commandBurst: 1, excessCommands: 5 },
  });
  const eager = conn();
  for (let step = 0; step < 100; step++) {
    eager.say({ type: "ping" });
    eager.say({ type: "ping" });
    await settle();
    clock.advance(100);
  }
  assert.equal(eager.closed, undefined);
  assert.deepEqual([eager.all("pong").length, eager.all("error").length], [100, 100]);
  await hub.close();
});

test("who sends commands and never reads the answers is held back, and after a time disconnected with 4408", async () => {
  const { hub, conn, clock } = square({ limits: { answerTimeoutMs: 1_000 } });
  const eve = conn({ highWater: 500, maxBuffered: 1_000 });
  eve.pause();
  for (let id = 1; id <= 500; id++) eve.say({ type: "ping", id });
  await settle();
  assert.ok(eve.held > 400, "commands were taken that could not be answered");
  assert.ok(eve.peakBuffered <= 1_000);
  clock.advance(999);
  await settle();
  assert.equal(hub.stats().sessions, 1);
  clock.advance(1);
  assert.equal((await eve.untilClosed()).code, 4408);
  await hub.close();
});

test("who reads again in time gets every answer, once and in order", async () => {
  const { hub, conn, clock } = square({ limits: { answerTimeoutMs: 1_000 } });
  const slow = conn({ highWater: 500, maxBuffered: 1_000 });
  slow.pause();
  for (let id = 1; id <= 300; id++) {
    if (id % 3 === 0) slow.say({ type: "publish", channel: "quiet:x", data: id, id });
    else slow.say({ type: "ping", id });
  }
  await settle();
  clock.advance(999);
  slow.resume();
  await settle();
  clock.advance(5_000);
  await slow.ask({ type: "ping" });
  assert.deepEqual(
    slow.received.slice(0, -1).map((message) => "id" in message && message.id),
    Array.from({ length: 300 }, (_, index) => index + 1),
  );
  await hub.close();
});

class StuckEngine extends MemoryEngine {
  readonly commit: (() => void)[] = [];

  override async publish(...args: Parameters<MemoryEngine["publish"]>): ReturnType<MemoryEngine["publish"]> {
    const committed = await super.publish(...args);
    await new Promise<void>((resolve) => this.commit.push(resolve));
    return committed;
  }
}

test("no more commands are in flight than the limit says", async () => {
  const engine = new StuckEngine();
  const { hub, conn } = square({ engine, limits: { commandsInFlight: 4 } });
  const eve = conn();
  await eve.ask({ type: "ping" });
  for (let id = 1; id <= 10; id++) eve.say({ type: "publish", channel: "quiet:x", data: id, id });
  await settle();
  assert.deepEqual([engine.commit.length, eve.held], [4, 6]);
  engine.commit.shift()?.();
  await settle();
  assert.deepEqual([engine.commit.length, eve.held], [4, 5]);
  // Commands that need no engine wait behind those that do, and count too.
  for (let id = 11; id <= 30; id++) eve.say({ type: "ping", id });
  while (eve.received.length < 31) {
    engine.commit.shift()?.();
    await settle();
  }
  assert.deepEqual(
    eve.received.slice(1).map((message) => "id" in message && message.id),
    Array.from({ length: 30 }, (_, index) => index + 1),
  );
  await hub.close();
});

test("a connection that breaks at any moment leaves nothing behind", async () => {
  for (let cutAfter = 0; cutAfter < 12; cutAfter++) {
    const { hub, conn, errors } = square({ authenticate: async () => ({ user: "eve", isGuest: true }) });
    const eve = conn();
    eve.say({ type: "connect" });
    eve.say({ type: "subscribe", channel: "plaza:x", presence: true, last: 5 });
    eve.say({ type: "publish", channel: "plaza:x", data: 1 });
    eve.say({ type: "history", channel: "plaza:x" });
    for (let turn = 0; turn < cutAfter; turn++) await Promise.resolve();
    eve.cut();
    await settle();
    const { sessions, subscriptions, channels } = hub.stats();
    assert.deepEqual([sessions, subscriptions, channels, errors], [0, 0, 0, []], `cut after ${cutAfter}`);
    const ana = conn();
    const present = await ana.ask({ type: "presence", channel: "plaza:x" });
    assert.deepEqual(present.type === "presence" && present.users, []);
    await hub.close();
  }
});

test("a transport that ends a connection for what its peer did lets the hub say why", async () => {
  const { hub, conn } = square();
  const eve = conn({ transport: "tcp" });
  await eve.ask({ type: "ping" });
  eve.fault({ code: 1009, reason: "message larger than 65536 bytes", wasClean: false });
  assert.deepEqual(eve.received.at(-1), {
    type: "disconnect",
    code: 1009,
    reason: "message larger than 65536 bytes",
    reconnect: false,
  });
  assert.equal(hub.stats().sessions, 0);
  await hub.close();
});
