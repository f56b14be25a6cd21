// Who vanishes without a word is gone from presence within twice `pingMs`, and nobody else is.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { dial, lines, listen, type MessageConn } from "@zocalo/net";
import type { Command, ServerMessage } from "@zocalo/protocol";
import { Hub } from "../src/index.ts";
import { settle } from "./fake-clock.ts";
import type { FakeConn } from "./fake-conn.ts";
import { namespaces, type Square, square } from "./square.ts";

const PING_MS = 25_000;

function named(): Square {
  return square({ authenticate: ({ token = "nobody" }) => ({ user: token, isGuest: false }) });
}

async function enter(
  { conn }: Square,
  user: string,
  transport: "tcp" | "websocket" | "unix",
  answersPings?: boolean,
): Promise<FakeConn> {
  const one = conn({ transport: transport as "tcp" });
  await one.ask({ type: "connect", token: user, ...(answersPings === undefined ? {} : { answersPings }) });
  await one.ask({ type: "subscribe", channel: "plaza:x" });
  return one;
}

async function present({ hub, conn }: Square): Promise<string[]> {
  void hub;
  const asking = conn({ transport: "websocket" });
  const answer = await asking.ask({ type: "presence", channel: "plaza:x" });
  await asking.close();
  assert.ok(answer.type === "presence");
  return answer.users.map(({ user }) => user);
}

async function pass({ clock }: Square, ms: number): Promise<void> {
  await settle(); // What came has been dealt with.
  clock.advance(ms);
  await settle();
}

test("a stream that answers pings is asked when it is quiet, and ended when it stays so", async () => {
  const plaza = named();
  const ana = await enter(plaza, "ana", "tcp", true);
  await pass(plaza, PING_MS - 1);
  assert.deepEqual(ana.all("ping" as "pong"), []);
  await pass(plaza, 1);
  assert.equal(ana.all("ping" as "pong").length, 1);
  await pass(plaza, PING_MS - 1);
  assert.deepEqual(await present(plaza), ["ana"]);
  await pass(plaza, 1);
  assert.deepEqual([ana.closed?.code, ana.all("disconnect")[0]?.reconnect], [4408, true]);
  assert.deepEqual(await present(plaza), []);
  await plaza.hub.close();
});

test("who answers, with pong or anything, stays; pong is not answered", async () => {
  const plaza = named();
  const [ana, ben] = [await enter(plaza, "ana", "tcp", true), await enter(plaza, "ben", "unix", true)];
  for (let count = 0; count < 10; count++) {
    await pass(plaza, PING_MS + 1_000);
    ana.say({ type: "pong" });
    ben.say({ type: "history", channel: "plaza:x" });
    await settle();
  }
  assert.deepEqual(await present(plaza), ["ana", "ben"]);
  assert.deepEqual([ana.all("ping" as "pong").length, ana.received.length], [10, 12]);
  await plaza.hub.close();
});

test("a stream that does not say that it answers is not asked and not ended; its user is away until it speaks", async () => {
  const plaza = named();
  const watcher = await enter(plaza, "watcher", "websocket");
  await watcher.ask({ type: "unsubscribe", channel: "plaza:x" });
  await watcher.ask({ type: "subscribe", channel: "plaza:x", presence: true, gather: true });
  plaza.clock.advance(0);
  const ana = await enter(plaza, "ana", "tcp");
  const other = await enter(plaza, "ana", "tcp");
  await pass(plaza, 2 * PING_MS - 1);
  assert.deepEqual(await present(plaza), ["watcher", "ana"]);
  other.say({ type: "ping" });
  await pass(plaza, 1);
  assert.deepEqual(await present(plaza), ["watcher", "ana"], "with another connection the user is there");
  await pass(plaza, 2 * PING_MS);
  assert.deepEqual(await present(plaza), ["watcher"]);
  await plaza.hub.publish("plaza:x", "still heard");
  assert.deepEqual(
    [ana.all("publication").length, ana.closed, ana.all("ping" as "pong")],
    [1, undefined, []],
  );
  ana.say({ type: "ping" });
  await settle();
  plaza.clock.advance(0);
  assert.deepEqual(await present(plaza), ["watcher", "ana"]);
  ana.cut();
  await settle();
  plaza.clock.advance(0);
  assert.deepEqual(await present(plaza), ["watcher"]);
  assert.deepEqual(
    watcher.all("changes").flatMap(({ changes }) => changes.map(({ type, user }) => `${type} ${user}`)),
    ["join ana", "leave ana", "join ana", "leave ana"],
  );
  await plaza.hub.close();
});

test("what was subscribed while away ends as it should, and leaves nobody behind", async () => {
  const plaza = named();
  const ana = await enter(plaza, "ana", "tcp");
  await pass(plaza, 2 * PING_MS);
  assert.deepEqual(await present(plaza), []);
  assert.equal((await ana.ask({ type: "unsubscribe", channel: "plaza:x" })).type, "unsubscribed");
  assert.deepEqual(await present(plaza), []);
  await ana.ask({ type: "subscribe", channel: "plaza:x" });
  assert.deepEqual(await present(plaza), ["ana"]);
  await pass(plaza, 2 * PING_MS);
  ana.cut();
  await settle();
  assert.deepEqual(await present(plaza), []);
  await plaza.hub.close();
});

test("WebSockets have pings of their own, and are not asked", async () => {
  const plaza = named();
  const ana = await enter(plaza, "ana", "websocket", true);
  await pass(plaza, 10 * PING_MS);
  assert.deepEqual([ana.closed, ana.all("ping" as "pong")], [undefined, []]);
  assert.deepEqual(await present(plaza), ["ana"]);
  await plaza.hub.close();
});

test("who is held back by the server's own doing is not taken for silent", async () => {
  const plaza = square({ limits: { answerTimeoutMs: 600_000 } });
  const ana = plaza.conn({ transport: "tcp", highWater: 500, maxBuffered: 1_000 });
  await ana.ask({ type: "connect", answersPings: true });
  ana.pause();
  for (let id = 1; id <= 100; id++) ana.say({ type: "ping", id });
  await settle();
  assert.ok(ana.held > 0, "it is held back");
  await pass(plaza, 4 * PING_MS);
  assert.deepEqual([ana.closed], [undefined]);
  ana.resume();
  await settle();
  await pass(plaza, 2 * PING_MS);
  await pass(plaza, 2 * PING_MS);
  assert.deepEqual(
    [ana.closed].map((info) => info?.code),
    [4408],
  );
  await plaza.hub.close();
});

test("over TCP, behind a relay that goes silent in both directions or one, the user leaves; one who answers stays", async (t) => {
  const hub = new Hub({
    namespaces,
    limits: { pingMs: 1_000 },
    authenticate: ({ token = "nobody" }) => ({ user: token, isGuest: false }),
  });
  const listener = await listen("tcp", "127.0.0.1:0");
  const served = hub.serve(lines(listener));
  const port = Number(String(listener.addr).split(":")[1]);
  const pairs: { readonly near: Socket; readonly far: Socket }[] = [];
  const relay = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    for (const socket of [near, far]) socket.on("error", () => undefined);
    near.pipe(far);
    far.pipe(near);
    pairs.push({ near, far });
  });
  relay.listen(0, "127.0.0.1");
  await once(relay, "listening");
  const { port: relayPort } = relay.address() as { port: number };

  const watcher = lines(await dial("tcp", String(listener.addr)));
  const people: MessageConn[] = [];
  t.after(async () => {
    for (const conn of [watcher, ...people]) conn.abort();
    for (const { near, far } of pairs) for (const socket of [near, far]) socket.destroy();
    relay.close();
    await hub.close();
    await served;
  });
  const present = new Set<string>();
  const say = (conn: MessageConn, command: Command): Promise<void> => conn.send(JSON.stringify(command));
  await say(watcher, { type: "connect", token: "watcher", answersPings: true });
  await say(watcher, { type: "subscribe", channel: "plaza:x", presence: true, gather: true });
  for (const user of ["both", "up", "down", "answers", "unannounced"]) {
    const conn = lines(await dial("tcp", `127.0.0.1:${relayPort}`));
    people.push(conn);
    const answersPings = user !== "unannounced";
    await say(conn, { type: "connect", token: user, answersPings });
    await say(conn, { type: "subscribe", channel: "plaza:x" });
    void (async () => {
      for await (const text of conn) {
        const message = JSON.parse(String(text)) as ServerMessage;
        if (message.type === "ping") await say(conn, { type: "pong" });
      }
    })().catch(() => undefined); // Its end is told to the watcher.
  }
  let isSilent = false;
  for await (const text of watcher) {
    const message = JSON.parse(String(text)) as ServerMessage;
    if (message.type === "ping") await say(watcher, { type: "pong" });
    if (message.type !== "changes") continue;
    for (const { type, user } of message.changes) {
      if (type === "join") present.add(user);
      else present.delete(user);
    }
    if (present.size === 5 && !isSilent) {
      isSilent = true;
      const [both, up, down, , unannounced] = pairs;
      for (const pair of [both, up, unannounced]) pair?.near.unpipe(pair.far).pause();
      for (const pair of [both, down]) pair?.far.unpipe(pair.near).pause();
    }
    if (isSilent && present.size === 1) break;
  }
  assert.deepEqual([...present], ["answers"]);
});
