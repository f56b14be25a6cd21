import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject, ServerMessage } from "@zocalo/protocol";
import { settle } from "./fake-clock.ts";
import type { FakeConn } from "./fake-conn.ts";
import { type Square, square } from "./square.ts";

/** A connection of a user, subscribed to plaza:x; the turn of the server is not over. */
async function enterInTurn(
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

/** A connection of a user, subscribed to plaza:x. */
async function enter(...args: Parameters<typeof enterInTurn>): Promise<FakeConn> {
  const one = await enterInTurn(...args);
  await turn(args[0]);
  return one;
}

/** A turn of the server is over. */
async function turn({ clock }: Square): Promise<void> {
  await settle();
  clock.advance(0);
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
  await turn(plaza);
  assert.deepEqual(changes(ana), ["join ben 2"]);
  await benAgain.ask({ type: "unsubscribe", channel: "plaza:x" });
  await turn(plaza);
  assert.deepEqual(changes(ana), ["join ben 2", "leave ben 3"]);
  await plaza.hub.close();
});

test("who follows in hiding is not counted, and can be seen later", async () => {
  const plaza = named();
  const ana = await enter(plaza, "ana", true);
  const ben = plaza.conn();
  await ben.ask({ type: "connect", token: "ben" });
  const hidden = { type: "subscribe", channel: "plaza:x", presence: true, hidden: true } as const;
  assert.deepEqual(users(await ben.ask(hidden)), [{ user: "ana", connections: 1 }]);
  await ana.ask({ type: "publish", channel: "plaza:x", data: 1 });
  assert.equal(ben.all("publication").length, 1);
  await ben.ask({ type: "unsubscribe", channel: "plaza:x" });
  await turn(plaza);
  assert.deepEqual(changes(ana), []);
  await ben.ask({ type: "subscribe", channel: "plaza:x" });
  await turn(plaza);
  assert.deepEqual(changes(ana), ["join ben 2"]);
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

test("a page shows as many users as the limit says", async () => {
  const plaza = square({
    limits: { presenceUsers: 3 },
    authenticate: ({ token = "nobody" }) => ({ user: token, isGuest: false }),
  });
  for (const name of ["a", "b", "c"]) await enter(plaza, name, false);
  const outside = plaza.conn();
  const shown = async (after?: number): Promise<unknown> => {
    const from = after === undefined ? {} : { after };
    const answer = await outside.ask({ type: "presence", channel: "plaza:x", ...from });
    return answer.type === "presence" && [answer.users.length, answer.total, answer.next];
  };
  assert.deepEqual(await shown(), [3, 3, undefined]);
  await enter(plaza, "d", false);
  assert.deepEqual(await shown(), [3, 4, 3]);
  assert.deepEqual(await shown(3), [1, 4, undefined]);
  await plaza.hub.close();
});

test("who could not be told of changes is told of the newest when there is room, and sees by its version to ask", async () => {
  const plaza = named();
  const slow = plaza.conn({ highWater: 150, maxBuffered: 300 });
  await slow.ask({ type: "subscribe", channel: "plaza:x", presence: true });
  slow.pause();
  const others: FakeConn[] = [];
  for (let number = 0; number < 10; number++) others.push(await enter(plaza, `user-${number}`, false));
  for (const other of others.slice(2)) other.cut();
  await turn(plaza);
  slow.resume();
  await settle();
  const told = changes(slow);
  assert.equal(told.at(-1), "leave user-9 19");
  assert.ok(told.length < 8, "it was told what it had no room for");
  const asked = await slow.ask({ type: "presence", channel: "plaza:x" });
  assert.ok(asked.type === "presence");
  assert.equal(asked.version, 19);
  assert.deepEqual(
    asked.users.map(({ user }) => user),
    ["nobody", "user-0", "user-1"],
  );
  await enter(plaza, "late", false);
  assert.equal(changes(slow).at(-1), "join late 20");
  await plaza.hub.close();
});

test("a change that comes while one subscribes is in the snapshot or told after it", async () => {
  for (let turns = 0; turns < 12; turns++) {
    const plaza = named();
    const [ana, ben] = [plaza.conn(), plaza.conn()];
    await ana.ask({ type: "connect", token: "ana" });
    await ben.ask({ type: "connect", token: "ben" });
    ana.say({ type: "subscribe", channel: "plaza:x", presence: true });
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    ben.say({ type: "subscribe", channel: "plaza:x" });
    await turn(plaza);
    const snapshot = ana.all("subscribed")[0]?.presence;
    const known = [...(snapshot?.users ?? []), ...ana.all("join")].map(({ user }) => user);
    assert.deepEqual(known.toSorted(), ["ana", "ben"], `after ${turns} turns`);
    await plaza.hub.close();
  }
});

test("a few who watch are told of each change at once", async () => {
  const plaza = named();
  const watchers: FakeConn[] = [];
  for (let number = 0; number < 4; number++) watchers.push(await enter(plaza, `watcher-${number}`, true));
  const expected: string[] = [];
  for (let version = 5; version < 25; version += 2) {
    const ben = await enter(plaza, "ben", false);
    await ben.close();
    await turn(plaza);
    expected.push(`join ben ${version}`, `leave ben ${version + 1}`);
    for (const watcher of watchers) assert.deepEqual(changes(watcher).slice(-2), expected.slice(-2));
  }
  await plaza.hub.close();
});

test("a crowd is told of a change at once, of what follows it together after a rest, and of each in its order", async () => {
  const plaza = named();
  const watchers: FakeConn[] = [];
  for (let number = 0; number < 500; number++) {
    watchers.push(await enter(plaza, `watcher-${number}`, true));
  }
  plaza.clock.advance(1_000);
  for (const watcher of watchers) watcher.received.length = 0;
  const comeAndGo = async (): Promise<void> => {
    const ben = await enter(plaza, "ben", false);
    await ben.close();
    await turn(plaza);
  };
  await comeAndGo();
  await comeAndGo();
  const told = ["join ben 501", "leave ben 502", "join ben 503", "leave ben 504"];
  for (const watcher of watchers) assert.deepEqual(changes(watcher), told.slice(0, 1));
  plaza.clock.advance(99);
  for (const watcher of watchers) assert.deepEqual(changes(watcher), told.slice(0, 1));
  plaza.clock.advance(1);
  for (const watcher of watchers) assert.deepEqual(changes(watcher), told);

  // Who begins to watch while something waits is told of nothing twice.
  await enter(plaza, "cem", false);
  const late = await enter(plaza, "late", true);
  assert.equal(late.all("subscribed")[0]?.presence?.version, 506);
  plaza.clock.advance(100);
  assert.deepEqual(changes(late), []);
  assert.deepEqual(changes(watchers[0] ?? late), [...told, "join cem 505", "join late 506"]);
  plaza.clock.advance(100);
  await enter(plaza, "dia", false);
  assert.deepEqual(changes(late), ["join dia 507"], "after the rest at once again");
  await plaza.hub.close();
});

test("more changes than are told in one round are told in several, all of them and in order", async () => {
  const plaza = named();
  const watchers: FakeConn[] = [];
  for (let number = 0; number < 500; number++) {
    watchers.push(await enter(plaza, `watcher-${number}`, true));
  }
  plaza.clock.advance(1_000);
  for (const watcher of watchers) watcher.received.length = 0;
  for (let number = 0; number < 65; number++) await enter(plaza, `ben-${number}`, false); // 64 wait.
  const counts = (): Set<number> => new Set(watchers.map((watcher) => changes(watcher).length));
  assert.deepEqual(counts(), new Set([1]));
  plaza.clock.advance(100);
  assert.deepEqual(counts(), new Set([65]), "at the limit");
  plaza.clock.advance(100);
  await enter(plaza, "first", false);
  for (let number = 0; number < 65; number++) await enter(plaza, `cem-${number}`, false); // One past it.
  plaza.clock.advance(100);
  assert.deepEqual(counts(), new Set([65 + 1 + 64]));
  plaza.clock.advance(1);
  assert.deepEqual(counts(), new Set([65 + 1 + 65]));
  const versions = (watchers[7]?.all("join") ?? []).map(({ version }) => version);
  assert.deepEqual(
    versions,
    Array.from({ length: 131 }, (_, index) => 501 + index),
  );
  await plaza.hub.close();
});

test("who ends while being told is told of after it, and nobody misses a version", async () => {
  const plaza = named();
  const watchers: FakeConn[] = [];
  for (let number = 0; number < 3; number++) watchers.push(await enter(plaza, `watcher-${number}`, true));
  const [first, ...others] = watchers as [FakeConn, FakeConn, FakeConn];
  first.trySend = () => {
    first.cut();
    return "refused";
  };
  await enter(plaza, "ben", false);
  await settle();
  plaza.clock.advance(1);
  for (const other of others) {
    assert.deepEqual(changes(other).slice(-2), ["join ben 4", "leave watcher-0 5"]);
  }
  await plaza.hub.close();
});

for (const [waiting, told] of [
  [1_000, 1_000],
  [1_001, 1],
] as const) {
  test(`of ${waiting} changes that wait a crowd is told of ${told}, up to the newest`, async () => {
    const plaza = named();
    const watchers: FakeConn[] = [];
    for (let number = 0; number < 5; number++) {
      watchers.push(await enter(plaza, `watcher-${number}`, true));
    }
    plaza.clock.advance(1_000);
    for (const watcher of watchers) watcher.received.length = 0;
    await enter(plaza, "first", false);
    for (let number = 0; number < waiting; number++) await enter(plaza, `ben-${number}`, false);
    plaza.clock.advance(1);
    for (const watcher of watchers) {
      const versions = watcher.all("join").map(({ version }) => version);
      assert.equal(versions.length, 1 + told);
      assert.deepEqual([versions[0], versions.at(-1)], [6, 6 + waiting]);
    }
    await plaza.hub.close();
  });
}

test("a crowd that has left leaves no rest behind", async () => {
  const plaza = named();
  const watchers: FakeConn[] = [];
  for (let number = 0; number < 50; number++) watchers.push(await enter(plaza, `watcher-${number}`, true));
  plaza.clock.advance(1_000);
  await (await enter(plaza, "ben", false)).close();
  plaza.clock.advance(0); // The turn of its commands is over.
  const endOfRest = plaza.clock.uptime() + 10;
  assert.equal(plaza.clock.nextAt, endOfRest);
  for (const watcher of watchers) watcher.cut();
  await settle();
  assert.ok((plaza.clock.nextAt ?? Number.POSITIVE_INFINITY) > endOfRest);
  await plaza.hub.close();
});
