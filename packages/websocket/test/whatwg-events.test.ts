import assert from "node:assert/strict";
import { test } from "node:test";
import { CloseEvent, MessageEvent, WebSocket } from "../src/index.ts";
import { accepting, rawServer, upgradeAnswer } from "./peers.ts";
import { next, pair, tagOf } from "./whatwg-sockets.ts";

test("an on… handler is kept if it is an object, called if it is a function, and keeps its place", async () => {
  const socket = new WebSocket("ws://127.0.0.1:1");
  const failed = new Promise((resolve) => setImmediate(resolve));
  for (const type of ["open", "message", "error", "close"] as const) {
    const name = `on${type}`;
    const calls: string[] = [];
    assert.equal(Reflect.get(socket, name), null);
    const object = { handleEvent: () => calls.push("handleEvent") };
    Reflect.set(socket, name, object);
    assert.equal(Reflect.get(socket, name), object);
    socket.addEventListener(type, () => calls.push("second"), { once: true });
    const event = new Event(type, { cancelable: true });
    socket.dispatchEvent(event);
    assert.deepEqual(calls, ["second"]);
    calls.length = 0;
    socket.addEventListener(type, () => calls.push("second"), { once: true });
    const handler = function (this: unknown, given: Event): boolean {
      assert.equal(this, socket);
      assert.equal(given.type, type);
      calls.push("first");
      return false;
    };
    Reflect.set(socket, name, handler);
    assert.equal(Reflect.get(socket, name), handler);
    const canceled = new Event(type, { cancelable: true });
    assert.equal(socket.dispatchEvent(canceled), false);
    assert.deepEqual(calls, ["first", "second"]);
    for (const none of [2, "text", undefined, null]) {
      Reflect.set(socket, name, handler);
      Reflect.set(socket, name, none);
      assert.equal(Reflect.get(socket, name), null);
    }
    calls.length = 0;
    // Once it was null it comes behind the others.
    socket.addEventListener(type, () => calls.push("second"), { once: true });
    Reflect.set(socket, name, handler);
    socket.dispatchEvent(new Event(type));
    assert.deepEqual(calls, ["second", "first"]);
    Reflect.set(socket, name, null);
  }
  await failed;
});

test("listeners are objects or functions, for once, or until a signal", async () => {
  await using server = await accepting();
  const [socket, conn] = await pair(server);
  const calls: string[] = [];
  const object = {
    handleEvent(event: Event) {
      assert.equal(this, object);
      calls.push(`object ${event.type}`);
    },
  };
  const controller = new AbortController();
  socket.addEventListener("message", object);
  socket.addEventListener("message", () => calls.push("once"), { once: true });
  socket.addEventListener("message", () => calls.push("until"), { signal: controller.signal });
  const two = new Promise<void>((resolve) => {
    socket.addEventListener("message", ({ data }) => {
      if (data === "one") controller.abort();
      else resolve();
    });
  });
  await conn.send("one");
  await conn.send("two");
  await two;
  assert.deepEqual(calls, ["object message", "once", "until", "object message"]);
  socket.removeEventListener("message", object);
  await conn.close();
});

test("what a listener awaits goes on before the next event", async () => {
  await using server = await rawServer((head, socket) => {
    // In one write with the answer: open, three messages, and the end.
    socket.end(`${upgradeAnswer(head)}\x81\x011\x81\x012\x81\x013\x88\x00`, "latin1");
  });
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}`);
  const seen: unknown[] = [];
  const listen = async (): Promise<void> => {
    await next(socket, "open");
    for (let i = 0; i < 3; i++) {
      for (let hop = 0; hop < 10; hop++) await Promise.resolve();
      seen.push((await next(socket, "message")).data);
    }
    for (let hop = 0; hop < 10; hop++) await Promise.resolve();
    seen.push((await next(socket, "close")).code);
  };
  await listen();
  assert.deepEqual(seen, ["1", "2", "3", 1005]);
});

test("events take what the DOM's take", () => {
  const options = { bubbles: true, cancelable: true, composed: true };
  const close = new CloseEvent("x", { ...options, wasClean: true, code: 7, reason: "a\ud800" });
  assert.ok(close instanceof Event && close instanceof CloseEvent);
  assert.deepEqual(
    [close.type, close.bubbles, close.cancelable, close.composed, close.wasClean, close.code, close.reason],
    ["x", true, true, true, true, 7, "a\ufffd"],
  );
  const message = new MessageEvent("y", { ...options, data: "d", origin: "o", lastEventId: "i" });
  assert.ok(message instanceof Event && message instanceof MessageEvent);
  assert.deepEqual(
    [
      message.bubbles,
      message.cancelable,
      message.composed,
      message.data,
      message.origin,
      message.lastEventId,
    ],
    [true, true, true, "d", "o", "i"],
  );
  const bareClose = new CloseEvent("x");
  assert.deepEqual(
    [
      bareClose.bubbles,
      bareClose.cancelable,
      bareClose.composed,
      bareClose.wasClean,
      bareClose.code,
      bareClose.reason,
    ],
    [false, false, false, false, 0, ""],
  );
  const bare = new MessageEvent("y", undefined);
  assert.deepEqual(
    [bare.bubbles, bare.data, bare.origin, bare.lastEventId, bare.source, bare.ports],
    [false, null, "", "", null, []],
  );
  const wide = new CloseEvent("x", { code: 65_536 + 1000, reason: 5 as unknown as string });
  assert.deepEqual([wide.code, wide.reason], [1000, "5"]);
  assert.deepEqual([tagOf(close), tagOf(message)], ["[object CloseEvent]", "[object MessageEvent]"]);
  assert.deepEqual([CloseEvent.name, MessageEvent.name], ["CloseEvent", "MessageEvent"]);
  assert.deepEqual([CloseEvent.length, MessageEvent.length], [1, 1]);
  for (const Class of [CloseEvent, MessageEvent]) {
    assert.throws(() => Reflect.construct(Class, []), TypeError);
    assert.throws(() => Reflect.construct(Class, ["x", 5]), TypeError);
    assert.doesNotThrow(() => Reflect.construct(Class, ["x", null]));
  }
  for (const name of ["wasClean", "code", "reason"]) {
    assert.equal(Reflect.set(close, name, 1), false);
    assert.ok(Object.getOwnPropertyDescriptor(CloseEvent.prototype, name)?.enumerable);
  }
  assert.equal(Reflect.set(message, "data", 1), false);
});
