import assert from "node:assert/strict";
import { test } from "node:test";
import type { Listener, MessageConn } from "@zocalo/net";
import { ProtocolError } from "@zocalo/protocol";
import { Hub, MemoryEngine } from "../src/index.ts";
import { settle } from "./fake-clock.ts";
import { FakeConn } from "./fake-conn.ts";
import { namespaces, square } from "./square.ts";

test("a publication reaches every subscriber on every transport, with the offset its publisher is told", async () => {
  const { hub, conn } = square();
  const conns = [conn({ transport: "websocket" }), conn({ transport: "tcp" }), conn({ transport: "udp" })];
  for (const one of conns) await one.ask({ type: "subscribe", guest: true, channel: "plaza:general" });
  const [ana] = conns;
  assert.ok(ana);
  const published = await ana.ask({ type: "publish", channel: "plaza:general", data: { text: "hola" } });
  assert.equal(published.type === "published" && published.offset, 1);
  for (const one of conns) {
    assert.deepEqual(
      one.all("publication").map(({ channel, offset, data }) => [channel, offset, data]),
      [["plaza:general", 1, { text: "hola" }]],
    );
  }
  await hub.close();
});

test("the server publishes where nobody else may, as itself or in a name it gives", async () => {
  const { hub, conn } = square();
  const ana = conn();
  await ana.ask({ type: "subscribe", channel: "news:today" });
  const first = await hub.publish("news:today", "one", { key: "k" });
  const again = await hub.publish("news:today", "one", { key: "k" });
  await hub.publish("news:today", ["two"], { user: "editor", info: { name: "Ed" } });
  assert.deepEqual([first.offset, again.offset, again.duplicate], [1, 1, true]);
  assert.deepEqual(
    ana.all("publication").map(({ user, info, data }) => [user, info, data]),
    [
      ["server", undefined, "one"],
      ["editor", { name: "Ed" }, ["two"]],
    ],
  );
  assert.equal(hub.stats().published, 2);
  await hub.close();
});

test("the server's own publications are checked too", async () => {
  const { hub } = square();
  const isRefusedWith =
    (code: string) =>
    (error: unknown): boolean =>
      error instanceof ProtocolError && error.code === code;
  await assert.rejects(hub.publish("nowhere:x", 1), isRefusedWith("unknown_channel"));
  await assert.rejects(hub.publish('plaza:"', 1), isRefusedWith("bad_command"));
  await assert.rejects(hub.publish("plaza:x", undefined as never), isRefusedWith("bad_command"));
  await assert.rejects(hub.publish("plaza:x", "x".repeat(49_151)), isRefusedWith("too_large"));
  assert.equal((await hub.publish("plaza:x", "x".repeat(49_150))).offset, 1);
  await hub.close();
});

test("the server publishes JSON text as it is, on one line", async () => {
  const { hub, conn } = square();
  const ana = conn();
  await ana.ask({ type: "subscribe", channel: "news:today" });
  const options = { user: "editor", key: "k" };
  const json = '{"id":1688888483063664642,\r\n"a":1e400,"a":-0}';
  await hub.publishJson("news:today", json, options);
  assert.equal((await hub.publishJson("news:today", json, options)).duplicate, true);
  assert.ok(
    ana.texts.at(-1)?.endsWith(',"user":"editor","data":{"id":1688888483063664642,  "a":1e400,"a":-0}}'),
    ana.texts.at(-1),
  );
  const refusals = [
    ["{a:1}", "bad_command"],
    ['1,"key":"k"', "bad_command"],
    [undefined as never, "bad_command"],
    ['"\ud800"', "bad_command"],
    [`[${"[".repeat(64)}${"]".repeat(64)}]`, "bad_command"],
    [`"${"x".repeat(49_151)}"`, "too_large"],
  ] as const;
  for (const [text, code] of refusals) {
    await assert.rejects(hub.publishJson("news:today", text), { name: "ProtocolError", code }, text);
  }
  assert.equal((await hub.publishJson("news:today", `"${"x".repeat(49_150)}"`)).offset, 2);
  await hub.close();
});

test("one connection past the limit is told that the server is full", async () => {
  const { hub, conn } = square({ limits: { sessions: 2 } });
  const [ana, ben, eve] = [conn(), conn(), conn()];
  assert.equal((await eve.untilClosed()).code, 1013);
  assert.deepEqual(eve.received, [
    { type: "disconnect", code: 1013, reason: "the server is full", reconnect: true },
  ]);
  assert.equal(ana.closed, undefined);
  ben.cut();
  assert.equal((await conn().ask({ type: "ping" })).type, "pong");
  await hub.close();
});

test("serve takes every connection and ends with the listener; closing the hub closes it", async () => {
  const { hub } = square();
  const queue = makeListener();
  const served = hub.serve(queue.listener);
  const ana = new FakeConn();
  queue.add(ana);
  assert.equal((await ana.ask({ type: "ping" })).type, "pong");
  await hub.close();
  await served;
  assert.equal(ana.closed?.code, 1001);
  assert.deepEqual(queue.calls, ["close", "drain"]);
});

test("a listener that comes after the hub was closed is closed", async () => {
  const { hub } = square();
  await hub.close();
  const queue = makeListener();
  await hub.serve(queue.listener);
  assert.deepEqual(queue.calls, ["close"]);
  const late = new FakeConn();
  hub.accept(late);
  assert.equal((await late.untilClosed()).code, 1001);
});

test("closing tells every session to go away; what does not end until the deadline is aborted", async () => {
  const { hub, conn, clock } = square();
  const [ana, stuck] = [conn(), conn()];
  stuck.closeHangs = true;
  await ana.ask({ type: "subscribe", channel: "plaza:a" });
  const closing = hub.close({ deadline: clock.wall() + 1_000 });
  assert.equal(hub.close(), closing);
  assert.deepEqual(ana.received.at(-1), {
    type: "disconnect",
    code: 1001,
    reason: "the server is closing",
    reconnect: true,
  });
  assert.equal(ana.closed?.code, 1001);
  assert.ok(!isClosed(stuck));
  clock.advance(1_000);
  await closing;
  assert.equal(stuck.closed?.code, 1006);
  assert.deepEqual([hub.stats().sessions, hub.stats().subscriptions, hub.stats().channels], [0, 0, 0]);
});

test("what a connection held is let go of when it breaks", async () => {
  const { hub, conn } = square();
  const ana = conn();
  await ana.ask({ type: "subscribe", channel: "plaza:a" });
  await ana.ask({ type: "subscribe", channel: "plaza:b" });
  assert.deepEqual([hub.stats().subscriptions, hub.stats().channels], [2, 2]);
  ana.cut();
  const { sessions, subscriptions, channels } = hub.stats();
  assert.deepEqual([sessions, subscriptions, channels], [0, 0, 0]);
  await hub.close();
});

function isClosed({ closed }: FakeConn): boolean {
  return closed !== undefined;
}

/** A listener in memory. */
function makeListener(): { listener: Listener<MessageConn>; add(conn: MessageConn): void; calls: string[] } {
  const calls: string[] = [];
  const waiting: MessageConn[] = [];
  let wake: (() => void) | undefined;
  let isClosed = false;
  const close = async (): Promise<void> => {
    isClosed = true;
    wake?.();
  };
  const listener: Listener<MessageConn> = {
    addr: { network: "pipe", toString: () => "pipe" },
    async accept() {
      throw new Error("the hub iterates");
    },
    async close() {
      calls.push("close");
      await close();
    },
    async drain() {
      calls.push("drain");
    },
    async abort() {
      await close();
    },
    unref() {},
    ref() {},
    async *[Symbol.asyncIterator]() {
      while (!isClosed) {
        const next = waiting.shift();
        if (next) yield next;
        else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    },
    [Symbol.asyncDispose]: close,
  };
  return {
    listener,
    calls,
    add(conn) {
      waiting.push(conn);
      wake?.();
    },
  };
}

/** Accepts nobody. */
function brokenListener(failure: Error): Listener<MessageConn> {
  return {
    addr: { network: "pipe", toString: () => "pipe" },
    close: () => Promise.resolve(),
    drain: () => Promise.resolve(),
    [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(failure) }),
  } as unknown as Listener<MessageConn>;
}

test("an engine that is still closing at the deadline is left to, and what becomes of it is told", async () => {
  let fail: (error: Error) => void = () => undefined;
  class StuckEngine extends MemoryEngine {
    override async close(): Promise<void> {
      await super.close();
      await new Promise((_, reject) => (fail = reject));
    }
  }
  const { hub, clock, errors } = square({ engine: new StuckEngine() });
  let isClosed = false;
  const closing = hub.close({ deadline: clock.wall() + 1_000 }).then(() => (isClosed = true));
  await settle();
  clock.advance(999);
  await settle();
  assert.equal(isClosed, false);
  clock.advance(1);
  await closing;
  assert.match(String(errors), /^Error: the engine has not closed by the deadline/);
  const failure = new Error("it failed after that");
  fail(failure);
  await settle();
  assert.equal(errors[1], failure);
});

test("a peer that does not go leaves the engine a fifth of the time to close", async () => {
  let closed: () => void = () => undefined;
  class SlowEngine extends MemoryEngine {
    override async close(): Promise<void> {
      await super.close();
      await new Promise<void>((resolve) => (closed = resolve));
    }
  }
  const { hub, conn, clock, errors } = square({ engine: new SlowEngine() });
  const ana = conn();
  ana.closeHangs = true;
  const closing = hub.close({ deadline: clock.wall() + 1_000 });
  clock.advance(799);
  await settle();
  assert.equal(ana.closed, undefined);
  clock.advance(1);
  await settle();
  assert.ok(ana.closed);
  clock.advance(199);
  await settle();
  closed();
  await closing;
  assert.deepEqual(errors, []);
});

test("a listener that breaks down is told to onError, and nobody has to wait for serve", async () => {
  const { hub, errors } = square();
  const broken = new Error("the source broke");
  const listener = brokenListener(broken);
  void hub.serve(listener);
  await assert.rejects(hub.serve(listener), broken);
  assert.deepEqual(errors, [broken, broken]);
  await hub.close();
});

test("without onError a failure is shown with its stack and causes, and moves no cursor", async (t) => {
  const { mock } = t.mock.method(console, "error", () => undefined);
  const hub = new Hub({ namespaces });
  const broken = new Error("\x1b[2J\u202e", { cause: new Error("\x9b31m") });
  await assert.rejects(hub.serve(brokenListener(broken)), broken);
  await hub.close();
  const [shown = "", ...more] = mock.calls.map((call) => String(call.arguments));
  assert.deepEqual(more, []);
  assert.match(shown, /^zocalo hub: Error: \\x1b\[2J\\u202e\n {4}at /);
  assert.match(shown, /Error: \\x9b31m\n/);
  // oxlint-disable-next-line no-control-regex
  assert.doesNotMatch(shown, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
});
