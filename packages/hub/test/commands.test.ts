import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "@zocalo/integrity";
import { type ErrorCode, LIMITS, ProtocolError, type ServerMessage } from "@zocalo/protocol";
import { type Identity, type LogPage, MemoryEngine } from "../src/index.ts";
import { FakeClock, settle } from "./fake-clock.ts";
import { FailingEngine } from "./failing-engine.ts";
import { FaultyEngine } from "./faulty-engine.ts";
import { namespaces, square } from "./square.ts";

function codeOf(message: ServerMessage): ErrorCode | undefined {
  return message.type === "error" ? message.code : undefined;
}

test("connect begins the session as whom the authenticator says", async () => {
  const { hub, conn } = square({
    server: "plaza/1",
    authenticate: async ({ token, info }) => ({
      user: `user-${token}`,
      isGuest: false,
      info: { ...info, seen: true },
    }),
  });
  const ana = conn();
  const { session, ...rest } = (await ana.ask({
    type: "connect",
    version: 1,
    token: "t",
    info: { name: "Ana" },
  })) as Extract<ServerMessage, { type: "connected" }>;
  assert.match(session, /^[a-z2-9]{16}$/);
  assert.deepEqual(rest, {
    type: "connected",
    id: rest.id,
    version: 1,
    server: "plaza/1",
    user: "user-t",
    info: { name: "Ana", seen: true },
    pingMs: 25_000,
    commandBytes: 65_536,
    keyMs: 300_000,
    commandsPerSecond: 500,
    commandBurst: 1_000,
  });
  await hub.close();
});

test("connected says how long keys are remembered at least, by those namespaces that remember any", async () => {
  for (const [times, keyMs] of [
    [[600_000, 0, 90_000], 90_000],
    [[0], undefined],
  ] as const) {
    const namespaces = times.map((ms, index) => [`n${index}`, { keyMs: ms }] as const);
    const { hub, conn } = square({ namespaces: Object.fromEntries(namespaces) });
    const connected = (await conn().ask({ type: "connect" })) as Extract<
      ServerMessage,
      { type: "connected" }
    >;
    assert.equal(connected.keyMs, keyMs);
    await hub.close();
  }
});

test("a publication for which there is no room is told when to come again", async () => {
  const clock = new FakeClock();
  const engine = new MemoryEngine({ maxKeysPerChannel: 1, clock });
  const { hub, conn } = square({ engine, clock });
  const ana = conn();
  const publish = { type: "publish", channel: "plaza:x", data: 1 } as const;
  await ana.ask({ ...publish, key: "a" });
  const refused = await ana.ask({ ...publish, key: "b" });
  assert.ok(refused.type === "error" && refused.code === "limit_reached");
  assert.equal(refused.retryMs, 10_000);
  assert.equal((await ana.ask(publish)).type, "published");
  await hub.close();
});

test("others see the info that came, to the letter, unless the authenticator has another", async () => {
  const infoJson = '{"id":1688888483063664642,"a":1,"a":-0}';
  const shown = async (options: Parameters<typeof square>[0]) => {
    const { hub, conn, errors, clock } = square(options);
    const [ana, ben] = [conn(), conn()];
    await ana.ask({ type: "subscribe", channel: "plaza:x", presence: true });
    clock.advance(0);
    ben.say(`{"type":"connect","info":${infoJson},"id":1}`);
    ben.say('{"type":"subscribe","channel":"plaza:x","id":2}');
    ben.say('{"type":"publish","channel":"plaza:x","data":7}');
    await Promise.race([ana.until(({ type }) => type === "publication"), ben.untilClosed()]);
    clock.advance(0);
    ana.say('{"type":"presence","channel":"plaza:x","id":3}');
    await ana.until((message) => message.type === "presence");
    await hub.close();
    const texts = [...ana.texts, ...ben.texts.slice(0, 1)].filter((text) => text.includes('"info":'));
    return { texts, errors: errors.map(String) };
  };
  const { texts } = await shown({});
  assert.equal(texts.length, 4); // join, publication, presence and connected
  for (const text of texts) assert.ok(text.includes(`"info":${infoJson}`), text);
  let count = 0;
  const as = (): Identity => ({ user: `user-${++count}`, isGuest: false });
  const known = await shown({ authenticate: (request) => ({ ...as(), infoJson: request.infoJson }) });
  assert.equal(known.texts.length, 4);
  const other = await shown({ authenticate: () => ({ ...as(), info: { a: 1 } }) });
  assert.ok(other.texts.length > 0);
  for (const text of other.texts) assert.ok(text.includes('"info":{"a":1}'), text);
  for (const wrong of ["[]", "null", "{", '{"a":1},"type":"x"', 7 as never]) {
    const { errors, texts: none } = await shown({
      authenticate: ({ info }) => (info ? { ...as(), infoJson: wrong } : as()),
    });
    assert.ok(errors[0]?.includes("infoJson"), String(errors));
    assert.deepEqual(none, []);
  }
});

test("a session begins once", async () => {
  const { hub, conn } = square();
  const [ana, ben] = [conn(), conn()];
  assert.equal((await ana.ask({ type: "connect" })).type, "connected");
  assert.equal(codeOf(await ana.ask({ type: "connect" })), "already_connected");
  await ben.ask({ type: "ping" });
  assert.equal(codeOf(await ben.ask({ type: "connect" })), "already_connected");
  await hub.close();
});

test("another version is refused, and the session can still begin", async () => {
  const { hub, conn } = square();
  const ana = conn();
  assert.equal(codeOf(await ana.ask({ type: "connect", version: 2 })), "unsupported_version");
  assert.equal((await ana.ask({ type: "connect", version: 1 })).type, "connected");
  await hub.close();
});

test("who is refused is told so and closed with 4401", async () => {
  const { hub, conn } = square({
    authenticate: ({ token }) => (token ? { user: token, isGuest: false } : null),
  });
  const [ana, ben] = [conn(), conn()];
  ana.say({ type: "connect", id: 1 });
  ben.say({ type: "publish", channel: "plaza:x", data: 1, id: 1 });
  for (const one of [ana, ben]) {
    assert.equal((await one.untilClosed()).code, 4401);
    const [error, disconnect] = one.received;
    assert.equal(error && codeOf(error), "unauthorized");
    assert.equal(disconnect?.type === "disconnect" && disconnect.reconnect, false);
  }
  assert.equal(hub.stats().published, 0);
  await hub.close();
});

test("an authenticator that fails is the server's fault: connect again", async () => {
  for (const authenticate of [
    (): never => {
      throw new Error("no database");
    },
    async (): Promise<never> => {
      throw new Error("no database");
    },
    (): Identity => ({ user: "", isGuest: true }),
    (): Identity => ({ user: "x".repeat(129), isGuest: true }),
  ]) {
    const { hub, conn, errors } = square({ authenticate });
    const ana = conn();
    ana.say({ type: "connect", token: "t" });
    assert.equal((await ana.untilClosed()).code, 1011);
    assert.equal(errors.length, 1);
    await hub.close();
  }
});

test("what a namespace does not allow is forbidden, and what no namespace covers is unknown", async () => {
  const { hub, conn } = square({
    namespaces: {
      ...namespaces,
      members: { subscribe: "users", publish: "users" },
      asked: { subscribe: ({ user }, channel) => channel === `asked:${user}`, publish: async () => false },
    },
    authenticate: () => ({ user: "ana", isGuest: true }),
  });
  const ana = conn();
  for (const channel of ["closed:x", "members:x", "asked:ben"]) {
    for (const type of ["subscribe", "history", "presence"] as const) {
      assert.equal(codeOf(await ana.ask({ type, channel })), "forbidden", `${type} ${channel}`);
    }
  }
  for (const channel of ["closed:x", "members:x", "news:x", "asked:ana"]) {
    assert.equal(codeOf(await ana.ask({ type: "publish", channel, data: 1 })), "forbidden", channel);
  }
  assert.equal((await ana.ask({ type: "subscribe", channel: "asked:ana" })).type, "subscribed");
  for (const channel of ["nowhere", "__proto__:x", "constructor"]) {
    assert.equal(codeOf(await ana.ask({ type: "subscribe", channel })), "unknown_channel");
    assert.equal(codeOf(await ana.ask({ type: "publish", channel, data: 1 })), "unknown_channel");
  }
  await hub.close();
});

test("a permission that throws is answered internal, and nothing is done", async () => {
  const boom = (): never => {
    throw new Error("boom");
  };
  const { hub, conn, errors } = square({
    namespaces: { bad: { subscribe: async () => boom(), publish: boom } },
  });
  const ana = conn();
  assert.equal(codeOf(await ana.ask({ type: "subscribe", channel: "bad:x" })), "internal");
  assert.equal(codeOf(await ana.ask({ type: "publish", channel: "bad:x", data: 1 })), "internal");
  assert.equal(errors.length, 2);
  assert.equal((await ana.ask({ type: "ping" })).type, "pong");
  await hub.close();
});

test("publish is answered with the place it was committed at, and a repeated key with the first place", async () => {
  const { hub, conn } = square();
  const ana = conn();
  const publish = {
    type: "publish",
    channel: "quiet:x",
    data: { __proto__: null, "": [] },
    key: "k",
  } as const;
  const first = await ana.ask(publish);
  assert.ok(first.type === "published");
  assert.equal(first.duplicate, undefined);
  const again = await conn().ask(publish);
  assert.deepEqual(again, { ...first, id: again.type === "published" ? again.id : 0, duplicate: true });
  await hub.close();
});

test("data past a namespace's limit is too large, and at the limit it is not", async () => {
  const { hub, conn } = square({ namespaces: { tiny: { publish: "anyone", maxDataLength: 5 } } });
  const ana = conn();
  assert.equal((await ana.ask({ type: "publish", channel: "tiny:x", data: "abc" })).type, "published");
  assert.equal(codeOf(await ana.ask({ type: "publish", channel: "tiny:x", data: "abcd" })), "too_large");
  await hub.close();
});

test("a namespace that takes more makes commands longer, by as much, and tells datagrams what they hold", async () => {
  const namespaces = { large: { publish: "anyone", maxDataLength: LIMITS.largestDataLength } } as const;
  // Each of these counts for a thousand.
  const { hub, conn } = square({ namespaces, limits: { commandBurst: 10_000 } });
  assert.equal(hub.sizes.commandBytes, 1_064_960);
  const told = await conn().ask({ type: "connect" });
  assert.ok(told.type === "connected");
  assert.equal(told.commandBytes, 1_064_960);
  const device = await conn({ transport: "udp" }).ask({ type: "connect" });
  assert.ok(device.type === "connected");
  assert.equal(device.commandBytes, 65_507);
  const ana = conn();
  const data = "x".repeat(LIMITS.largestDataLength - 2);
  assert.equal((await ana.ask({ type: "publish", channel: "large:x", data })).type, "published");
  assert.equal(codeOf(await ana.ask({ type: "publish", channel: "large:x", data: `${data}x` })), "too_large");
  await hub.close();
});

test("after unsubscribed nothing of the channel comes, and it can be subscribed again", async () => {
  const { hub, conn } = square();
  const ana = conn();
  assert.equal(codeOf(await ana.ask({ type: "unsubscribe", channel: "quiet:x" })), "not_subscribed");
  await ana.ask({ type: "subscribe", channel: "quiet:x" });
  assert.equal(codeOf(await ana.ask({ type: "subscribe", channel: "quiet:x" })), "already_subscribed");
  assert.equal((await ana.ask({ type: "unsubscribe", channel: "quiet:x" })).type, "unsubscribed");
  await hub.publish("quiet:x", 1);
  assert.equal(ana.all("publication").length, 0);
  assert.equal((await ana.ask({ type: "subscribe", channel: "quiet:x" })).type, "subscribed");
  await hub.close();
});

test("a session subscribes to as many channels as the limit says, and not to one more", async () => {
  const { hub, conn } = square({ limits: { subscriptions: 3 } });
  const ana = conn();
  for (const name of ["a", "b", "c"]) {
    assert.equal((await ana.ask({ type: "subscribe", channel: `quiet:${name}` })).type, "subscribed");
  }
  assert.equal(codeOf(await ana.ask({ type: "subscribe", channel: "quiet:d" })), "limit_reached");
  await ana.ask({ type: "unsubscribe", channel: "quiet:a" });
  assert.equal((await ana.ask({ type: "subscribe", channel: "quiet:d" })).type, "subscribed");
  await hub.close();
});

test("history reads pages from the newest back", async () => {
  const { hub, conn } = square();
  const ana = conn();
  for (let number = 1; number <= 120; number++) await hub.publish("quiet:x", number);
  const page = async (more: object): Promise<readonly [number, number, number, number]> => {
    const answer = await ana.ask({ type: "history", channel: "quiet:x", ...more });
    assert.ok(answer.type === "history");
    const { publications, head, oldest } = answer;
    return [publications[0]?.offset ?? 0, publications.at(-1)?.offset ?? 0, head, oldest];
  };
  assert.deepEqual(await page({}), [71, 120, 120, 1]);
  assert.deepEqual(await page({ before: 71 }), [21, 70, 120, 1]);
  assert.deepEqual(await page({ before: 21 }), [1, 20, 120, 1]);
  assert.deepEqual(await page({ before: 1 }), [0, 0, 120, 1]);
  assert.deepEqual(await page({ limit: 1 }), [120, 120, 120, 1]);
  assert.deepEqual(await page({ limit: 1_000 }), [1, 120, 120, 1]);
  assert.deepEqual(await page({ before: 1e9, limit: 2 }), [119, 120, 120, 1]);
  assert.deepEqual(await page({ channel: "quiet:never" }), [0, 0, 0, 1]);
  await hub.close();
});

/** One in which others publish while a page of history is being read. */
class BusyEngine extends MemoryEngine {
  meanwhile = 0;

  override async read(channel: string, after: number, limit: number): Promise<LogPage> {
    const page = await super.read(channel, after, limit);
    const retention = { publications: 10, bytes: 1_000, ttlMs: 60_000, keyMs: 0 };
    for (; this.meanwhile > 0; this.meanwhile--)
      await this.publish(channel, { user: "u", data: "1" }, retention);
    return page;
  }
}

for (const [meanwhile, head, oldest] of [
  [4, 20, 15],
  [10, 30, 21],
  [100, 120, 111],
] as const) {
  test(`a history page has what it says is kept, also where ${meanwhile} were published while it was read`, async () => {
    const engine = new BusyEngine();
    const { hub, conn } = square({ engine });
    for (let count = 0; count < 20; count++) await hub.publish("short:x", count);
    engine.meanwhile = meanwhile;
    const answer = await conn().ask({ type: "history", channel: "short:x" });
    assert.ok(answer.type === "history");
    assert.deepEqual([answer.head, answer.oldest], [head, oldest]);
    const offsets = answer.publications.map(({ offset }) => offset);
    assert.deepEqual(
      offsets,
      Array.from({ length: head - oldest + 1 }, (_, index) => oldest + index),
    );
  });
}

test("a history page is cut at its old end where it would pass the size of a message", async () => {
  const { hub, conn } = square();
  for (let number = 1; number <= 60; number++) await hub.publish("quiet:x", "ñ".repeat(100));
  const small = conn({ maxSendBytes: 2_000 });
  const answer = await small.ask({ type: "history", channel: "quiet:x", limit: 60 });
  assert.ok(answer.type === "history");
  assert.equal(answer.publications.at(-1)?.offset, 60);
  assert.ok(answer.publications.length >= 6 && answer.publications.length < 10);
  assert.ok(Buffer.byteLength(JSON.stringify(answer)) <= 2_000);
  const limited = square({ limits: { historyBytes: 1_000 } });
  for (let number = 1; number <= 2; number++) await limited.hub.publish("quiet:x", "x".repeat(2_000));
  const alone = await limited.conn().ask({ type: "history", channel: "quiet:x" });
  assert.ok(alone.type === "history", "the newest one comes even if it is more than a page");
  assert.deepEqual(
    alone.publications.map(({ offset }) => offset),
    [2],
  );
  const tiny = limited.conn({ maxSendBytes: 1_900 });
  assert.equal(codeOf(await tiny.ask({ type: "history", channel: "quiet:x" })), "too_large");
  await Promise.all([hub.close(), limited.hub.close()]);
});

test("answers come in the order of the commands, however long the engine takes", async () => {
  const clock = new FakeClock();
  const engine = new FaultyEngine(clock, new Random(7), { maxDelayMs: 30, readFails: 0, publishFails: 0 });
  const { hub, conn } = square({ clock, engine });
  const ana = conn();
  ana.say({ type: "publish", id: 1, channel: "quiet:a", data: 1 });
  ana.say({ type: "ping", id: 2 });
  ana.say({ type: "publish", id: 3, channel: "nowhere", data: 1 });
  ana.say({ type: "publish", id: 4, channel: "quiet:b", data: 1 });
  ana.say({ type: "subscribe", id: 5, channel: "quiet:a" });
  ana.say({ type: "ping", id: 6 });
  for (let step = 0; step < 100; step++) {
    await settle();
    clock.advance(10);
  }
  assert.deepEqual(
    ana.received.map((message) => "id" in message && message.id),
    [1, 2, 3, 4, 5, 6],
  );
  await hub.close();
});

test("an engine that fails is answered unavailable; its own protocol errors are passed on", async () => {
  const engineError = new ProtocolError("limit_reached", "no more channels");
  const results: unknown[] = [new Error("disk full"), engineError];
  const failing = square({ engine: new FailingEngine(() => results.shift()) });
  const ben = failing.conn();
  assert.equal(codeOf(await ben.ask({ type: "publish", channel: "quiet:x", data: 1 })), "unavailable");
  assert.equal(codeOf(await ben.ask({ type: "publish", channel: "quiet:x", data: 1 })), "limit_reached");
  assert.equal(codeOf(await ben.ask({ type: "subscribe", channel: "quiet:x" })), "unavailable");
  assert.equal(failing.hub.stats().subscriptions, 0);
  assert.equal(failing.errors.length, 2);
  await failing.hub.close();
});
