import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject, ServerMessage } from "@zocalo/protocol";
import { settle } from "./fake-clock.ts";
import type { FakeConn } from "./fake-conn.ts";
import { type Square, square } from "./square.ts";

/** A connection of a user, subscribed to plaza:x. */
async function enter(
  { conn }: Square,
  token: string,
  presence: boolean,
  info?: JsonObject,
): Promise<FakeConn> {
  const one = conn();
  await one.ask({ type: "connect", token, ...(info ? { info } : {}) });
  await one.ask({ type: "subscribe", channel: "plaza:x", presence });
  return one;
}

function named(): Square {
  return square({ authenticate: ({ token = "nobody", info }) => ({ user: token, isGuest: false, info }) });
}

function changes(conn: FakeConn): string[] {
  return conn.received.flatMap((message) =>
    message.type === "join" || message.type === "leave"
      ? [`${message.type} ${message.user} ${message.version}`]
      : [],
  );
}

function users(message: ServerMessage | undefined): unknown {
  if (message?.type === "subscribed") return message.presence?.users;
  return message?.type === "presence" ? message.users : undefined;
}

test("a user with two connections comes once and leaves once", async () => {
  const plaza = named();
  const ana = await enter(plaza, "ana", true);
  const [ben, benAgain] = [await enter(plaza, "ben", false), await enter(plaza, "ben", false)];
  await settle();
  assert.deepEqual(changes(ana), ["join ben 2"]);
  ben.cut();
  await settle();
  assert.deepEqual(changes(ana), ["join ben 2"]);
  await benAgain.ask({ type: "unsubscribe", channel: "plaza:x" });
  assert.deepEqual(changes(ana), ["join ben 2", "leave ben 3"]);
  await plaza.hub.close();
});

test("the snapshot has everybody there, the one who asks included, with what they show", async () => {
  const plaza = named();
  await enter(plaza, "ana", false, { name: "Ana" });
  await enter(plaza, "ana", false, { name: "Ana" });
  const eve = await enter(plaza, "__proto__", true);
  const expected = [
    { user: "ana", info: { name: "Ana" }, connections: 2 },
    { user: "__proto__", connections: 1 },
  ];
  assert.deepEqual(users(eve.all("subscribed")[0]), expected);
  assert.deepEqual(changes(eve), []); // one's own coming is in the snapshot
  const outside = plaza.conn();
  assert.deepEqual(users(await outside.ask({ type: "presence", channel: "plaza:x" })), expected);
  await plaza.hub.close();
});

test("who did not ask is not told, and where there is no presence nobody is", async () => {
  const plaza = named();
  const ana = await enter(plaza, "ana", false);
  await enter(plaza, "ben", false);
  assert.deepEqual(changes(ana), []);
  for (const command of [
    { type: "presence", channel: "quiet:x" },
    { type: "subscribe", channel: "quiet:x", presence: true },
  ] as const) {
    const answer = await ana.ask(command);
    assert.equal(answer.type === "error" && answer.code, "forbidden");
  }
  await plaza.hub.close();
});

test("a snapshot shows as many users as the limit says", async () => {
  const plaza = square({
    limits: { presenceUsers: 3 },
    authenticate: ({ token = "nobody" }) => ({ user: token, isGuest: false }),
  });
  for (const name of ["a", "b", "c"]) await enter(plaza, name, false);
  const outside = plaza.conn();
  const shown = async (): Promise<unknown> =>
    users(await outside.ask({ type: "presence", channel: "plaza:x" }));
  assert.equal(((await shown()) as unknown[]).length, 3);
  await enter(plaza, "d", false);
  assert.equal(((await shown()) as unknown[]).length, 3);
  await plaza.hub.close();
});

test("who could not be told of changes gets a whole snapshot when there is room", async () => {
  const plaza = named();
  const slow = plaza.conn({ highWater: 150, maxBuffered: 300 });
  await slow.ask({ type: "subscribe", channel: "plaza:x", presence: true });
  slow.pause();
  const others: FakeConn[] = [];
  for (let number = 0; number < 10; number++) others.push(await enter(plaza, `user-${number}`, false));
  for (const other of others.slice(2)) other.cut();
  await settle();
  slow.resume();
  await settle();
  const last = slow.received.at(-1);
  assert.ok(last?.type === "presence");
  assert.equal(last.id, undefined);
  assert.deepEqual(
    last.users.map(({ user }) => user),
    ["nobody", "user-0", "user-1"],
  );
  await enter(plaza, "late", false);
  const join = slow.received.at(-1);
  assert.ok(join?.type === "join");
  assert.equal(join.version, last.version + 1);
  await plaza.hub.close();
});
