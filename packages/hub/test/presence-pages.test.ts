// Presence that does not fit in one message: pages, and changes that come together.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { PresenceAnswer, PresenceChanges } from "@zocalo/protocol";
import { MemoryEngine } from "../src/index.ts";
import { settle } from "./fake-clock.ts";
import type { FakeConn } from "./fake-conn.ts";
import { type Square, square } from "./square.ts";

const named = (limits = {}, engine = new MemoryEngine()): Square =>
  square({
    engine,
    limits: { commandsPerSecond: 100_000, commandBurst: 100_000, ...limits },
    authenticate: ({ token = "nobody", info }) => ({ user: token, isGuest: false, info }),
  });

async function enter(
  { conn }: Square,
  user: string,
  watch: { readonly presence?: true; readonly gather?: true } = {},
  info?: { readonly text: string },
): Promise<FakeConn> {
  const one = conn();
  one.say({ type: "connect", token: user, ...(info === undefined ? {} : { info }) });
  await one.ask({ type: "subscribe", channel: "plaza:x", ...watch });
  return one;
}

async function turn({ clock }: Square): Promise<void> {
  await settle();
  clock.advance(0);
}

/** All pages, each checked to be no larger than it may be. */
async function readAll({ clock }: Square, conn: FakeConn, maxBytes: number): Promise<PresenceAnswer[]> {
  const pages: PresenceAnswer[] = [];
  for (let after: number | undefined = 0; after !== undefined; ) {
    clock.advance(10);
    const page = await conn.ask({ type: "presence", channel: "plaza:x", after });
    assert.ok(page.type === "presence", JSON.stringify(page));
    const bytes = Buffer.byteLength(conn.texts.at(-1) ?? "");
    assert.ok(bytes <= maxBytes, `${bytes} > ${maxBytes}`);
    pages.push(page);
    after = page.next;
  }
  return pages;
}

const usersOf = (pages: readonly PresenceAnswer[]): string[] =>
  pages.flatMap(({ users }) => users.map(({ user }) => user));

for (const [what, options, maxBytes] of [
  ["a stream", { maxSendBytes: 1_048_576 }, 65_536],
  ["a client that takes 4,096 bytes", { maxSendBytes: 4_096 }, 4_096],
  ["datagrams", { transport: "udp", maxSendBytes: 65_507 }, 1_200],
] as const) {
  test(`10,000 users come in pages over ${what}, each once and in the order in which they came`, async () => {
    const engine = new MemoryEngine();
    const plaza = named({}, engine);
    const expected = Array.from({ length: 10_000 }, (_, index) => `user-${index}-ñ`);
    for (const user of expected) await engine.join("plaza:x", { session: user, user });
    const asking = plaza.conn(options);
    await asking.ask({ type: "connect" });
    const pages = await readAll(plaza, asking, maxBytes);
    assert.deepEqual(usersOf(pages), expected);
    for (const { total, users } of pages) assert.ok(total === 10_000 && users.length <= 1_000);
    const subscribed = await asking.ask({ type: "subscribe", channel: "plaza:x", presence: true });
    assert.ok(subscribed.type === "subscribed" && subscribed.presence?.next !== undefined);
    assert.ok(Buffer.byteLength(asking.texts.at(-1) ?? "") <= maxBytes);
    assert.equal(subscribed.presence.total, 10_001, "who asks is there, too");
    await plaza.hub.close();
  });
}

test("a user who alone takes more than a page is shown, and without info where not even that fits", async () => {
  const plaza = named();
  await enter(plaza, "ana", {}, { text: "x".repeat(900) });
  await enter(plaza, "ben", {}, { text: "漢".repeat(900) });
  await enter(plaza, "eva");
  const device = plaza.conn({ transport: "udp", maxSendBytes: 2_000 });
  await device.ask({ type: "connect" });
  const pages = await readAll(plaza, device, 2_000);
  assert.deepEqual(
    pages.flatMap(({ users }) => users.map(({ user, info }) => [user, info !== undefined])),
    [
      ["ana", true],
      ["ben", false],
      ["eva", false],
    ],
  );
  await plaza.hub.close();
});

test("pages go on where they were when users come and leave between them", async () => {
  const plaza = named({ presenceUsers: 3 });
  const conns = new Map<string, FakeConn>();
  for (let index = 0; index < 9; index++) conns.set(`u${index}`, await enter(plaza, `u${index}`));
  const asking = plaza.conn();
  const page = async (after: number) => {
    const answer = await asking.ask({ type: "presence", channel: "plaza:x", after });
    assert.ok(answer.type === "presence");
    return { names: answer.users.map(({ user }) => user).join(" "), ...answer };
  };
  const first = await page(0);
  assert.deepEqual([first.names, first.version, first.total], ["u0 u1 u2", 9, 9]);
  for (const user of ["u2", "u3", "u1"]) conns.get(user)?.cut();
  await enter(plaza, "u1");
  await settle();
  const second = await page(first.next ?? 0);
  assert.deepEqual([second.names, second.version, second.total], ["u4 u5 u6", 13, 7]);
  const third = await page(second.next ?? 0);
  assert.deepEqual([third.names, third.next], ["u7 u8 u1", undefined]);
  assert.equal((await page(third.version)).names, "", "past the last one there is nobody");
  await plaza.hub.close();
});

test("a page that is shared shows what is so now, whatever it is asked after, and in which channel", async () => {
  const engine = new MemoryEngine();
  const plaza = named({ presenceUsers: 5 }, engine);
  const asking = Array.from({ length: 100 }, () => plaza.conn());
  const conns: { channel: string; conn: FakeConn }[] = [];
  const channels = ["plaza:x", "plaza:y"] as const;
  let seed = 7;
  const random = (below: number): number => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % below;
  };
  for (let round = 0; round < 300; round++) {
    if (random(3) > 0 || conns.length < 20) {
      const conn = plaza.conn();
      conn.say({ type: "connect", token: `u${random(40)}`, info: { text: `${random(3)}` } });
      const channel = channels[random(2)] ?? "plaza:x";
      await conn.ask({ type: "subscribe", channel });
      conns.push({ channel, conn });
    } else conns.splice(random(conns.length), 1)[0]?.conn.cut();
    await settle();
    for (let question = 0; question < 4; question++) {
      const channel = channels[random(2)] ?? "plaza:x";
      // Also what no page gave, or one of the other channel.
      const after = [0, random(400), Number.MAX_SAFE_INTEGER][random(3)] ?? 0;
      const limit = 1 + random(7);
      const answer = await asking[random(100)]?.ask({ type: "presence", channel, after, limit });
      assert.ok(answer?.type === "presence", JSON.stringify(answer));
      const { version, total, users } = await engine.present(channel, after, 1_000);
      const shown = users.slice(0, Math.min(limit, 5));
      const next = shown.length < users.length ? shown.at(-1)?.since : undefined;
      assert.deepEqual(
        { version: answer.version, total: answer.total, next: answer.next, users: answer.users },
        {
          version,
          total,
          next,
          users: shown.map(({ user, info, connections }) => ({
            user,
            info: JSON.parse(info ?? ""),
            connections,
          })),
        },
      );
    }
  }
  await plaza.hub.close();
});

test("what happens in one turn is told in one message, and each change once", async () => {
  const plaza = named();
  const ana = await enter(plaza, "ana", { presence: true, gather: true });
  const old = await enter(plaza, "old", { presence: true });
  await turn(plaza);
  ana.received.length = 0;
  const [ben, eva] = [await enter(plaza, "ben"), await enter(plaza, "eva")];
  ben.cut();
  await enter(plaza, "ben");
  await settle();
  assert.equal(ana.received.length, 0, "the turn is not over");
  await turn(plaza);
  const expected = ["join ben", "join eva", "leave ben", "join ben"];
  const [told, ...more] = ana.all("changes");
  assert.deepEqual([told?.version, told?.total, more.length], [6, 4, 0]);
  assert.deepEqual(
    told?.changes.map(({ type, user }) => `${type} ${user}`),
    expected,
  );
  const singly = old.received.flatMap((message) =>
    message.type === "join" || message.type === "leave" ? [`${message.type} ${message.user}`] : [],
  );
  assert.deepEqual(singly, expected);
  assert.deepEqual([ana.all("join").length, old.all("changes").length], [0, 0]);
  eva.cut();
  await turn(plaza);
  assert.deepEqual(ana.all("changes")[1], {
    type: "changes",
    channel: "plaza:x",
    version: 7,
    total: 3,
    changes: [{ type: "leave", user: "eva" }],
  } satisfies PresenceChanges);
  await plaza.hub.close();
});

test("a message of changes is as large as it may be; what is more comes in the next, in order", async () => {
  const plaza = named({ presenceBytes: 1_000 });
  const ana = await enter(plaza, "ana", { presence: true, gather: true });
  await turn(plaza);
  const info = { text: "x".repeat(100) };
  for (let index = 0; index < 20; index++) await enter(plaza, `u${index}`, {}, info);
  await turn(plaza);
  plaza.clock.advance(10);
  const told = ana.all("changes");
  assert.ok(told.length > 1);
  for (const text of ana.texts.slice(-told.length)) assert.ok(text.length <= 1_000);
  for (const text of ana.texts.slice(-told.length, -1)) assert.ok(text.length > 800);
  let version = 1;
  for (const message of told) {
    assert.equal(message.version - message.changes.length, version);
    version = message.version;
  }
  assert.deepEqual(
    told.flatMap(({ changes }) => changes.map(({ user }) => user)),
    Array.from({ length: 20 }, (_, index) => `u${index}`),
  );
  await plaza.hub.close();
});

test("who has no room for changes, or could never have, is told of the newest version and asks", async () => {
  const plaza = named();
  const small = plaza.conn({ maxSendBytes: 300 });
  await small.ask({ type: "subscribe", channel: "plaza:x", presence: true, gather: true });
  const info = { text: "x".repeat(300) };
  for (const user of ["ana", "ben"]) await enter(plaza, user, {}, info);
  await turn(plaza);
  assert.deepEqual(
    small.all("changes").map(({ version, total, changes }) => [version, total, changes.length]),
    [[3, 3, 0]],
  );
  assert.deepEqual(usersOf(await readAll(plaza, small, 300)), ["nobody", "ana", "ben"]);

  const slow = plaza.conn({ highWater: 2_000, maxBuffered: 2_100 });
  await slow.ask({ type: "subscribe", channel: "plaza:x", presence: true, gather: true });
  await turn(plaza);
  slow.pause();
  for (let index = 0; index < 10; index++) {
    await enter(plaza, `u${index}`, {}, info);
    await turn(plaza);
  }
  slow.resume();
  await settle();
  const last = slow.all("changes").at(-1);
  assert.deepEqual([last?.version, last?.total, last?.changes.length], [13, 13, 0]);
  await plaza.hub.close();
});
