// One address takes all it can get; an honest client beside it notices nothing. Each limit is tried at the
// limit and one past it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { dial, lines, listen, type MessageConn } from "@zocalo/net";
import type { ServerMessage } from "@zocalo/protocol";
import { MemoryEngine } from "../src/index.ts";
import { settle } from "./fake-clock.ts";
import { FakeConn } from "./fake-conn.ts";
import { square } from "./square.ts";
import { codeOf, GREEDY, HONEST, honestVisit, PING, unproved } from "./visitors.ts";

/** Why the hub ended it. */
function farewell(conn: FakeConn): { code: number; reason: string } | undefined {
  const [last] = conn.all("disconnect");
  return last && { code: last.code, reason: last.reason };
}

test("one session past those of its address is told so with 1013, and there is room again when one has ended", async (t) => {
  const plaza = square({ limits: { sessionsPerAddress: 3 } });
  const greedy = [1, 2, 3].map(() => plaza.conn(GREEDY));
  for (const conn of greedy) assert.equal((await conn.ask(PING)).type, "pong");
  const one = plaza.conn(GREEDY);
  assert.equal((await one.untilClosed()).code, 1013);
  assert.deepEqual(farewell(one), { code: 1013, reason: "too many connections from your address" });
  await honestVisit(t, plaza);
  assert.equal(plaza.hub.stats().sessions, 3);

  await greedy[0]?.close();
  assert.equal((await plaza.conn(GREEDY).ask(PING)).type, "pong");
  await plaza.hub.close();
});

test("who is turned away and does not leave takes no place of those who are let in", async (t) => {
  const plaza = square({ limits: { sessions: 3, sessionsPerAddress: 1 } });
  plaza.conn(GREEDY);
  const refused = Array.from({ length: 20 }, () => new FakeConn(GREEDY));
  for (const conn of refused) {
    conn.closeHangs = true;
    plaza.hub.accept(conn);
    assert.equal(farewell(conn)?.code, 1013);
    assert.equal(conn.closed, undefined);
  }
  assert.equal(plaza.hub.stats().sessions, 1);
  await honestVisit(t, plaza);
  const closing = plaza.hub.close();
  plaza.clock.advance(60_000);
  await closing;
});

test("an IPv6 network of 64 bits is one address, and the next one another", async (t) => {
  const plaza = square({ limits: { sessionsPerAddress: 2 } });
  const from = (host: string): FakeConn => plaza.conn({ transport: "tcp", host });
  const inside = [from("2001:db8:0:1::1"), from("2001:db8:0:1:ffff::2")];
  const past = from("2001:db8:0:1::3");
  assert.equal((await past.untilClosed()).code, 1013);
  const outside = from("2001:db8:0:2::1");
  for (const conn of [...inside, outside]) assert.equal((await conn.ask(PING)).type, "pong");
  const mapped = [from("::ffff:203.0.113.7"), from("203.0.113.7"), from("203.0.113.7")];
  assert.deepEqual(
    mapped.map((conn) => farewell(conn)?.code),
    [undefined, undefined, 1013],
  );
  await honestVisit(t, plaza);
  await plaza.hub.close();
});

test("this machine has no limit of its own unless asked, and whoever is listed has none", async () => {
  const limits = { sessionsPerAddress: 1, subscriptionsPerAddress: 1 };
  const local = { transport: "tcp", host: "127.0.0.1" } as const;
  for (const [exemptAddresses, expected] of [
    [undefined, [undefined, 1013]],
    [["203.0.113.0/24"], [1013, undefined]],
    [[], [1013, 1013]],
  ] as const) {
    const plaza = square({ limits, ...(exemptAddresses && { exemptAddresses }) });
    const second = [local, GREEDY].map((host) => [plaza.conn(host), plaza.conn(host)][1]);
    assert.deepEqual(
      second.map((conn) => conn && farewell(conn)?.code),
      expected,
    );
    await plaza.hub.close();
  }
});

test("the address is where the application says that somebody is", async () => {
  const plaza = square({
    limits: { sessionsPerAddress: 1 },
    hostOf: ({ transport }) => (transport === "websocket" ? "203.0.113.7" : "203.0.113.8"),
  });
  const [first, other, second] = (["websocket", "tcp", "websocket"] as const).map((transport) =>
    plaza.conn({ transport, host: "192.0.2.1" }),
  );
  assert.deepEqual(
    [first, other, second].map((conn) => conn && farewell(conn)?.code),
    [undefined, undefined, 1013],
  );
  await plaza.hub.close();
});

test("who cannot be placed because hostOf fails is told so with 1011, and the listener is served on", async (t) => {
  const fault = new Error("no such header");
  let isBroken = false;
  const plaza = square({
    hostOf() {
      if (isBroken) throw fault;
      return HONEST.host;
    },
  });
  const listener = await listen("tcp", "127.0.0.1:0");
  t.after(() => listener.abort());
  const served = plaza.hub.serve(lines(listener));
  const dialed = async (): Promise<MessageConn> => lines(await dial("tcp", String(listener.addr)));
  const said = async (conn: MessageConn): Promise<ServerMessage> =>
    JSON.parse(String(await conn.receive())) as ServerMessage;
  const before = await dialed();
  await before.send(JSON.stringify(PING));
  assert.equal((await said(before)).type, "pong");

  isBroken = true;
  const refused = await dialed();
  assert.deepEqual(await Promise.race([said(refused), served]), {
    type: "disconnect",
    code: 1011,
    reason: "it cannot be decided now where you are",
    reconnect: true,
  });
  assert.equal(await refused.receive(), null);
  const device = unproved(plaza, HONEST.host);
  assert.equal((await device.ask(PING)).type, "pong", "its address is not asked for yet");
  device.say({ ...PING, cookie: "c00kie" });
  assert.equal((await device.untilClosed()).code, 1011);
  assert.deepEqual(plaza.errors, [fault, fault]);
  assert.equal(plaza.hub.stats().sessions, 1);

  isBroken = false;
  const startedAt = process.hrtime.bigint();
  const after = await dialed();
  await after.send(JSON.stringify(PING));
  assert.equal((await said(after)).type, "pong");
  const ms = Number(process.hrtime.bigint() - startedAt) / 1e6;
  t.diagnostic(`dial and round trip of an honest client after it: ${ms.toFixed(2)} ms`);
  await before.send(JSON.stringify(PING));
  assert.equal((await said(before)).type, "pong");
  for (const conn of [before, refused, after]) await conn.close();
  await plaza.hub.close();
  await served;
});

test("the sessions of an address have so many subscriptions together, and one more is limit_reached", async (t) => {
  const plaza = square({ limits: { subscriptionsPerAddress: 4 } });
  const [one, two] = [plaza.conn(GREEDY), plaza.conn(GREEDY)];
  const subscribe = (conn: FakeConn, channel: string) => conn.ask({ type: "subscribe", channel });
  for (const channel of ["quiet:1", "quiet:2"]) {
    for (const conn of [one, two]) assert.equal((await subscribe(conn, channel)).type, "subscribed");
  }
  assert.equal(codeOf(await subscribe(one, "quiet:3")), "limit_reached");
  assert.equal(plaza.hub.stats().channels, 2);
  await honestVisit(t, plaza);

  await two.ask({ type: "unsubscribe", channel: "quiet:1" });
  assert.equal((await subscribe(one, "quiet:3")).type, "subscribed");
  assert.equal(codeOf(await subscribe(one, "quiet:4")), "limit_reached");
  two.cut(); // With the one that it had left.
  assert.equal((await subscribe(one, "quiet:4")).type, "subscribed");
  await plaza.hub.close();
});

test("half a command that the transport gave up is told as 1008, after which one may connect again", async () => {
  const plaza = square();
  const half = plaza.conn(HONEST);
  half.fault({ code: 1008, reason: "not completed", wasClean: false });
  await settle();
  assert.deepEqual(half.all("disconnect"), [
    { type: "disconnect", code: 1008, reason: "not completed", reconnect: true },
  ]);
  await plaza.hub.close();
});

test("the history that an address fills is its own, and unproved addresses are one", async (t) => {
  const plaza = square({ engine: new MemoryEngine({ maxChannelsPerAddress: 3 }) });
  const honest = plaza.conn(HONEST);
  await honest.ask({ type: "publish", channel: "quiet:kept", data: 1 });
  const [one, two] = [plaza.conn(GREEDY), plaza.conn(GREEDY)];
  for (let number = 0; number < 10; number++) {
    const conn = number % 2 === 0 ? one : two;
    await conn.ask({ type: "publish", channel: `quiet:g${number}`, data: number });
    await unproved(plaza, `192.0.2.${number}`).ask({
      type: "publish",
      guest: true,
      channel: `quiet:u${number}`,
      data: number,
    });
  }
  const isKept = async (channel: string): Promise<boolean> => {
    const answer = await honest.ask({ type: "history", channel });
    return answer.type === "history" && answer.publications.length > 0;
  };
  assert.equal(await isKept("quiet:kept"), true);
  for (const kind of ["g", "u"]) {
    const kept = [];
    for (let number = 0; number < 10; number++) kept.push(await isKept(`quiet:${kind}${number}`));
    assert.deepEqual(kept, [...Array.from({ length: 7 }, () => false), true, true, true], kind);
  }
  await honestVisit(t, plaza);
  await plaza.hub.close();
});

test("unproved UDP peers drive out only each other, and take no place of proved ones or of other transports", async (t) => {
  const plaza = square({ limits: { sessions: 2, sessionsPerAddress: 1, unverifiedSessions: 3 } });
  const flood = Array.from({ length: 3 }, (_, index) => unproved(plaza, `192.0.2.${index}`));
  for (const peer of flood) peer.say(PING);
  await settle();
  assert.deepEqual(
    flood.map(({ closed }) => closed?.code),
    [undefined, undefined, undefined],
  );
  const { sessions, unverifiedSessions } = plaza.hub.stats();
  assert.deepEqual([sessions, unverifiedSessions], [3, 3]);

  const [oldest, ...others] = flood;
  const proved = unproved(plaza, "192.0.2.77");
  assert.equal(oldest?.closed?.code, 1013);
  assert.deepEqual(
    others.map(({ closed }) => closed),
    [undefined, undefined],
  );
  assert.equal((await proved.ask({ ...PING, cookie: "c00kie" })).type, "pong");
  for (let index = 0; index < 1_000; index++) unproved(plaza, `192.0.2.${index & 255}`);
  assert.equal(proved.closed, undefined);
  assert.equal((await proved.ask(PING)).type, "pong");
  assert.equal(plaza.hub.stats().unverifiedSessions, 3);
  assert.equal(plaza.hub.isFull, false);
  await honestVisit(t, plaza);
  await plaza.hub.close();
});

test("an unproved peer counts for no address until it proves one, and then for that", async (t) => {
  const plaza = square({ limits: { sessionsPerAddress: 1 } });
  const forged = [1, 2, 3].map(() => unproved(plaza, GREEDY.host));
  const real = plaza.conn(GREEDY);
  assert.equal((await real.ask(PING)).type, "pong", "its address was forged, and it does not notice");
  const [first] = forged;
  first?.say({ ...PING, cookie: "c00kie" });
  assert.equal((await first?.untilClosed())?.code, 1013);
  await honestVisit(t, plaza);
  await real.close();
  assert.equal((await forged[1]?.ask({ ...PING, cookie: "c00kie" }))?.type, "pong");
  await plaza.hub.close();
});

test("who sends no command is told so with 4408 in the stated time, and who has sent one may be silent", async (t) => {
  const plaza = square({ limits: { firstCommandMs: 5_000 } });
  const [silent, blank, rubbish, talker] = [1, 2, 3, 4].map(() => plaza.conn(HONEST));
  blank?.say("");
  rubbish?.say("rubbish");
  assert.equal((await talker?.ask(PING))?.type, "pong");
  plaza.clock.advance(4_999);
  for (const conn of [silent, blank, rubbish]) assert.equal(conn?.closed, undefined);
  plaza.clock.advance(1);
  for (const conn of [silent, blank, rubbish]) {
    assert.ok(conn);
    assert.equal((await conn.untilClosed()).code, 4408);
    assert.deepEqual(farewell(conn), { code: 4408, reason: "no command came in time" });
    assert.equal(conn.all("disconnect")[0]?.reconnect, true);
  }
  plaza.clock.advance(3_600_000);
  assert.equal((await talker?.ask(PING))?.type, "pong");
  assert.equal(plaza.hub.stats().sessions, 1);
  await honestVisit(t, plaza);
  await plaza.hub.close();
});

test("it is full with as many sessions as there may be, and not with those it turns away", async () => {
  const plaza = square({ limits: { sessions: 2, sessionsPerAddress: 1 } });
  const greedy = plaza.conn(GREEDY);
  plaza.conn(GREEDY);
  assert.equal(plaza.hub.isFull, false);
  const honest = plaza.conn(HONEST);
  assert.equal(plaza.hub.isFull, true);
  await honest.close();
  assert.equal(plaza.hub.isFull, false);
  await greedy.close();
  await plaza.hub.close();
});

test("a place that is no address is nobody's: with a port in it each connection would be a visitor of its own", async (t) => {
  for (const place of [
    "10.0.0.1:99",
    "[::1]",
    "10.0.0.1, 10.0.0.2",
    "",
    "visitor",
    undefined,
    7,
  ] as string[]) {
    const plaza = square({ hostOf: () => place });
    const listener = await listen("tcp", "127.0.0.1:0");
    t.after(() => listener.abort());
    void plaza.hub.serve(lines(listener));
    const conn = lines(await dial("tcp", String(listener.addr)));
    assert.match(String(await conn.receive()), /"code":1011/);
    assert.match(String(plaza.errors), /^TypeError: what hostOf gave is no IP address/);
    await plaza.hub.close();
  }
});
