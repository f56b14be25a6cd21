// What is cast, and what the server's program sends: who has it, who may, and what is told of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { runInNewContext } from "node:vm";
import { LIMITS, type ServerMessage } from "@zocalo/protocol";
import type { CastContext } from "../src/index.ts";
import { BusyClock } from "./busy-clock.ts";
import { settle } from "./fake-clock.ts";
import type { FakeConn } from "./fake-conn.ts";
import { namespaces as usual, square } from "./square.ts";
import { codeOf } from "./visitors.ts";

const namespaces = {
  ...usual,
  arena: { subscribe: "anyone", publish: "anyone", cast: "anyone" },
  told: { subscribe: "anyone", publish: "anyone", cast: "anyone", senders: true },
  bytes: { subscribe: "anyone", cast: "anyone", data: "bytes" },
  members: { subscribe: "anyone", cast: "users" },
} as const;

/** Ana, Ben and Eve have begun, and follow the channel. */
async function crowd(conn: () => FakeConn, channel: string): Promise<[FakeConn, FakeConn, FakeConn]> {
  const three = [conn(), conn(), conn()] as [FakeConn, FakeConn, FakeConn];
  for (const each of three) {
    await each.ask({ type: "connect" });
    await each.ask({ type: "subscribe", channel });
  }
  return three;
}

/** All that was said before has been carried out. */
async function done(conn: FakeConn): Promise<void> {
  await conn.ask({ type: "ping" });
}

test("a cast reaches those who are subscribed, and neither its sender nor the log", async () => {
  const { conn, hub } = square({ namespaces });
  const [ana, ben, eve] = await crowd(conn, "arena:1");
  ana.say({ type: "cast", channel: "arena:1", data: { x: 1 }, key: "at" });
  await done(ana);
  const user = ana.all("connected")[0]?.user;
  for (const each of [ben, eve]) {
    assert.deepEqual(each.all("cast"), [
      { type: "cast", channel: "arena:1", user, key: "at", data: { x: 1 } },
    ]);
  }
  assert.deepEqual(ana.all("cast"), []);
  const page = await ana.ask({ type: "history", channel: "arena:1" });
  assert.ok(page.type === "history" && page.head === 0);
  const { casts, castsDelivered, castsDropped, published } = hub.stats();
  assert.deepEqual([casts, castsDelivered, castsDropped, published], [1, 2, 0, 0]);
});

test("what is cast is the text that came", async () => {
  const { conn } = square({ namespaces });
  const [ana, ben] = await crowd(conn, "arena:1");
  const data = '{"b":1e400,"a":-0,"a":1688888483063664642,"s":"\\ud800"}';
  ana.say(`{"type":"cast","channel":"arena:1","data": ${data}}`);
  await done(ana);
  assert.ok(ben.texts.at(-1)?.endsWith(`"data":${data}}`), ben.texts.at(-1));
});

test("a cast is answered only if it has an id and is refused", async () => {
  const { conn, hub } = square({ namespaces });
  const [ana, ben] = await crowd(conn, "quiet:1");
  const before = ana.received.length;
  ana.say({ type: "cast", channel: "quiet:1", data: 1 }); // nobody may
  ana.say({ type: "cast", channel: "nowhere:1", data: 1 });
  ana.say({ type: "cast", method: "nothing", data: 1 });
  ana.say({ type: "cast", channel: "members:1", data: 1 }); // a guest
  ana.say({ type: "cast", id: 1, channel: "arena:1", data: 1 });
  await done(ana);
  assert.equal(ana.received.length, before + 1, "the answer to ping and no other");
  assert.equal(hub.stats().refused, 4);
  const codes: unknown[] = [];
  for (const cast of [
    { channel: "quiet:1", data: 1 },
    { channel: "nowhere:1", data: 1 },
    { method: "nothing", data: 1 },
    { channel: "members:1", data: 1 },
    { channel: "bytes:1", data: 1 },
    { channel: "arena:1", data: "x".repeat(LIMITS.dataLength - 1) },
  ]) {
    codes.push(codeOf(await ana.ask({ type: "cast", ...cast })));
  }
  assert.deepEqual(codes, [
    "forbidden",
    "unknown_channel",
    "unknown_method",
    "forbidden",
    "bad_command",
    "too_large",
  ]);
  assert.deepEqual(ben.all("cast"), []);
});

test("a permission to cast that takes its time keeps casts in their order", async () => {
  const given: [string, string][] = [];
  const slow = async ({ user }: { user: string }, channel: string): Promise<boolean> => {
    given.push([user, channel]);
    await Promise.resolve();
    return channel !== "slow:no";
  };
  const { conn } = square({ namespaces: { slow: { subscribe: "anyone", cast: slow } } });
  const [ana, ben] = await crowd(conn, "slow:1");
  for (let data = 0; data < 5; data++) ana.say({ type: "cast", channel: "slow:1", data });
  assert.equal(codeOf(await ana.ask({ type: "cast", channel: "slow:no", data: 1 })), "forbidden");
  assert.deepEqual(
    ben.all("cast").map(({ data }) => data),
    [0, 1, 2, 3, 4],
  );
  assert.equal(given.length, 6);
});

test("a method's casts come to its handler, with who sent them; one method has one handler", async () => {
  const { conn, hub, errors } = square({ namespaces });
  const seen: [CastContext, unknown][] = [];
  const stop = hub.onCast("arena.input", (context, data) => void seen.push([context, data]));
  assert.throws(() => hub.onCast("arena.input", () => {}), { code: "bad_command" });
  assert.throws(() => hub.onCast("no name", () => {}), { code: "bad_command" });
  const ana = conn();
  const connected = await ana.ask({ type: "connect", info: { name: "Ana" } });
  assert.ok(connected.type === "connected");
  ana.say({ type: "cast", method: "arena.input", data: [1, 2] });
  ana.say('{"type":"cast","method":"arena.input","bytes":"AP8="}');
  await done(ana);
  const [[context, json] = [], [, bytes] = []] = seen;
  assert.deepEqual([context?.user, context?.isGuest, context?.info], [connected.user, true, { name: "Ana" }]);
  assert.notEqual(context?.session, connected.session, "its public name is not the one it acts by");
  assert.deepEqual([json, bytes], [[1, 2], new Uint8Array([0, 255])]);
  stop();
  assert.equal(codeOf(await ana.ask({ type: "cast", method: "arena.input", data: 1 })), "unknown_method");

  hub.onCast("bad", () => {
    throw new Error("thrown");
  });
  hub.onCast("worse", async () => {
    await Promise.resolve();
    throw new Error("rejected");
  });
  // A promise, but not one of this realm: nobody else would hear that it was rejected.
  hub.onCast("worst", () => runInNewContext('Promise.reject(new Error("elsewhere"))') as Promise<void>);
  for (const method of ["bad", "worse", "worst"]) ana.say({ type: "cast", method, data: 1 });
  await done(ana);
  await settle();
  const reported = ["Error: elsewhere", "Error: rejected", "Error: thrown"];
  assert.deepEqual(errors.map(String).toSorted(), reported);
});

test("the server's program casts whatever the permissions, and with its limits", async () => {
  const { conn, hub } = square({ namespaces });
  const [ana] = await crowd(conn, "news:1");
  hub.cast("news:1", { round: 3 }, { key: "round" });
  hub.cast("news:1", "bien", { user: "crier" });
  assert.deepEqual(ana.all("cast"), [
    { type: "cast", channel: "news:1", user: "server", key: "round", data: { round: 3 } },
    { type: "cast", channel: "news:1", user: "crier", data: "bien" },
  ]);
  hub.cast("arena:nobody", 1);
  hub.cast("news:1", 1, { key: "k".repeat(LIMITS.keyLength) });
  assert.throws(() => hub.cast("news:1", 1, { key: "k".repeat(LIMITS.keyLength + 1) }), {
    code: "bad_command",
  });
  assert.throws(() => hub.cast("nowhere:1", 1), { code: "unknown_channel" });
  assert.throws(() => hub.cast("news:1", new Uint8Array(1)), { code: "bad_command" });
  hub.cast("news:1", "x".repeat(LIMITS.dataLength - 2));
  assert.throws(() => hub.cast("news:1", "x".repeat(LIMITS.dataLength - 1)), { code: "too_large" });
});

test("bytes are read before a cast or a message returns", async () => {
  const { conn, hub } = square({ namespaces });
  const [ana] = await crowd(conn, "bytes:1");
  ana.pause();
  const bytes = new Uint8Array([1, 2, 3]);
  const user = ana.all("connected")[0]?.user ?? "";
  // The first fills the connection; what comes then waits.
  hub.cast("bytes:1", new Uint8Array(20_000), { key: "much" });
  hub.cast("bytes:1", bytes);
  hub.send({ user }, "t", bytes, { volatile: true });
  bytes.fill(9);
  ana.resume();
  await done(ana);
  const texts = ana.texts.filter((text) => text.includes('"bytes":"AQID"'));
  assert.equal(texts.length, 2);
});

test("where senders are told, casts and live publications have them, and the log has not", async () => {
  const { conn } = square({ namespaces });
  const [ana, ben] = await crowd(conn, "told:1");
  const sender = ana.all("connected")[0]?.sender;
  assert.match(String(sender), /^[a-z2-9]{12}$/);
  assert.notEqual(sender, ben.all("connected")[0]?.sender);
  ana.say({ type: "cast", channel: "told:1", data: 1 });
  await ana.ask({ type: "publish", channel: "told:1", data: 2 });
  assert.equal(ben.all("cast")[0]?.sender, sender);
  for (const each of [ana, ben]) assert.equal(each.all("publication")[0]?.sender, sender);
  const page = await ben.ask({ type: "history", channel: "told:1" });
  assert.ok(page.type === "history" && page.publications[0]?.sender === undefined);
  const eve = conn();
  await eve.ask({ type: "subscribe", channel: "told:1", last: 1 });
  await eve.until(({ type }) => type === "publication");
  assert.equal(eve.all("publication")[0]?.sender, undefined);
});

test("where no namespace tells senders, nothing on the wire does", async () => {
  const { conn } = square({ namespaces: { arena: namespaces.arena } });
  const [ana, ben] = await crowd(conn, "arena:1");
  ana.say({ type: "cast", channel: "arena:1", data: 1 });
  await ana.ask({ type: "publish", channel: "arena:1", data: 2 });
  await done(ben);
  for (const text of [...ana.texts, ...ben.texts]) assert.doesNotMatch(text, /sender/);
});

test("a message goes to one session by its public name, or to all sessions of a user", async () => {
  const authenticate = ({ token = "" }) => ({ user: token, isGuest: false });
  const { conn, hub } = square({ namespaces, authenticate });
  const names: string[] = [];
  hub.onCast("hello", ({ session }) => void names.push(session));
  const begun = async (token: string): Promise<FakeConn> => {
    const each = conn();
    await each.ask({ type: "connect", token });
    each.say({ type: "cast", method: "hello", data: 1 });
    await done(each);
    return each;
  };
  const [desk, phone, ben] = [await begun("ana"), await begun("ana"), await begun("ben")];
  const messagesOf = (each: FakeConn): unknown[] =>
    each.all("message").map(({ topic, data }) => [topic, data]);
  assert.deepEqual(hub.send({ session: names[1] ?? "" }, "a.b", { n: 1 }), {
    sent: 1,
    waiting: 0,
    refused: 0,
  });
  assert.deepEqual(hub.send({ user: "ana" }, "c", [2]), { sent: 2, waiting: 0, refused: 0 });
  assert.deepEqual(messagesOf(desk), [["c", [2]]]);
  assert.deepEqual(messagesOf(phone), [
    ["a.b", { n: 1 }],
    ["c", [2]],
  ]);
  assert.deepEqual(messagesOf(ben), []);

  const nobody = { sent: 0, waiting: 0, refused: 0 };
  const secret = phone.all("connected")[0]?.session ?? "";
  assert.deepEqual(hub.send({ session: secret }, "a", 1), nobody, "the name it acts by is no address");
  assert.deepEqual(hub.send({ user: "eve" }, "a", 1), nobody);
  await phone.close();
  assert.deepEqual(hub.send({ session: names[1] ?? "" }, "a", 1), nobody);
  assert.deepEqual(hub.send({ user: "ana" }, "d", 3), { ...nobody, sent: 1 });
  const tablet = await begun("ana");
  assert.deepEqual(hub.send({ user: "ana" }, "e", 4), { ...nobody, sent: 2 });
  assert.deepEqual(messagesOf(tablet), [["e", 4]]);

  assert.throws(() => hub.send({ user: "ana" }, "no topic", 1), { code: "bad_command" });
  assert.throws(() => hub.send({ user: "ana" }, "t", 1, { key: "k" }), { code: "invalid_argument" });
  const most = LIMITS.largestDataLength;
  assert.equal(hub.send({ user: "ben" }, "t", "x".repeat(most - 2)).refused, 1, "past what it can be sent");
  assert.throws(() => hub.send({ user: "ben" }, "t", "x".repeat(most - 1)), { code: "too_large" });
});

test("a message that is not volatile goes to the connection, or is refused; nothing else keeps it", async () => {
  const { conn, hub } = square({ namespaces });
  const ana = conn({ highWater: 1_000, maxBuffered: 2_000 });
  const { user } = (await ana.ask({ type: "connect" })) as Extract<ServerMessage, { type: "connected" }>;
  ana.pause();
  const results = Array.from({ length: 5 }, () => hub.send({ user }, "t", "x".repeat(700)));
  assert.deepEqual(
    results.map(({ sent, refused }) => [sent, refused]),
    [
      [1, 0],
      [1, 0],
      [0, 1],
      [0, 1],
      [0, 1],
    ],
  );
  ana.resume();
  await done(ana);
  assert.equal(ana.all("message").length, 2);
});

test("a user with thousands of sessions is told in turns, and all of them", async () => {
  const authenticate = () => ({ user: "ana", isGuest: false });
  const { conn, hub, clock } = square({ namespaces, authenticate, limits: { commandBurstPerUser: 10_000 } });
  const sessions = Array.from({ length: 2_000 }, () => conn());
  for (const each of sessions) await each.ask({ type: "connect" });
  const { sent, waiting, refused } = hub.send({ user: "ana" }, "t", 1);
  assert.equal(sent + waiting + refused, 2_000);
  assert.equal(sent, 64);
  for (let turn = 0; turn < 100; turn++) clock.advance(0);
  for (const each of sessions) assert.equal(each.all("message").length, 1);
});

test("casts count against the rate as publications do, and past it are dropped without a word", async () => {
  const limits = { commandsPerSecond: 1, commandBurst: 10 };
  const { conn, hub } = square({ namespaces, limits });
  const [ana, ben] = await crowd(conn, "arena:1"); // two commands of each
  for (let data = 0; data < 20; data++) ana.say({ type: "cast", channel: "arena:1", data });
  await ben.ask({ type: "ping" });
  const heard = ben.all("cast").length;
  assert.ok(heard >= 6 && heard <= 8, `${heard}: one each, and a twentieth for each who is told`);
  assert.equal(hub.stats().refused, 20 - heard);
  assert.deepEqual(ana.all("error"), []);
  assert.equal(codeOf(await ana.ask({ type: "cast", channel: "arena:1", data: 1 })), "rate_limited");
});

test("nothing that was cast in a channel comes after it was unsubscribed", async () => {
  const { conn, hub } = square({ namespaces });
  const [ana, ben] = await crowd(conn, "arena:1");
  await ana.ask({ type: "subscribe", channel: "told:1" });
  ana.pause();
  hub.cast("arena:1", "x".repeat(20_000)); // more than the connection is given ahead
  for (const key of ["a", "b", "c"]) hub.cast("arena:1", key, { key });
  hub.cast("told:1", "this one is for her");
  ana.say({ type: "unsubscribe", id: 7, channel: "arena:1" });
  await done(ben);
  ana.resume();
  await ana.until((message) => message.type === "cast" && message.channel === "told:1");
  const types = ana.received.map(({ type }) => type);
  assert.deepEqual(types.slice(types.lastIndexOf("unsubscribed")), ["unsubscribed", "cast"]);
  assert.equal(hub.stats().castsDropped, 3);
});

test("a session that has ended is none of its user's, also while its connection is closing", async () => {
  const { conn, hub } = square({ namespaces });
  const ana = conn();
  const connected = await ana.ask({ type: "connect" });
  assert.ok(connected.type === "connected");
  ana.closeHangs = true;
  ana.say("GET / HTTP/1.1");
  await ana.until(({ type }) => type === "disconnect");
  const none = { sent: 0, waiting: 0, refused: 0 };
  assert.deepEqual(hub.send({ user: connected.user }, "shop.ready", 1), none);
  ana.cut();
  assert.deepEqual(hub.send({ user: connected.user }, "shop.ready", 1), none);
});

test("a message to a user whose turn comes later is not told to who is there instead by then", async () => {
  const clock = new BusyClock();
  const authenticate = ({ token = "" }) => ({ user: token, isGuest: false });
  const { conn, hub } = square({ namespaces, clock, authenticate });
  const crowd: FakeConn[] = [];
  for (let number = 0; number < 100; number++) {
    const each = conn({ transport: "udp" });
    await each.ask({ type: "connect", token: "ben", key: `k${number}` });
    crowd.push(each);
  }
  while (clock.turn());
  hub.send({ user: "ben" }, "shop.ready", "first");
  clock.workedMs += 100; // so this turn of the event loop is over
  assert.deepEqual(hub.send({ user: "ben" }, "shop.ready", "ben's"), { sent: 64, waiting: 36, refused: 0 });
  const eve = crowd.at(-1);
  await eve?.ask({ type: "connect", token: "eve", key: "another" });
  while (clock.turn());
  const told = crowd.filter((each) => each.texts.some((text) => text.includes("ben's")));
  assert.equal(told.length, 99);
  assert.equal(eve && told.includes(eve), false);
});

test("of what is sent to a user of many sessions and to one of them, the newest comes last", async () => {
  const clock = new BusyClock();
  const authenticate = ({ token = "" }) => ({ user: token, isGuest: false });
  const { conn, hub } = square({ namespaces, clock, authenticate });
  const crowd: FakeConn[] = [];
  let name = "";
  hub.onCast("me", ({ session }) => {
    name = session;
  });
  for (let number = 0; number < 200; number++) {
    const each = conn();
    await each.ask({ type: "connect", token: "ben" });
    crowd.push(each);
  }
  const last = crowd.at(-1);
  last?.say({ type: "cast", method: "me", data: 1 });
  await last?.ask({ type: "ping" });
  while (clock.turn());
  hub.send({ user: "ben" }, "score", 0);
  clock.workedMs += 100; // so this turn of the event loop is over
  hub.send({ user: "ben" }, "score", 1, { volatile: true });
  for (const each of crowd.slice(0, 150)) each.cut();
  hub.send({ user: "ben" }, "score", 2, { volatile: true });
  hub.send({ session: name }, "score", 3, { volatile: true });
  while (clock.turn());
  const scores = (each?: FakeConn) => each?.all("message").map(({ data }) => data);
  assert.deepEqual(scores(last), [0, 1, 2, 3]);
  for (const each of crowd.slice(150, -1)) assert.deepEqual(scores(each), [0, 1, 2]);
});
