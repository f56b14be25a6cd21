import assert from "node:assert/strict";
import { test } from "node:test";
import { begin } from "./begin.ts";
import { settled } from "./fake-clock.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const PING_MS = 25_000;

/** Forward, back, a clock without a battery, and ten years. */
const STEPS_MS = [HOUR_MS, -HOUR_MS, -60 * DAY_MS, 3_650 * DAY_MS];

for (const stepMs of STEPS_MS) {
  const named = `the wall clock is set by ${stepMs / HOUR_MS} h`;

  test(`${named}: a slow answer is waited for, and nothing is given up`, async () => {
    const { server, clock, session, names } = begin();
    await settled();
    server.intercept = ({ type }) => (type === "history" ? null : undefined);
    const reading = session.channel("plaza:a").history();
    reading.catch(() => {});
    await clock.advance(5_000);
    clock.setWall(stepMs);
    await clock.advance(4_900);
    assert.deepEqual(names(), ["connected"]);
    await session.close();
  });

  test(`${named}: pings go on, at most one more is sent, and a dead server is found in time`, async () => {
    const { server, clock, session, names } = begin();
    await settled();
    clock.setWall(stepMs);
    await clock.advance(2_000);
    assert.ok(server.conn.count("ping") <= 1);
    const before = server.conn.count("ping");
    await clock.advance(4 * PING_MS);
    const sent = server.conn.count("ping") - before;
    assert.ok(sent >= 4 && sent <= 6, `${sent} pings in ${4 * PING_MS} ms`);
    server.intercept = () => null;
    clock.setWall(-stepMs);
    await clock.advance(1_000);
    clock.setWall(-stepMs); // And once more, while its answer is due.
    await clock.advance(PING_MS + 10_000);
    assert.deepEqual(names().slice(0, 2), ["connected", "waiting"]);
    await session.close();
  });
}

test("a machine that slept asks the server for a sign of life within two seconds", async () => {
  const { server, clock, session } = begin();
  await clock.advance(1_500);
  clock.setWall(8 * HOUR_MS); // Uptime stood still.
  await clock.advance(2_000);
  assert.equal(server.conn.count("ping"), 1);
  await clock.advance(2_000);
  assert.equal(server.conn.count("ping"), 1, "once");
  clock.standStill(8 * HOUR_MS); // Where uptime goes on.
  await clock.advance(2_000);
  assert.ok(server.conn.count("ping") >= 2);
  await session.close();
});

test("a session that waits to connect again does so at once after a sleep", async () => {
  const { server, clock, session } = begin({
    random: () => 0.99,
    backoff: { baseMs: 60_000, maxMs: 60_000 },
  });
  await settled();
  server.conn.cut();
  await settled();
  assert.equal(session.state.name, "waiting");
  clock.setWall(HOUR_MS);
  await clock.advance(2_000);
  assert.equal(session.state.name, "connected");
  await session.close();
  assert.equal(clock.timers, 0);
});

test("standing still is no silence of the server: it is asked again, and waited for", async () => {
  const { server, clock, session, names } = begin();
  await settled();
  server.intercept = ({ type }) => (type === "history" ? null : undefined);
  session
    .channel("plaza:a")
    .history()
    .catch(() => {});
  await settled();
  clock.standStill(HOUR_MS);
  await clock.advance(9_000);
  assert.deepEqual(names(), ["connected"]);
  server.intercept = () => null;
  clock.standStill(HOUR_MS);
  await clock.advance(12_000);
  assert.deepEqual(names().slice(0, 2), ["connected", "waiting"], "a server that is silent still is dead");
  await session.close();
});

test("a ping that is due in sixty days is not sent at once", async () => {
  const { server, clock, session } = begin({}, (it) => {
    it.pingMs = 80 * DAY_MS;
  });
  await clock.advance(10_000);
  assert.equal(server.conn.count("ping"), 0);
  await session.close();
});
