// Rates, and what commands cost: what one address spends is missing to itself, and to nobody else.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Conn, dial, lines, listen, type MessageConn } from "@zocalo/net";
import type { Command } from "@zocalo/protocol";
import { settle } from "./fake-clock.ts";
import type { FakeConn } from "./fake-conn.ts";
import { square } from "./square.ts";
import { codeOf, GREEDY, honestVisit, PING, unproved } from "./visitors.ts";

test("the sessions of an address have a burst together; past it rate_limited, and retryMs later it goes on", async (t) => {
  const plaza = square({ limits: { commandsPerSecondPerAddress: 10, commandBurstPerAddress: 20 } });
  const greedy = [1, 2, 3, 4].map(() => plaza.conn(GREEDY));
  for (const conn of greedy) {
    for (let count = 0; count < 5; count++) assert.equal((await conn.ask(PING)).type, "pong");
  }
  const [first] = greedy;
  assert.ok(first);
  const refused = await first.ask(PING);
  assert.ok(refused.type === "error" && refused.code === "rate_limited");
  assert.equal(refused.retryMs, 200, "a tenth of the burst at ten a second");
  await honestVisit(t, plaza);

  plaza.clock.advance(199);
  assert.equal((await first.ask(PING)).type, "pong");
  assert.equal(codeOf(await first.ask(PING)), "rate_limited");
  await plaza.hub.close();
});

test("whoever connects again goes on with the rate that was left", async () => {
  const plaza = square({ limits: { commandsPerSecondPerAddress: 10, commandBurstPerAddress: 20 } });
  const first = plaza.conn(GREEDY);
  for (let count = 0; count < 20; count++) first.say(PING);
  await settle();
  await first.close();
  const again = plaza.conn(GREEDY);
  assert.equal(codeOf(await again.ask(PING)), "rate_limited");
  await again.close();
  plaza.clock.advance(2_000);
  const later = plaza.conn(GREEDY);
  for (let count = 0; count < 20; count++) assert.equal((await later.ask(PING)).type, "pong");
  await plaza.hub.close();
});

/** What is dear, and what it costs at least. */
const DEAR: readonly (readonly [string, Command, number])[] = [
  ["history of 1,000 small publications", { type: "history", channel: "quiet:log", limit: 1_000 }, 50],
  ["history of large publications", { type: "history", channel: "quiet:large", limit: 1_000 }, 30],
  ["presence of 1,000 users", { type: "presence", channel: "plaza:plain" }, 50],
  ["a page of presence of users with an info", { type: "presence", channel: "plaza:crowd" }, 12],
];

test("a burst of the dearest commands is refused long before its end", async (t) => {
  const plaza = square({ limits: { commandBurst: 1_000, commandsPerSecond: 500 } });
  for (let count = 0; count < 1_000; count++) await plaza.hub.publish("quiet:log", "small");
  for (let count = 0; count < 20; count++) await plaza.hub.publish("quiet:large", "y".repeat(48_000));
  for (let count = 0; count < 1_000; count++) {
    const from = { transport: "websocket", host: `10.0.${count >> 8}.${count & 255}` } as const;
    const user = plaza.conn(from);
    user.say({ type: "connect", info: { name: "x".repeat(900) } });
    user.say({ type: "subscribe", channel: "plaza:crowd" });
    plaza.conn(from).say({ type: "subscribe", channel: "plaza:plain" });
  }
  await settle();
  for (const [what, command, cost] of DEAR) {
    const greedy = plaza.conn({ ...GREEDY, maxBuffered: 2_000_000 });
    for (let count = 0; count < 1_000; count++) greedy.say(command);
    await greedy.until((message) => codeOf(message) === "rate_limited");
    const served = greedy.all(command.type as "history" | "presence").length;
    t.diagnostic(`${what}: ${served} served of a burst`);
    assert.ok(served >= 1 && served <= 1_000 / cost + 1, `${what}: ${served}`);
    await honestVisit(t, plaza);
    greedy.cut();
    plaza.clock.advance(60_000); // Its address may spend anew.
  }
  await plaza.hub.close();
});

test("what the dear commands of one session cost is missing to all of its address, and to nobody else", async (t) => {
  const plaza = square({ limits: { commandBurst: 1_000, commandBurstPerAddress: 200 } });
  for (let count = 0; count < 1_000; count++) await plaza.hub.publish("quiet:log", "small");
  const [one, two] = [plaza.conn(GREEDY), plaza.conn(GREEDY)];
  const history: Command = { type: "history", channel: "quiet:log", limit: 1_000 };
  let served = 0;
  while ((await one.ask(history)).type === "history") served++;
  assert.ok(served >= 2 && served <= 4, `${served}`);
  assert.equal(codeOf(await two.ask(PING)), "rate_limited");
  await honestVisit(t, plaza);
  await plaza.hub.close();
});

test("what is told to a crowded channel costs what telling it does, and telling one alone costs next to nothing", async (t) => {
  const plaza = square({ limits: { commandBurst: 1_000, commandsPerSecond: 500 } });
  for (let count = 0; count < 1_000; count++) {
    const user = plaza.conn({ transport: "websocket", host: `10.0.${count >> 8}.${count & 255}` });
    user.say({ type: "subscribe", channel: "plaza:crowd", presence: true });
  }
  await settle();
  const publish = (channel: string, data: string): readonly Command[] => [{ type: "publish", channel, data }];
  const cases: readonly (readonly [string, readonly Command[], number])[] = [
    ["a publication that nobody gets", publish("quiet:alone", "hola"), 1],
    ["a short publication", publish("plaza:crowd", "hola"), 50],
    ["a long publication", publish("plaza:crowd", "y".repeat(48_000)), 1_000],
    [
      "coming and going",
      [
        { type: "subscribe", channel: "plaza:crowd" },
        { type: "unsubscribe", channel: "plaza:crowd" },
      ],
      50,
    ],
  ];
  for (const [what, commands, cost] of cases) {
    const greedy = plaza.conn(GREEDY);
    let served = 0;
    for (let count = 0; count < 1_001; count++) {
      const answer = await greedy.ask(commands[count % commands.length] ?? PING);
      if (codeOf(answer) === "rate_limited") break;
      served++;
    }
    t.diagnostic(`${what}: ${served} served of a burst`);
    assert.ok(served >= 1 && served <= 1_000 / cost + 1, `${what}: ${served}`);
    await honestVisit(t, plaza);
    greedy.cut();
    plaza.clock.advance(60_000); // Its address may spend anew.
  }
  await plaza.hub.close();
});

/** A TCP client that watches who is in plaza:crowd, and what it was told in how many pieces. */
interface Watcher {
  readonly conn: Conn;
  readonly pieces: string[];
  readonly told: Promise<void>;
}

async function watch(addr: string, changes: number): Promise<Watcher> {
  const conn = await dial("tcp", addr);
  const command: Command = { type: "subscribe", channel: "plaza:crowd", presence: true };
  await conn.write(Buffer.from(`${JSON.stringify(command)}\n`));
  await conn.read(); // The answer.
  const pieces: string[] = [];
  const told = new Promise<void>((resolve) => {
    conn.serve({
      data(bytes) {
        pieces.push(Buffer.from(bytes).toString());
        if (pieces.join("").split("\n").length > changes) resolve();
      },
    });
  });
  return { conn, pieces, told };
}

test("who comes and goes beside many who watch makes no round of writes each time", async (t) => {
  // All who watch are one user, so that none of them is news.
  const plaza = square({ authenticate: ({ token = "watcher" }) => ({ user: token, isGuest: false }) });
  const listener = await listen("tcp", "127.0.0.1:0");
  const addr = String(listener.addr);
  const served = plaza.hub.serve(lines(listener));
  const watchers: Watcher[] = [];
  for (let number = 0; number < 200; number++) watchers.push(await watch(addr, 40));
  const [greedy, honest] = [lines(await dial("tcp", addr)), lines(await dial("tcp", addr))];
  const ask = async (conn: MessageConn, command: Command): Promise<string> => {
    await conn.send(JSON.stringify(command));
    return String(await conn.receive());
  };
  await ask(greedy, { type: "connect", token: "eve" });
  let worstMs = 0;
  for (let count = 0; count < 20; count++) {
    assert.match(await ask(greedy, { type: "subscribe", channel: "plaza:crowd" }), /subscribed/);
    assert.match(await ask(greedy, { type: "unsubscribe", channel: "plaza:crowd" }), /unsubscribed/);
    const startedAt = process.hrtime.bigint();
    assert.match(await ask(honest, PING), /pong/);
    worstMs = Math.max(worstMs, Number(process.hrtime.bigint() - startedAt) / 1e6);
  }
  t.diagnostic(`worst of 20 round trips of an honest client beside it: ${worstMs.toFixed(2)} ms`);
  plaza.clock.advance(40); // The rest after a round for 200.
  await Promise.all(watchers.map(({ told }) => told));
  const most = Math.max(...watchers.map(({ pieces }) => pieces.length));
  t.diagnostic(`40 changes came in ${most} pieces at most`);
  assert.ok(most <= 2, `${most}`);
  for (const { conn, pieces } of watchers) {
    const changes = pieces.join("").trimEnd().split("\n");
    const versions = changes.map((line) => (JSON.parse(line) as { version: number }).version);
    assert.deepEqual(
      versions,
      Array.from({ length: 40 }, (_, index) => index + 2),
    );
    await conn.close();
  }
  await Promise.all([greedy.close(), honest.close()]);
  await plaza.hub.close();
  await served;
});

test("an address is refused as often as it is served; then it is held back, and goes on when there is something again", async (t) => {
  const limits = { commandsPerSecondPerAddress: 10, commandBurstPerAddress: 20, firstCommandMs: 3_600_000 };
  const plaza = square({ limits });
  const greedy = [1, 2, 3, 4].map(() => plaza.conn(GREEDY));
  for (const conn of greedy) for (let count = 0; count < 100; count++) conn.say(PING);
  await settle();
  const answered = (): number => greedy.reduce((sum, { received }) => sum + received.length, 0);
  // Each hears that it may not, and only then is held back.
  assert.equal(answered(), 20 + 20 + greedy.length);
  await honestVisit(t, plaza);
  plaza.clock.advance(199);
  await settle();
  assert.equal(answered(), 20 + 20 + greedy.length, "not before a tenth of the burst is there again");
  plaza.clock.advance(1);
  await settle();
  assert.equal(answered(), 20 + 20 + greedy.length + 2 + 2 + greedy.length);
  for (const conn of greedy) await conn.close();
  await plaza.hub.close();
});

test("a long command counts for its length where it is refused, too", async (t) => {
  const limits = { commandsPerSecondPerAddress: 10, commandBurstPerAddress: 20, firstCommandMs: 3_600_000 };
  const plaza = square({ limits });
  const greedy = plaza.conn(GREEDY);
  const long: Command = { type: "publish", id: 1, channel: "quiet:log", data: "x".repeat(9 * 1_024) };
  for (let count = 0; count < 50; count++) greedy.say(long);
  await settle();
  // Two take all of 20. Two may be refused, and at the next one it is held back.
  assert.deepEqual(greedy.received.map(({ type }) => type).sort(), [
    "error",
    "error",
    "error",
    "published",
    "published",
  ]);
  await honestVisit(t, plaza);
  await greedy.close();
  await plaza.hub.close();
});

test("unproved addresses have the rate of one; past it they have to prove themselves, and who does is served", async (t) => {
  const limits = { commandsPerSecondPerAddress: 10, commandBurstPerAddress: 20 };
  const plaza = square({ limits });
  const publish: Command = { type: "publish", guest: true, channel: "quiet:flood", data: 1 };
  for (let index = 0; index < 20; index++) {
    assert.equal((await unproved(plaza, `192.0.2.${index}`).ask(publish)).type, "published", "at the limit");
  }
  const past = unproved(plaza, "192.0.2.77");
  for (const command of [publish, PING, { type: "connect" }] as const) {
    assert.equal((await past.ask(command)).type, "verify", "one past it");
  }
  assert.equal(plaza.hub.stats().published, 20);
  await honestVisit(t, plaza);
  assert.equal((await past.ask({ ...publish, cookie: "c00kie" })).type, "published");
  assert.equal((await past.ask(PING)).type, "pong");
  await plaza.hub.close();
});

test("a command that costs more than is left is served, and the debt is no larger than a burst", async (t) => {
  const plaza = square({ limits: { commandBurst: 10, commandsPerSecond: 10 } });
  for (let count = 0; count < 1_000; count++) await plaza.hub.publish("quiet:log", "small");
  const ana = plaza.conn(GREEDY);
  assert.equal((await ana.ask({ type: "history", channel: "quiet:log", limit: 1_000 })).type, "history");
  assert.equal(codeOf(await ana.ask(PING)), "rate_limited");
  await honestVisit(t, plaza);
  plaza.clock.advance(1_000);
  assert.equal(codeOf(await ana.ask(PING)), "rate_limited", "the debt of ten is paid, and no more");
  plaza.clock.advance(100);
  assert.equal((await ana.ask(PING)).type, "pong");
  await plaza.hub.close();
});

test("beginning with the latest publications costs what reading them does, and beginning at the head nothing", async () => {
  const plaza = square({ limits: { commandBurst: 100, commandsPerSecond: 1 } });
  for (let count = 0; count < 1_000; count++) await plaza.hub.publish("quiet:log", "small");
  for (const [last, most] of [
    [0, 50],
    [1_000, 3],
  ] as const) {
    const conn = plaza.conn(GREEDY);
    let served = 0;
    for (; served < 60; served++) {
      const answer = await conn.ask({ type: "subscribe", channel: "quiet:log", last });
      if (answer.type === "error") break;
      await conn.until(() => conn.all("publication").length === (served + 1) * last);
      await conn.ask({ type: "unsubscribe", channel: "quiet:log" });
    }
    if (last === 0) assert.equal(served, most);
    else assert.ok(served <= most, `${served}`);
    await conn.close();
  }
  await plaza.hub.close();
});

test("what a subscription reads to catch up counts by number and length, as it is read", async (t) => {
  const plaza = square({ limits: { commandBurst: 1_000, commandsPerSecond: 1 } });
  await plaza.hub.publish("quiet:large", 0);
  for (let count = 0; count < 20; count++) await plaza.hub.publish("quiet:large", "y".repeat(48_000));
  const conn = plaza.conn({ ...GREEDY, maxBuffered: 4_000_000 });
  let served = 0;
  for (; served < 100; served++) {
    const answer = await conn.ask({ type: "subscribe", channel: "quiet:large", last: 20 });
    if (answer.type === "error") break;
    await conn.until(() => conn.all("publication").length === (served + 1) * 20);
    await conn.ask({ type: "unsubscribe", channel: "quiet:large" });
  }
  t.diagnostic(`${served} times a megabyte of a burst of 1,000`);
  assert.ok(served >= 1 && served <= 1_000 / 117 + 1, `${served}`);
  await honestVisit(t, plaza);
  await plaza.hub.close();
});

test("the sessions of a user have a burst together, at whatever addresses; guests and other users have their own", async (t) => {
  const plaza = square({
    limits: { commandsPerSecondPerUser: 10, commandBurstPerUser: 20 },
    authenticate: ({ token = "guest" }) => ({ user: token, isGuest: token.startsWith("guest") }),
  });
  const from = async (user: string, number: number): Promise<FakeConn> => {
    const conn = plaza.conn({ transport: "tcp", host: `192.0.2.${number}` });
    assert.equal((await conn.ask({ type: "connect", token: user })).type, "connected");
    return conn;
  };
  const eve: FakeConn[] = [];
  for (let number = 1; number <= 4; number++) eve.push(await from("eve", number));
  for (const conn of eve) {
    for (let count = 0; count < 5; count++) assert.equal((await conn.ask(PING)).type, "pong");
  }
  for (const conn of eve) assert.equal(codeOf(await conn.ask(PING)), "rate_limited");
  for (const user of ["ana", "guest-1"]) {
    const conn = await from(user, 1);
    for (let count = 0; count < 20; count++) assert.equal((await conn.ask(PING)).type, "pong");
    if (user !== "ana") assert.equal((await conn.ask(PING)).type, "pong", "anybody can be a guest");
  }
  await honestVisit(t, plaza);
  for (const conn of eve) await conn.close();
  const again = await from("eve", 9);
  assert.equal(codeOf(await again.ask(PING)), "rate_limited", "who comes again goes on with what was left");
  plaza.clock.advance(200);
  assert.equal((await again.ask(PING)).type, "pong");
  await plaza.hub.close();
});
