import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { ReadableStream, WritableStream } from "node:stream/web";
import { test } from "node:test";
import type { Message } from "@zocalo/net";
import { WebSocketError, WebSocketNetError, WebSocketStream } from "../src/index.ts";
import { accepting, echoAll, rawServer } from "./peers.ts";
import { rejection, streamErrorOf, upgrading } from "./websocket-stream-ends.ts";

test("messages go through both streams, and closing ends them", async () => {
  await using server = await accepting({ subprotocols: ["a"] });
  void echoAll(server.listener);
  const stream = new WebSocketStream(server.url, { protocols: ["a"] });
  assert.equal(stream.url, `${server.url}/`);
  const { readable, writable, protocol, extensions } = await stream.opened;
  assert.deepEqual([protocol, extensions], ["a", ""]);
  assert.ok(readable instanceof ReadableStream && writable instanceof WritableStream);
  const writer = writable.getWriter();
  const reader = readable.getReader();
  for (const message of ["uno", new Uint8Array([1, 2]), "tres"] satisfies Message[]) {
    await writer.write(message);
    assert.deepEqual((await reader.read()).value, message);
  }
  await writer.write(new Uint16Array([1, 2, 3]).subarray(1, 2));
  const { value } = await reader.read();
  assert.equal(value?.constructor, Uint8Array);
  assert.deepEqual(value, new Uint8Array([2, 0]));
  stream.close({ closeCode: 3000, reason: "fin" });
  assert.deepEqual(await stream.closed, { closeCode: 3000, reason: "" });
  assert.equal((await reader.read()).done, true);
  await assert.rejects(writer.ready, { name: "InvalidStateError" });
  await assert.rejects(writer.write("late"), { name: "InvalidStateError" });
  stream.close();
});

test("what is not read stops the server, and nothing is lost", async () => {
  await using server = await accepting();
  const accepted = server.listener.accept();
  const stream = new WebSocketStream(server.url, { receiveHighWaterBytes: 1000 });
  const { readable } = await stream.opened;
  const conn = await accepted;
  let sent = 0;
  const sending = (async () => {
    for (let i = 0; i < 2000; i++) {
      await conn.send(`${i}`.padEnd(5000));
      sent++;
    }
    await conn.close(1000, "all");
    return "sent";
  })();
  // Until the server is held back: its buffer has stopped to move.
  for (let before = -1; before !== sent || conn.bufferedAmount === 0; ) {
    before = sent;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.ok(sent < 2000);
  let count = 0;
  for await (const message of readable) assert.equal(Number(message), count++);
  assert.equal(count, 2000);
  assert.deepEqual(await stream.closed, { closeCode: 1000, reason: "all" });
  assert.equal(await sending, "sent");
});

test("a write waits for a peer that does not read", async () => {
  const sockets: Socket[] = [];
  await using server = await upgrading((socket) => {
    socket.pause();
    sockets.push(socket);
  });
  const stream = new WebSocketStream(`ws://127.0.0.1:${server.port}`);
  const { writable } = await stream.opened;
  const writer = writable.getWriter();
  assert.equal(writer.desiredSize, 1);
  let isWritten = false;
  const writing = writer.write(new Uint8Array(32_000_000)).then(() => {
    isWritten = true;
    return undefined;
  });
  assert.equal(writer.desiredSize, 0);
  for (let turns = 0; turns < 100; turns++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isWritten, false);
  for (const socket of sockets) socket.resume();
  await writing;
  await writer.ready;
});

test("what had arrived before the connection broke is read first", async () => {
  await using server = await upgrading((socket) =>
    socket.end(Buffer.from("\x81\x03uno\x81\x03dos\x81\x04tres", "latin1")),
  );
  const stream = new WebSocketStream(`ws://127.0.0.1:${server.port}`);
  const { readable } = await stream.opened;
  const reader = readable.getReader();
  for (const expected of ["uno", "dos", "tres"]) assert.equal((await reader.read()).value, expected);
  const error = await rejection(reader.read());
  assert.equal(error, await rejection(stream.closed));
  assert.equal(streamErrorOf(error).closeCode, 1006);
});

test("what cannot be sent rejects the write; what is no bytes is text", async () => {
  await using server = await accepting();
  const shared = new SharedArrayBuffer(8);
  const resizable = Reflect.construct(ArrayBuffer, [8, { maxByteLength: 16 }]) as ArrayBuffer;
  const unconvertible = {
    toString() {
      return this;
    },
  };
  const refused = [
    new Uint8Array(shared),
    shared,
    resizable,
    new Uint8Array(resizable),
    unconvertible,
    Symbol("s"),
  ];
  for (const chunk of refused) {
    const accepted = server.listener.accept();
    const stream = new WebSocketStream(server.url);
    const { writable } = await stream.opened;
    const conn = await accepted;
    const writer = writable.getWriter();
    const error = await rejection(writer.write(chunk as string));
    assert.ok(error instanceof TypeError);
    assert.equal(await rejection(writer.write("behind")), error);
    // Only the writable is errored.
    stream.close();
    assert.equal(await conn.receive(), null);
  }
  const accepted = server.listener.accept();
  const stream = new WebSocketStream(server.url);
  const { writable } = await stream.opened;
  const conn = await accepted;
  const writer = writable.getWriter();
  for (const chunk of [1, null, { a: 1 }, "a\ud800b"]) {
    await writer.write(chunk as string);
    assert.equal(await conn.receive(), "".concat(chunk as string).replace("\ud800", "\ufffd"));
  }
  // Once it was written it may be overwritten.
  const memory = new Uint8Array(300_000);
  for (const value of [1, 2, 3]) {
    await writer.write(memory.fill(value).buffer);
    memory.fill(9);
    const got = await conn.receive();
    assert.ok(
      got instanceof Uint8Array && got.length === memory.length && got.every((byte) => byte === value),
    );
  }
  await writer.close();
});

test("bad arguments of the constructor throw", () => {
  assert.equal(WebSocketStream.length, 1);
  const url = "ws://127.0.0.1:1";
  assert.throws(() => Reflect.construct(WebSocketStream, []), TypeError);
  for (const bad of ["invalid:", "/path", "ws://a#b", "ftp://a"]) {
    assert.throws(() => new WebSocketStream(bad), { name: "SyntaxError" });
  }
  for (const options of [true, 5, "x"]) {
    assert.throws(() => new WebSocketStream(url, options as unknown as object), TypeError);
  }
  for (const options of [{ protocols: "hi" }, { protocols: 5 }, { signal: {} }, { signal: "x" }]) {
    assert.throws(() => new WebSocketStream(url, options as object), TypeError);
  }
  for (const protocols of [["a", "A"], [""], ["a b"]]) {
    assert.throws(() => new WebSocketStream(url, { protocols }), { name: "SyntaxError" });
  }
});

test("a connection that cannot be made rejects opened and closed", async () => {
  await using server = await accepting({ path: "/ws" });
  void echoAll(server.listener);
  await using silent = await rawServer(() => undefined);
  const closing = new WebSocketStream(`ws://127.0.0.1:${silent.port}`);
  closing.close();
  const failing: [WebSocketStream, string][] = [
    [new WebSocketStream("ws://127.0.0.1:1"), "connect_failed"],
    [new WebSocketStream(server.url), "refused"],
    [new WebSocketStream(`${server.url}/ws`, { protocols: ["unknown"] }), "handshake_failed"],
    [new WebSocketStream(server.url, { sendHighWaterBytes: -1 }), "invalid_argument"],
    [closing, "canceled"],
  ];
  for (const [stream, code] of failing) {
    const opened = streamErrorOf(await rejection(stream.opened));
    const closed = streamErrorOf(await rejection(stream.closed));
    assert.deepEqual([opened.closeCode, closed.closeCode], [null, 1006]);
    assert.ok(opened.cause instanceof WebSocketNetError && opened.cause.code === code, String(opened.cause));
    assert.equal(closed.cause, opened.cause);
    stream.close();
  }
});

test("a signal cancels connecting with its reason, and does nothing afterwards", async () => {
  await using server = await accepting();
  void echoAll(server.listener);
  let connections = 0;
  await using silent = await rawServer(() => connections++);
  const early = new WebSocketStream(`ws://127.0.0.1:${silent.port}`, { signal: AbortSignal.abort() });
  for (const promise of [early.opened, early.closed]) await assert.rejects(promise, { name: "AbortError" });
  const controller = new AbortController();
  const { signal } = controller;
  const late = new WebSocketStream(`ws://127.0.0.1:${silent.port}`, { signal });
  while (connections === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(connections, 1);
  const reason = new Error("enough");
  controller.abort(reason);
  assert.equal(await rejection(late.opened), reason);
  assert.equal(await rejection(late.closed), reason);
  const after = new AbortController();
  const stream = new WebSocketStream(server.url, { signal: after.signal });
  const { readable, writable } = await stream.opened;
  after.abort();
  await writable.getWriter().write("connected");
  assert.equal((await readable.getReader().read()).value, "connected");
  stream.close();
  await stream.closed;
});

test("a WebSocketError is the proposal's WebSocketError", () => {
  const bare = new WebSocketError();
  assert.ok(bare instanceof DOMException && bare instanceof Error);
  assert.deepEqual(
    [bare.code, bare.name, bare.message, bare.closeCode, bare.reason, bare.cause],
    [0, "WebSocketError", "", null, "", undefined],
  );
  const full = new WebSocketError("message", { closeCode: 3456, reason: "reason\ud800" });
  assert.deepEqual([full.message, full.closeCode, full.reason], ["message", 3456, "reason\ufffd"]);
  assert.equal(new WebSocketError("", { closeCode: 3333 }).reason, "");
  assert.equal(new WebSocketError("", { reason: "specified" }).closeCode, 1000);
  assert.equal(new WebSocketError("", { reason: "" }).closeCode, null);
  for (const closeCode of [999, 1001, 2999, 5000]) {
    assert.throws(() => new WebSocketError("", { closeCode }), { name: "InvalidAccessError" });
  }
  for (const reason of ["x".repeat(124), "🔌".repeat(32)]) {
    assert.throws(() => new WebSocketError("", { reason }), { name: "SyntaxError" });
    assert.throws(() => new WebSocketError("", { closeCode: 1000, reason }), { name: "SyntaxError" });
  }
  assert.throws(() => new WebSocketError("", true as unknown as object), TypeError);
  assert.equal(Object.prototype.toString.call(bare), "[object WebSocketError]");
  assert.deepEqual([WebSocketError.name, WebSocketError.length], ["WebSocketError", 0]);
  assert.equal(Object.prototype.toString.call(WebSocketStream.prototype), "[object WebSocketStream]");
  for (const name of ["closeCode", "reason"]) assert.equal(Reflect.set(bare, name, 1), false);
  for (const name of ["url", "opened", "closed"]) {
    const descriptor = Object.getOwnPropertyDescriptor(WebSocketStream.prototype, name);
    assert.deepEqual([Reflect.get(descriptor ?? {}, "set"), descriptor?.enumerable], [undefined, true]);
  }
});
