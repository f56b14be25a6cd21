// How long something that may be in the log is sent again.
import assert from "node:assert/strict";
import { test } from "node:test";
import { begin, codeOf } from "./begin.ts";
import { settled } from "./fake-clock.ts";
import { joined, name, page } from "./keeping.ts";
import { MemoryStore } from "./memory-store.ts";

const MINUTE_MS = 60_000;

for (const [title, ageMs, keyMs, expected] of [
  ["within the time of its key", 3 * MINUTE_MS, 5 * MINUTE_MS, "resolved"],
  ["past the time of its key", 4 * MINUTE_MS, 5 * MINUTE_MS, "unknown_outcome"],
  ["where the server remembers no keys", 1_000, undefined, "unknown_outcome"],
  ["where the server remembers keys for no time", 1_000, 1, "unknown_outcome"],
  ["within the time that the server says", 40 * MINUTE_MS, 60 * MINUTE_MS, "resolved"],
  ["past the time that the server says", 50_000, MINUTE_MS, "unknown_outcome"],
] as const) {
  test(`sent and not acknowledged, in the same page: ${title}`, async () => {
    const { server, clock, session, room } = page(new MemoryStore(), { keep: undefined as never }, (it) => {
      it.keyMs = keyMs;
    });
    await settled();
    server.intercept = ({ type }) => (type === "publish" ? null : undefined);
    const outcome = codeOf(room.publish("a"));
    await settled();
    server.intercept = () => undefined;
    server.isDown = true;
    server.conn.cut();
    await clock.advance(ageMs);
    server.isDown = false;
    await clock.advance(20_000);
    assert.equal(await outcome, expected);
    assert.equal(server.head(name), expected === "resolved" ? 1 : 0);
    await session.close();
  });

  test(`sent and not acknowledged, found by the next page: ${title}`, async () => {
    const store = new MemoryStore();
    const first = page(store, {}, (it) => {
      it.keyMs = keyMs;
    });
    await settled();
    first.server.intercept = ({ type }) => (type === "publish" ? null : undefined);
    void first.room.publish("a");
    await settled();
    store.opened[0]?.die();
    first.server.intercept = () => undefined;
    const second = joined(first.server, store, { clock: first.clock });
    first.clock.setWall(ageMs); // It was closed meanwhile.
    await settled();
    await first.clock.advance(0);
    assert.deepEqual(second.told, [expected === "resolved" ? '"a" is 1' : '"a" unknown_outcome']);
    await settled();
    assert.deepEqual(store.texts, [], "told, and forgotten");
    await Promise.all([first.session.close(), second.session.close()]);
  });
}

for (const [title, firstMs, nextMs] of [
  ["longer", MINUTE_MS, 60 * MINUTE_MS],
  ["at all", undefined, 60 * MINUTE_MS],
] as const) {
  test(`sent to a server that remembers keys for a time, the next one remembers them ${title}`, async () => {
    const { server, clock, session, room } = plain();
    server.keyMs = firstMs;
    await settled();
    server.intercept = ({ type }) => (type === "publish" ? null : undefined);
    const outcome = codeOf(room.publish("a"));
    await settled();
    server.intercept = () => undefined;
    server.keyMs = nextMs;
    server.isDown = true;
    server.conn.cut();
    await clock.advance(2 * MINUTE_MS);
    server.isDown = false;
    await clock.advance(20_000);
    assert.equal(await outcome, "unknown_outcome");
    assert.equal(server.head(name), 0, "not sent again");
    await session.close();
  });
}

for (const code of ["forbidden", "unknown_channel", "bad_command", "too_large"] as const) {
  test(`committed and not acknowledged, what is answered ${code} when it is sent again is not refused`, async () => {
    const { server, clock, session, room } = plain();
    await settled();
    server.intercept = (command, conn) => {
      if (command.type !== "publish") return undefined;
      server.publish(name, command.data as string, command.key);
      conn.cut();
      return null;
    };
    const publishing = room.publish("a");
    const outcome = codeOf(publishing);
    await settled();
    // Another server, or another user: what it says of the second is not true of the first.
    server.intercept = ({ type, id = 0 }) =>
      type === "publish" ? { type: "error", id, code, message: "not here" } : undefined;
    await clock.advance(20_000);
    assert.equal(await outcome, "unknown_outcome");
    await assert.rejects(publishing, ({ cause }: Error) => (cause as { code?: string }).code === code);
    assert.equal(await codeOf(room.publish("b")), code, "what was never sent before is");
    await session.close();
  });
}

test("committed and not acknowledged, what is too large for the next connection is not refused", async () => {
  const { server, clock, session, room } = plain();
  await settled();
  server.intercept = ({ type }) => (type === "publish" ? null : undefined);
  const outcome = codeOf(room.publish("x".repeat(500)));
  await settled();
  server.commandBytes = 200;
  server.conn.cut();
  await clock.advance(20_000);
  assert.equal(await outcome, "unknown_outcome");
  await session.close();
});

test("what was never sent waits for as long as it takes", async () => {
  const store = new MemoryStore();
  const first = page(store, {}, (server) => {
    server.isDown = true;
  });
  void first.room.publish("a");
  await settled();
  store.opened[0]?.die();
  first.server.isDown = false;
  first.clock.setWall(30 * 24 * 60 * MINUTE_MS);
  const second = joined(first.server, store, { clock: first.clock });
  await settled();
  assert.deepEqual(second.told, ['"a" is 1']);
  await Promise.all([first.session.close(), second.session.close()]);
});

test("a wall clock that went back between two pages tells nothing of an age", async () => {
  const store = new MemoryStore();
  const first = page(store);
  await settled();
  first.server.intercept = ({ type }) => (type === "publish" ? null : undefined);
  void first.room.publish("a");
  await settled();
  store.opened[0]?.die();
  first.clock.setWall(-1_000);
  first.server.intercept = () => undefined;
  const second = joined(first.server, store, { clock: first.clock });
  await settled();
  assert.deepEqual(second.told, ['"a" unknown_outcome']);
  await Promise.all([first.session.close(), second.session.close()]);
});

test("a machine that slept with something unanswered does not send it again past the time of its key", async () => {
  const { server, clock, session, room } = plain();
  await settled();
  server.intercept = ({ type }) => (type === "publish" ? null : undefined);
  const outcome = codeOf(room.publish("a"));
  await settled();
  server.intercept = () => undefined;
  clock.setWall(5 * MINUTE_MS); // Uptime stood still.
  server.conn.cut();
  await clock.advance(1_000);
  assert.equal(await outcome, "unknown_outcome");
  await session.close();
});

test("refused for its rate for long, it was never taken, and is still sent", async () => {
  const store = new MemoryStore();
  const { server, clock, session, room } = page(store);
  await settled();
  server.intercept = (command) =>
    command.type === "publish"
      ? { type: "error", id: command.id ?? 0, code: "rate_limited", message: "slow", retryMs: 5_000 }
      : undefined;
  const outcome = codeOf(room.publish("a"));
  for (let minutes = 0; minutes < 10; minutes++) await clock.advance(MINUTE_MS);
  server.intercept = () => undefined;
  await clock.advance(10_000);
  assert.equal(await outcome, "resolved");
  const rows = [...store.rows.values()];
  assert.deepEqual(rows, []);
  await session.close();
});

test("unavailable for long, it may be there, and is told", async () => {
  const { server, clock, session, room } = plain();
  await settled();
  server.intercept = (command) =>
    command.type === "publish"
      ? { type: "error", id: command.id ?? 0, code: "unavailable", message: "disk" }
      : undefined;
  const outcome = codeOf(room.publish("a"));
  for (let minutes = 0; minutes < 4; minutes++) await clock.advance(MINUTE_MS);
  assert.equal(await outcome, "unknown_outcome");
  await session.close();
});

function plain() {
  const begun = begin({ token: "ana" });
  return { ...begun, room: begun.session.channel<string>(name) };
}
