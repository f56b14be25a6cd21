import assert from "node:assert/strict";
import { test } from "node:test";
import { CLOSE } from "@zocalo/protocol";
import { connect, SessionError } from "../src/index.ts";
import { begin } from "./begin.ts";
import { FakeClock, settled } from "./fake-clock.ts";
import { FakeServer } from "./fake-server.ts";

test("a session connects with version, token and info, and knows its user", async () => {
  const { server, session, names } = begin({ token: "ana", info: { name: "Ana" } });
  assert.deepEqual(session.state, { name: "connecting", attempt: 1 });
  assert.equal(session.user, undefined);
  await settled();
  assert.deepEqual(server.conn.commands, [
    {
      id: 1,
      type: "connect",
      version: 1,
      token: "ana",
      info: { name: "Ana" },
      infoJson: '{"name":"Ana"}',
      answersPings: true,
    },
  ]);
  assert.deepEqual(session.state, { name: "connected", user: "ana", session: "s1" });
  assert.equal(session.user, "ana");
  assert.deepEqual(session.info, { name: "Ana" });
  await session.close();
  assert.deepEqual(names(), ["connected", "closed"]);
  assert.equal(server.conn.closedWith, 1000);
});

test("each wait is the random part of a doubling bound", async () => {
  const randoms = [0, 0.999, 0.5, 0.25, 0.1, 0.75, 0.5, 0.5];
  const { server, clock, session, states } = begin({ random: () => randoms.shift() ?? 0.5 }, (it) => {
    it.isDown = true;
  });
  const waits: number[] = [];
  session.onState((state) => {
    if (state.name === "waiting") waits.push(state.retryAt - clock.uptime());
  });
  await clock.advance(40_000);
  // Bounds 500, 1,000, 2,000, 4,000, 8,000, 16,000 and then 20,000.
  assert.deepEqual(waits.slice(0, 8), [0, 999, 1_000, 1_000, 800, 12_000, 10_000, 10_000]);
  assert.equal(states.filter(({ name }) => name === "waiting").length, server.dials);
  await session.close();
  assert.equal(clock.timers, 0);
});

test("a waiting state says why, when and how often", async () => {
  const { clock, session } = begin({}, (server) => {
    server.isDown = true;
  });
  await settled();
  const { state } = session;
  assert.equal(state.name, "waiting");
  if (state.name !== "waiting") return;
  assert.equal(state.attempt, 1);
  assert.equal(state.retryAt, clock.uptime() + 250);
  assert.equal(state.cause.code, "dial_failed");
  assert.match(state.cause.message, /cannot connect to fake:: connection refused/);
  await session.close();
});

test("a connection that lasted makes the next loss the first; one that did not goes on doubling", async () => {
  const { server, clock, session } = begin();
  const bounds = async () => {
    server.conn.cut();
    await settled();
    const wait = session.state.name === "waiting" ? session.state.retryAt - clock.uptime() : Number.NaN;
    await clock.advance(wait);
    return wait * 2;
  };
  await settled();
  assert.deepEqual([await bounds(), await bounds(), await bounds()], [500, 1_000, 2_000]);
  await clock.advance(4_999);
  assert.equal(await bounds(), 4_000);
  await clock.advance(5_000);
  assert.equal(await bounds(), 500);
  await session.close();
});

test("the token is asked for before each connection", async () => {
  let asked = 0;
  const { server, clock, session } = begin({ token: async () => `token-${++asked}` });
  await settled();
  assert.equal(session.user, "token-1");
  server.conn.cut();
  await clock.advance(1_000);
  assert.equal(session.user, "token-2");
  await session.close();
});

test("a token that cannot be had is no reason to give up", async () => {
  let asked = 0;
  const token = () => {
    asked += 1;
    if (asked === 1) throw new Error("no network");
    return "ana";
  };
  const { clock, session, states } = begin({ token });
  await clock.advance(1_000);
  assert.equal(session.user, "ana");
  assert.ok(states[0]?.name === "waiting" && states[0].cause.code === "dial_failed");
  await session.close();
});

for (const code of ["unauthorized", "unsupported_version", "bad_command"] as const) {
  test(`connect answered with ${code} closes the session`, async () => {
    const { server, clock, session } = begin({}, (it) => {
      it.intercept = ({ type, id = 0 }) =>
        type === "connect" ? { type: "error", id, code, message: "no" } : undefined;
    });
    const room = session.channel("plaza:general");
    const publishing = room.publish("never");
    const iterating = room.subscribe().next();
    await assert.rejects(publishing, { name: "ChannelError", code: "closed" });
    await assert.rejects(iterating, { name: "SessionError", code });
    assert.ok(session.state.name === "closed" && session.state.cause?.code === code);
    await clock.advance(60_000);
    assert.equal(server.dials, 1);
  });
}

test("connect answered with not now is tried again, no sooner than the server says", async () => {
  const { server, clock, session } = begin({}, (it) => {
    it.intercept = ({ type, id = 0 }) =>
      type === "connect" && it.dials === 1
        ? { type: "error", id, code: "unavailable", message: "later", retryMs: 7_000 }
        : undefined;
  });
  await clock.advance(6_999);
  assert.equal(server.dials, 1);
  await clock.advance(1);
  assert.equal(session.state.name, "connected");
  await session.close();
});

test("final close codes end the session, the others do not", async () => {
  const codes = Object.values(CLOSE);
  const final: number[] = [];
  for (const code of codes) {
    const { server, clock, session } = begin();
    await settled();
    server.conn.cut(code, "because");
    await clock.advance(1_000);
    if (session.state.name === "closed") {
      final.push(code);
      assert.equal(session.state.cause?.closeCode, code);
      assert.equal(server.dials, 1);
    } else assert.equal(server.dials, 2);
    await session.close();
  }
  // Not 1000: without a `disconnect` before it, it is a stream that just ended.
  assert.deepEqual(final, [1002, 1003, 1007, 1009, 4400, 4401, 4429]);
});

test("a disconnect message decides whether to come back", async () => {
  for (const reconnect of [true, false]) {
    const { server, clock, session } = begin();
    await settled();
    server.conn.push({ type: "disconnect", code: 1000, reason: "moved", reconnect });
    await settled();
    server.conn.cut(1000);
    await clock.advance(1_000);
    assert.equal(session.state.name, reconnect ? "connected" : "closed");
    await session.close();
  }
});

test("an error names the server without user, password and query", async () => {
  for (const isDown of [true, false]) {
    const clock = new FakeClock();
    const server = new FakeServer();
    server.isDown = isDown;
    server.intercept = () => null;
    const url = "fake://ana:s3cret@a.example/?token=s3cret";
    const session = connect(url, { dial: server.dial, clock, timeoutMs: 2_000 });
    const causes: SessionError[] = [];
    session.onState((state) => {
      if (state.name === "waiting") causes.push(state.cause);
    });
    await clock.advance(2_000);
    const [cause] = causes;
    assert.equal(cause?.code, isDown ? "dial_failed" : "timeout");
    assert.match(cause.message, /fake:\/\/a\.example\/\?…/);
    assert.doesNotMatch(cause.message, /s3cret/);
    await session.close();
  }
});

test("a dial that never ends is canceled, and a connection that comes too late is dropped", async () => {
  const clock = new FakeClock();
  const server = new FakeServer();
  const late = withResolvers();
  const signals: AbortSignal[] = [];
  const session = connect("fake:", {
    clock,
    timeoutMs: 1_000,
    random: () => 0.999,
    async dial(url, options) {
      signals.push(options.signal);
      await late.promise;
      return server.dial(url, options);
    },
  });
  await clock.advance(1_000);
  assert.equal(signals[0]?.aborted, true);
  await session.close();
  late.resolve();
  await settled();
  assert.equal(server.conn.isOpen, false);
  assert.equal(server.conn.commands.length, 0);
});

test("reconnectNow ends the wait, and asks a connection for a sign of life", async () => {
  const { server, clock, session } = begin({ random: () => 0.99 }, (it) => {
    it.isDown = true;
  });
  await clock.advance(30_000);
  assert.equal(session.state.name, "waiting");
  server.isDown = false;
  session.reconnectNow();
  await settled();
  assert.equal(session.state.name, "connected");
  session.reconnectNow();
  await settled();
  assert.equal(server.conn.count("ping"), 1);
  const { dials } = server;
  await session.close();
  session.reconnectNow();
  await settled();
  assert.equal(server.dials, dials);
});

test("a page that is online again or looked at again connects at once", async () => {
  const page = new EventTarget();
  const document = Object.assign(new EventTarget(), { visibilityState: "hidden" });
  const globals = globalThis as unknown as Record<string, unknown>;
  globals["document"] = document;
  globals["addEventListener"] = page.addEventListener.bind(page);
  globals["removeEventListener"] = page.removeEventListener.bind(page);
  try {
    const { server, session } = begin({ random: () => 0.99 }, (it) => {
      it.isDown = true;
    });
    await settled();
    page.dispatchEvent(new Event("online"));
    await settled();
    assert.equal(server.dials, 2);
    document.dispatchEvent(new Event("visibilitychange"));
    await settled();
    assert.equal(server.dials, 2);
    document.visibilityState = "visible";
    document.dispatchEvent(new Event("visibilitychange"));
    await settled();
    assert.equal(server.dials, 3);
    await session.close();
    page.dispatchEvent(new Event("online"));
    await settled();
    assert.equal(server.dials, 3);
  } finally {
    for (const name of ["document", "addEventListener", "removeEventListener"]) delete globals[name];
  }
});

test("closing ends everything quietly, at any time", async () => {
  for (const turns of [0, 1, 2, 3, 4, 5, 6, 8, 10]) {
    const { session, clock, states } = begin({ token: async () => "ana" });
    const room = session.channel("plaza:general");
    const reading = room.subscribe({ last: 5 }).next();
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    const publishing = room.publish("x");
    const outcome = publishing.catch((error: unknown) => error);
    await Promise.all([session.close(), session.close()]);
    assert.deepEqual(await reading, { done: true, value: undefined });
    assert.equal(((await outcome) as { code?: string }).code, "closed");
    await settled();
    assert.deepEqual(states.at(-1), { name: "closed" });
    assert.equal(clock.timers, 0);
  }
});

test("a listener that closes the session while it connects is obeyed", async () => {
  const { server, session, clock } = begin();
  session.onState(() => void session.close());
  session.channel("plaza:general").subscribe();
  await settled();
  assert.equal(session.state.name, "closed");
  assert.deepEqual(
    server.conn.commands.map(({ type }) => type),
    ["connect"],
  );
  assert.equal(clock.timers, 0);
});

test("after the session is closed, calls say so", async () => {
  const { session } = begin();
  const room = session.channel("plaza:general");
  await session.close();
  await assert.rejects(room.publish("x"), { code: "closed", channel: "plaza:general" });
  await assert.rejects(room.history(), { code: "closed" });
  await assert.rejects(room.subscribe().next(), { code: "closed" });
});

test("a name that is none is refused", async () => {
  const { session } = begin();
  assert.throws(() => session.channel("no spaces"), {
    name: "TypeError",
    message: 'not a channel name: "no spaces"',
  });
  await session.close();
});

test("a listener can be taken back, and one that throws disturbs nobody", async () => {
  const uncaught: unknown[] = [];
  const globals = globalThis as { reportError?: (error: unknown) => void };
  globals.reportError = (error) => uncaught.push(error);
  try {
    const { session, names } = begin();
    let calls = 0;
    const stop = session.onState(() => calls++);
    session.onState(() => {
      throw new Error("in a listener");
    });
    await settled();
    stop();
    await session.close();
    assert.equal(calls, 1);
    assert.deepEqual(names(), ["connected", "closed"]);
    assert.deepEqual(uncaught.map(String), ["Error: in a listener", "Error: in a listener"]);
  } finally {
    delete globals.reportError;
  }
});

test("SessionError says what it knows", () => {
  const error = new SessionError("connection_lost", "gone", { closeCode: 1006 });
  assert.deepEqual(
    [error.name, error.code, error.closeCode, error.isFinal],
    ["SessionError", "connection_lost", 1006, false],
  );
});

function withResolvers() {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
