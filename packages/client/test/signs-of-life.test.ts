// Which connection is dead, and which is only slow.
import assert from "node:assert/strict";
import { test } from "node:test";
import { begin } from "./begin.ts";
import { settled } from "./fake-clock.ts";

test("an idle connection is pinged before it counts as dead, a busy one is not", async () => {
  const { server, clock, session } = begin();
  await clock.advance(18_750);
  assert.equal(server.conn.count("ping"), 1);
  const room = session.channel("plaza:general");
  for (let turn = 0; turn < 10; turn++) {
    await clock.advance(10_000);
    await room.publish(turn);
  }
  assert.equal(server.conn.count("ping"), 1);
  await clock.advance(25_000);
  assert.equal(server.conn.count("ping"), 2);
  assert.equal(server.dials, 1);
  await session.close();
});

test("a connection on which nothing answers is given up", async () => {
  const { server, clock, session, states } = begin();
  await settled();
  server.intercept = ({ type }) => (type === "ping" ? null : undefined);
  const [first] = server.conns;
  await clock.advance(18_750 + 10_000 + 500);
  assert.equal(first?.isOpen, false);
  assert.equal(server.dials, 2);
  assert.ok(states.some((state) => state.name === "waiting" && /no answer/.test(state.cause.message)));
  await session.close();
});

test("what comes is a sign of life, however late the answer", async () => {
  const { server, clock, session } = begin();
  session.channel("plaza:general").subscribe();
  await settled();
  server.intercept = ({ type }) => (type === "ping" ? null : undefined);
  for (let turn = 0; turn < 10; turn++) {
    await clock.advance(9_000);
    server.publish("plaza:general", turn);
  }
  assert.equal(server.dials, 1);
  await session.close();
});

test("a server that takes the connection and says nothing is given up", async () => {
  const { server, clock, session, states } = begin({ timeoutMs: 2_000 }, (it) => {
    it.intercept = () => null;
  });
  await clock.advance(1_999);
  assert.equal(session.state.name, "connecting");
  await clock.advance(1);
  assert.ok(states[0]?.name === "waiting" && states[0].cause.code === "timeout");
  assert.equal(server.conn.isOpen, false);
  await session.close();
});
