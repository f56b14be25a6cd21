import assert from "node:assert/strict";
import { test } from "node:test";
import { CLOSE } from "@zocalo/protocol";
import { begin } from "./begin.ts";
import { settled } from "./fake-clock.ts";

/** A function that makes tokens, and counts them. */
function maker() {
  let count = 0;
  const token = async () => `token-${++count}`;
  return { token, count: () => count };
}

const MINUTE = 60_000;

test("another token is given before the first one ends, and after its time another one", async () => {
  const { token, count } = maker();
  const { server, clock, session, names } = begin({ token }, (it) => {
    it.tokenTime = { tokenMs: MINUTE };
  });
  await settled();
  // Random is a half: seven tenths of the time, and half of two tenths.
  await clock.advance(0.8 * MINUTE - 1);
  assert.deepEqual([count(), server.conn.count("refresh")], [1, 0]);
  await clock.advance(1);
  const { id: _, ...refresh } = server.conn.commands.at(-1) ?? {};
  assert.deepEqual(refresh, { type: "refresh", token: "token-2" });
  await clock.advance(0.8 * MINUTE);
  assert.deepEqual([count(), server.conn.count("refresh"), server.dials], [3, 2, 1]);
  server.tokenTime = {};
  await clock.advance(0.8 * MINUTE);
  await clock.advance(100 * MINUTE);
  assert.equal(server.conn.count("refresh"), 3, "one that lasts for ever is left alone");
  await session.close();
  assert.deepEqual(names(), ["connected", "closed"]);
  assert.equal(clock.timers, 0);
});

test("what is shown of the user may change with a token", async () => {
  const { token } = maker();
  const { server, clock, session } = begin({ token, info: { name: "Ana" } }, (it) => {
    it.tokenTime = { tokenMs: MINUTE };
    it.intercept = ({ type, id = 0 }) =>
      type === "refresh" ? { type: "refreshed", id, info: { name: "Anita" } } : undefined;
  });
  await settled();
  assert.deepEqual(session.info, { name: "Ana" });
  await clock.advance(MINUTE);
  assert.deepEqual(session.info, { name: "Anita" });
  assert.equal(server.dials, 1);
  await session.close();
});

test("a function that fails, or is slow, is asked again while there is time", async () => {
  for (const fails of [
    async () => {
      throw new Error("the back end is down");
    },
    () => new Promise<string>(() => {}),
    () => {
      throw new Error("at once");
    },
  ]) {
    let asked = 0;
    const token = (): string | Promise<string> => (asked++ === 0 ? "first" : asked < 4 ? fails() : "good");
    const { server, clock, session } = begin({ token }, (it) => {
      it.tokenTime = { tokenMs: MINUTE };
    });
    await settled();
    await clock.advance(MINUTE);
    assert.equal(server.conn.count("refresh"), 1);
    assert.equal(asked, 4);
    assert.equal(session.state.name, "connected");
    await session.close();
  }
});

test("a refusal is tried again with another token; those who ask are few", async () => {
  const { token, count } = maker();
  const { server, clock, session } = begin({ token }, (it) => {
    it.tokenTime = { tokenMs: MINUTE };
    it.intercept = ({ type, id = 0 }) =>
      type === "refresh" ? { type: "error", id, code: "unauthorized", message: "no" } : undefined;
  });
  await settled();
  await clock.advance(10 * MINUTE);
  assert.equal(server.dials, 1, "to end the session is the server's");
  assert.ok(count() > 4 && count() < 16, `${count()} tokens`);
  await session.close();
});

test("after the machine slept another token is given at once", async () => {
  const { token } = maker();
  const { server, clock, session } = begin({ token }, (it) => {
    it.tokenTime = { tokenMs: 60 * MINUTE };
  });
  await settled();
  clock.setWall(30 * MINUTE);
  await clock.advance(2_000);
  assert.equal(server.conn.count("refresh"), 1);
  await session.close();
  assert.equal(clock.timers, 0);
});

test("a session whose token ended comes back with another one, and one with a static token is over", async () => {
  const { token, count } = maker();
  for (const [given, names] of [
    [token, ["connected", "waiting", "connecting", "connected"]],
    ["static", ["connected", "closed"]],
    [undefined, ["connected", "closed"]],
  ] as const) {
    const it = begin(given === undefined ? {} : { token: given });
    await settled();
    const reason = "the token has expired";
    it.server.conn.push({ type: "disconnect", code: CLOSE.unauthorized, reason, reconnect: false });
    it.server.conn.cut(CLOSE.unauthorized, reason);
    await it.clock.advance(5_000);
    assert.deepEqual(it.names(), names);
    const { state } = it.session;
    if (state.name === "closed") assert.equal(state.cause?.code, "unauthorized");
    await it.session.close();
  }
  assert.equal(count(), 2);
});

test("a token that is refused when one connects closes the session, be it made by a function", async () => {
  const { session, names } = begin({ token: async () => "bad" }, (it) => {
    it.intercept = ({ type, id = 0 }) =>
      type === "connect" ? { type: "error", id, code: "unauthorized", message: "no" } : undefined;
  });
  await settled();
  assert.deepEqual(names(), ["closed"]);
  assert.ok(session.state.name === "closed" && session.state.cause?.code === "unauthorized");
});

test("whatever a server says of a token's time, others are asked for once a second at most", async () => {
  for (const tokenMs of [
    -1,
    0,
    1,
    1e-9,
    null,
    "x",
    [],
    {},
    true,
    JSON.parse("1e400"),
    JSON.parse("-1e400"),
  ]) {
    const { token, count } = maker();
    const { server, clock, session } = begin({ token }, (it) => {
      it.tokenTime = { tokenMs };
    });
    await settled();
    await clock.advance(20_000);
    assert.ok(count() <= 22, `${String(tokenMs)}: ${count()} tokens`);
    assert.equal(session.state.name, "connected");
    await session.close();
    assert.equal(clock.timers, 0);
    assert.equal(server.dials, 1);
  }
});
