import assert from "node:assert/strict";
import { test } from "node:test";
import type { ReceivedCommand } from "@zocalo/protocol";
import { CallError, ChannelError } from "../src/index.ts";
import { begin, codeOf, cutAndReturn } from "./begin.ts";
import { settled } from "./fake-clock.ts";
import type { FakeServer } from "./fake-server.ts";

type Call = Extract<ReceivedCommand, { type: "call" }>;

/** Calls and cancellations that come, which nobody answers. */
function unanswered(server: FakeServer): { readonly calls: Call[]; readonly cancelled: number[] } {
  const seen = { calls: [] as Call[], cancelled: [] as number[] };
  server.intercept = (command) => {
    if (command.type === "call") seen.calls.push(command);
    if (command.type === "cancel") seen.cancelled.push(command.call);
    return command.type === "call" ? null : undefined;
  };
  return seen;
}

test("a call resolves with what the program gives: JSON, bytes or nothing", async () => {
  const { server, session } = begin();
  assert.deepEqual(await session.call("echo", { a: [1, "dos"] }), { a: [1, "dos"] });
  let seen: unknown;
  server.intercept = (command) => {
    if (command.type !== "call") return undefined;
    seen = { ...command };
    return { type: "result", id: command.id, bytes: "AP8=" } as never;
  };
  const bytes = new Uint8Array([1, 2]);
  const answer = session.call<Uint8Array>("shop.draw", bytes);
  bytes.fill(9);
  assert.deepEqual(await answer, new Uint8Array([0, 255]));
  const { id, deadlineMs, ...rest } = seen as Call;
  assert.ok(id > 0 && deadlineMs === 10_000);
  assert.deepEqual(rest, { type: "call", method: "shop.draw", data: new Uint8Array([1, 2]), json: "" });
  server.intercept = ({ type, id: of }) =>
    type === "call" ? { type: "result", ...(of && { id: of }) } : undefined;
  assert.equal(await session.call("nothing"), undefined);
  await assert.rejects(
    session.call("echo", () => 1),
    { name: "TypeError", message: /echo: JSON cannot say/ },
  );
  await session.close();
});

test("what the program refuses is a CallError, and what the protocol does a ChannelError", async () => {
  const { server, session } = begin();
  server.intercept = (command) =>
    command.type === "call"
      ? { type: "failed", id: command.id, code: "forbidden", message: "not you", data: { left: 0 } }
      : undefined;
  const failed = await session.call("shop.buy").catch((error: unknown) => error);
  assert.ok(failed instanceof CallError && !(failed instanceof ChannelError));
  const { code, method, data, message } = failed;
  assert.deepEqual(
    { code, method, data, message },
    { code: "forbidden", method: "shop.buy", data: { left: 0 }, message: "shop.buy: not you" },
  );
  for (const told of [
    "forbidden",
    "unknown_method",
    "rate_limited",
    "unavailable",
    "limit_reached",
  ] as const) {
    let times = 0;
    server.intercept = (command) => {
      if (command.type !== "call") return undefined;
      times++;
      return { type: "error", id: command.id, code: told, message: "so", retryMs: 1 };
    };
    const refused = await session.call("shop.buy").catch((error: unknown) => error);
    assert.ok(refused instanceof ChannelError);
    assert.deepEqual([refused.code, refused.channel, refused.message], [told, "shop.buy", "shop.buy: so"]);
    assert.equal(times, 1, "it is not sent again behind the caller's back");
  }
  server.intercept = (command) =>
    command.type === "call" ? { type: "published", id: command.id, epoch: "e", offset: 1 } : undefined;
  await assert.rejects(session.call("a"), { code: "internal", message: /answered with published/ });
  await session.close();
});

test("a call waits for a connection, and the server is told what is left of its time", async () => {
  const { server, clock, session } = begin({}, (it) => {
    it.isDown = true;
  });
  const { calls } = unanswered(server);
  const call = codeOf(session.call("a", 1, { deadlineMs: 5_000 }));
  const never = codeOf(session.call("b", 1, { deadlineMs: 100 }));
  await clock.advance(1_000);
  assert.equal(await never, "deadline_exceeded");
  server.isDown = false;
  session.reconnectNow();
  await settled();
  assert.deepEqual(
    calls.map(({ method, deadlineMs }) => [method, deadlineMs]),
    [["a", 4_000]],
  );
  await clock.advance(4_000);
  assert.equal(await call, "deadline_exceeded");
  await session.close();
});

test("a call that was sent and not answered is not sent again when the connection is lost", async () => {
  const { server, clock, session } = begin();
  const { calls } = unanswered(server);
  await settled();
  const sent = codeOf(session.call("a"));
  await settled();
  assert.equal(calls.length, 1);
  await cutAndReturn(server, clock);
  assert.equal(await sent, "connection_lost");
  assert.equal(session.state.name, "connected");
  assert.equal(calls.length, 1);
  await session.close();
});

test("a call whose time is over, or that is aborted, is cancelled at the server; its answer is nobody's", async () => {
  const { server, clock, session } = begin();
  const { calls, cancelled } = unanswered(server);
  await settled();
  const aborter = new AbortController();
  const reason = new Error("changed my mind");
  const aborted = session.call("a", 1, { signal: aborter.signal });
  const late = codeOf(session.call("b", 1, { deadlineMs: 100 }));
  await settled();
  aborter.abort(reason);
  await assert.rejects(aborted, reason);
  await clock.advance(100);
  assert.equal(await late, "deadline_exceeded");
  await settled();
  const ids = calls.map(({ id }) => id);
  assert.deepEqual(cancelled, ids);
  for (const id of ids) server.conn.push({ type: "error", id, code: "cancelled", message: "" });
  server.intercept = () => undefined;
  assert.equal(await session.call("echo", "still there"), "still there");
  await assert.rejects(session.call("a", 1, { signal: aborter.signal }), reason);
  await session.close();
});

test("calls that take long hold up neither publications nor each other, and are no sign of a dead server", async () => {
  const { server, clock, session, names } = begin();
  const { calls } = unanswered(server);
  await settled();
  const waiting = Array.from({ length: 200 }, (_, n) =>
    session.call<number>("slow", n, { deadlineMs: 60_000 }),
  );
  await settled();
  assert.equal(calls.length, 200);
  assert.equal((await session.channel("plaza:x").publish("on its way")).offset, 1);
  await clock.advance(50_000);
  assert.deepEqual(names(), ["connected"]);
  for (const { id, data } of calls.toReversed()) server.conn.push({ type: "result", id, data: data ?? null });
  assert.deepEqual(
    await Promise.all(waiting),
    waiting.map((_, n) => n),
  );
  await session.close();
});

test("a dead server is found while calls wait for it, and they are told", async () => {
  const { server, clock, session } = begin();
  await settled();
  server.intercept = () => null;
  const call = codeOf(session.call("slow", 1, { deadlineMs: 600_000 }));
  await settled();
  server.isDown = true;
  await clock.advance(60_000);
  assert.equal(session.state.name, "waiting");
  assert.equal(await call, "connection_lost");
  await session.close();
});

test("with the session calls are over: those that wait, those that were sent, and those that come", async () => {
  const { server, session } = begin();
  const { calls, cancelled } = unanswered(server);
  await settled();
  const sent = codeOf(session.call("a"));
  await settled();
  const large = codeOf(session.call("a", "x".repeat(100_000)));
  await session.close();
  const ids = calls.map(({ id }) => id);
  assert.deepEqual([cancelled, ids.length], [ids, 1], "the server need not find out by itself");
  assert.deepEqual(
    [await sent, await large, await codeOf(session.call("a"))],
    ["closed", "too_large", "closed"],
  );
});

test("a time that is none is refused at once", async () => {
  const { session } = begin();
  for (const deadlineMs of [0, -5, Number.NaN, Number.POSITIVE_INFINITY, "5" as never]) {
    await assert.rejects(session.call("echo", 1, { deadlineMs }), {
      name: "RangeError",
      message: /echo: a dead/,
    });
  }
  assert.equal(await session.call("echo", 1, { deadlineMs: 0.5 }), 1);
  await session.close();
});
