// What a server takes only later, or only so fast.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "@zocalo/protocol";
import { begin, codeOf } from "./begin.ts";
import { settled } from "./fake-clock.ts";

const name = "plaza:general";

test("not now: the outbox waits as long as the server says and then goes on in order", async () => {
  const { server, clock, session } = begin();
  await settled();
  let refusals = 2;
  server.intercept = (command) => {
    if (command.type !== "publish" || refusals-- <= 0) return undefined;
    return { type: "error", id: command.id ?? 0, code: "rate_limited", message: "slow", retryMs: 3_000 };
  };
  const room = session.channel<string>(name);
  const early = Promise.all([room.publish("a"), room.publish("b")]);
  await settled();
  const late = room.publish("c");
  await clock.advance(2_999);
  assert.equal(server.head(name), 0);
  await clock.advance(1);
  await Promise.all([early, late]);
  assert.deepEqual(
    server.log(name).publications.map(({ data }) => data),
    ["a", "b", "c"],
  );
  await session.close();
});

for (const perSecond of [1, 10, 500]) {
  test(`at ${perSecond} a second, who is told not now slows down and is seldom refused`, async () => {
    const { server, clock, session } = begin({ token: "ana" });
    await settled();
    let tokens = 100;
    let at = clock.uptime();
    const counts = { taken: 0, refused: 0, excess: 0 };
    server.intercept = (command) => {
      if (command.type !== "publish") return undefined;
      tokens = Math.min(100, tokens + ((clock.uptime() - at) * perSecond) / 1_000);
      at = clock.uptime();
      if (tokens >= 1) {
        tokens -= 1;
        counts.taken += 1;
        return undefined;
      }
      counts.refused += 1;
      counts.excess = Math.max(counts.excess, counts.refused - counts.taken);
      const retryMs = Math.ceil(((1 - tokens) * 1_000) / perSecond);
      return { type: "error", id: command.id ?? 0, code: "rate_limited", message: "slow", retryMs };
    };
    const room = session.channel<number>(name);
    const publishing = Promise.all(Array.from({ length: 400 }, (_, index) => room.publish(index)));
    for (let turn = 0; turn < 1_000 && server.head(name) < 400; turn++) await clock.advance(1_000);
    await publishing;
    assert.deepEqual(
      server.log(name).publications.map(({ data }) => data),
      Array.from({ length: 400 }, (_, index) => index),
    );
    assert.ok(counts.excess === 0, JSON.stringify(counts)); // never refused more than taken
    await session.close();
  });
}

test("not now without a time is tried again after a second", async () => {
  const { server, clock, session } = begin();
  let refusals = 1;
  server.intercept = (command) =>
    command.type === "publish" && refusals-- > 0
      ? { type: "error", id: command.id ?? 0, code: "unavailable", message: "disk" }
      : undefined;
  const publishing = session.channel(name).publish("a");
  await clock.advance(1_000);
  assert.equal((await publishing).offset, 1);
  await session.close();
});

test("no room in one channel: it is tried again when the server says, and others go on", async () => {
  const { server, clock, session } = begin({ token: "ana" });
  const room = session.channel<string>(name);
  await settled();
  server.intercept = (command) =>
    command.type === "publish" && command.channel === name
      ? { type: "error", id: command.id ?? 0, code: "limit_reached", message: "keys", retryMs: 10_000 }
      : undefined;
  const full = room.publish("a");
  await settled();
  const behind = room.publish("b");
  assert.equal((await session.channel("plaza:other").publish("c")).offset, 1);
  assert.equal(server.conn.count("publish"), 2, "b is not sent into a full channel");
  assert.equal((await room.history()).head, 0, "it can be read");
  server.intercept = () => undefined;
  await clock.advance(9_999);
  assert.equal(server.head(name), 0);
  await clock.advance(1);
  assert.deepEqual([(await full).offset, (await behind).offset], [1, 2]);
  await session.close();
});

test("limit_reached without a time is final", async () => {
  const { server, session } = begin({ token: "ana" });
  const room = session.channel<string>(name);
  server.intercept = (command) =>
    command.type === "publish"
      ? { type: "error", id: command.id ?? 0, code: "limit_reached", message: "no" }
      : undefined;
  assert.equal(await codeOf(room.publish("a")), "limit_reached");
  await session.close();
});

/** Counts as a server does, and refuses what is too much. */
function counting({ server, clock }: ReturnType<typeof begin>, perSecond: number, burst: number, crowd = 0) {
  let level = burst * 1_000;
  let at = clock.uptime();
  const counted = { refused: 0, leastLevel: level };
  server.commandsPerSecond = perSecond;
  server.commandBurst = burst;
  server.intercept = (command) => {
    level = Math.min(burst * 1_000, level + (clock.uptime() - at) * perSecond);
    at = clock.uptime();
    const { id = 0 } = command;
    if (level < 1_000) {
      counted.refused += 1;
      return { type: "error", id, code: "rate_limited", message: "too fast", retryMs: 100 };
    }
    level -= 1_000;
    counted.leastLevel = Math.min(counted.leastLevel, level);
    if (command.type !== "publish") return undefined;
    const cost = crowd * 50;
    level -= cost;
    const { offset } = server.publish(command.channel, command.data as Json, command.key);
    return { type: "published", id, epoch: "e1", offset, ...(cost === 0 ? {} : { cost }) };
  };
  return counted;
}

for (const [what, crowd, seconds] of [
  ["alone", 0, 1],
  ["to a hundred", 100, 12],
  ["to a thousand", 1_000, 105],
] as const) {
  test(`1,000 publications that wait go as fast as the server said, and none is refused: ${what}`, async () => {
    const begun = begin({ outbox: { entries: 2_000 } });
    const counted = counting(begun, 500, 1_000, crowd);
    const { clock, session } = begun;
    const room = session.channel<number>(name);
    const receipts = Promise.all(Array.from({ length: 1_000 }, (_, index) => room.publish(index)));
    await clock.advance(seconds * 1_000);
    await receipts;
    assert.equal(counted.refused, 0);
    assert.ok(counted.leastLevel >= 100_000, `${counted.leastLevel} was left`);
    await session.close();
  });
}

test("what was read for an answer counts, too", async () => {
  const begun = begin();
  begun.server.commandsPerSecond = 1;
  begun.server.commandBurst = 100;
  const { server, clock, session } = begun;
  for (let count = 0; count < 1_000; count++) server.publish(name, count);
  await settled();
  const room = session.channel<number>(name);
  await room.history({ limit: 1_000 });
  const publishing = room.publish(1);
  await settled();
  assert.equal(server.conn.count("publish"), 1, "50 of 75 are spent");
  await publishing;
  await room.history({ limit: 1_000 });
  const late = room.publish(2);
  await settled();
  assert.equal(server.conn.count("publish"), 1);
  await clock.advance(60_000);
  await late;
  assert.equal(server.conn.count("publish"), 2);
  await session.close();
});

test("a server that says nothing of its rate is sent what the window lets", async () => {
  const { server, session } = begin();
  server.commandsPerSecond = undefined as unknown as number;
  server.commandBurst = Number.NaN;
  const room = session.channel<number>(name);
  await Promise.all(Array.from({ length: 1_000 }, (_, index) => room.publish(index)));
  assert.equal(server.head(name), 1_000);
  await session.close();
});
