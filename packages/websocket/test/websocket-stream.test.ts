import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { ReadableStream, WritableStream } from "node:stream/web";
import { test } from "node:test";
import type { Message } from "@zocalo/net";
import { WebSocketError, WebSocketStream, WebSocketStreamError } from "../src/index.ts";
import { accepting, echoAll, ended, rawServer, upgradeAnswer } from "./peers.ts";

/** What a promise rejects with. */
function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => assert.fail("it resolved"),
    (error: unknown) => error,
  );
}

function streamErrorOf(error: unknown): WebSocketStreamError {
  assert.ok(error instanceof WebSocketStreamError, String(error));
  return error;
}

/** A server that answers the upgrade and then does what the test says. */
function upgrading(then: (socket: Socket) => void): ReturnType<typeof rawServer> {
  return rawServer((head, socket) => {
    socket.write(upgradeAnswer(head));
    then(socket);
  });
}

/** An unmasked Close frame. */
function closeFrame(code: number, reason = ""): Buffer {
  const words = Buffer.from(reason);
  return Buffer.concat([Buffer.from([0x88, 2 + words.length, code >> 8, code & 255]), words]);
}

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

test("close says what it was given; without a code it sends an empty Close frame", async () => {
  await using server = await accepting();
  const closings: [Parameters<WebSocketStream["close"]>, number, string][] = [
    [[], 1005, ""],
    [[undefined], 1005, ""],
    [[{}], 1005, ""],
    [[{ reason: "" }], 1005, ""],
    [[{ reason: "non-empty" }], 1000, "non-empty"],
    [[{ closeCode: 1000 }], 1000, ""],
    [[{ closeCode: 3456, reason: "pizza" }], 3456, "pizza"],
    [[{ closeCode: "4999" as unknown as number, reason: 5 as unknown as string }], 4999, "5"],
  ];
  for (const [args, code, reason] of closings) {
    const accepted = server.listener.accept();
    const stream = new WebSocketStream(server.url);
    await stream.opened;
    const told = ended(await accepted);
    stream.close(...args);
    const info = await told;
    assert.deepEqual([info.code, info.reason, info.wasClean], [code, reason, true]);
    assert.equal((await stream.closed).closeCode, code);
  }
});

test("a wrong close throws at once, and changes nothing", async () => {
  await using server = await accepting();
  void echoAll(server.listener);
  const stream = new WebSocketStream(server.url);
  const check = (): void => {
    for (const closeCode of [0, 999, 1001, 1005, 1006, 2999, 5000]) {
      assert.throws(() => stream.close({ closeCode }), { name: "InvalidAccessError" });
    }
    for (const closeCode of [-1, 65_536, Number.NaN, "x", Number.POSITIVE_INFINITY, 1000n]) {
      assert.throws(() => stream.close({ closeCode: closeCode as number }), TypeError);
    }
    assert.throws(() => stream.close({ reason: "x".repeat(124) }), { name: "SyntaxError" });
    assert.throws(() => stream.close({ closeCode: 1000, reason: "ñ".repeat(62) }), { name: "SyntaxError" });
    for (const info of [true, "x", 5])
      assert.throws(() => stream.close(info as unknown as object), TypeError);
  };
  check();
  const { readable, writable } = await stream.opened;
  check();
  const writer = writable.getWriter();
  await writer.write("still open");
  assert.equal((await readable.getReader().read()).value, "still open");
  stream.close();
  check();
  assert.equal((await stream.closed).closeCode, 1005);
  check();
});

test("closing the writable waits for the closing handshake", async () => {
  const sockets: Socket[] = [];
  await using server = await upgrading((socket) => sockets.push(socket));
  const stream = new WebSocketStream(`ws://127.0.0.1:${server.port}`);
  const { writable, readable } = await stream.opened;
  const [socket] = sockets;
  assert.ok(socket);
  let isClosed = false;
  const closing = writable.close().then(() => {
    isClosed = true;
    return undefined;
  });
  // An empty Close frame, masked.
  const [frame] = (await once(socket, "data")) as [Buffer];
  assert.deepEqual([...frame.subarray(0, 2)], [0x88, 0x80]);
  assert.equal(isClosed, false);
  socket.end(closeFrame(4321, "bye"));
  await closing;
  assert.deepEqual(await stream.closed, { closeCode: 4321, reason: "bye" });
  assert.equal((await readable.getReader().read()).done, true);
});

test("cancel and abort say what a WebSocketStreamError says, and nothing otherwise", async () => {
  await using server = await accepting();
  const impostor = Object.assign(new DOMException("yes", "DataCloneError"), {
    closeCode: 1000,
    reason: "no",
  });
  const reasons: [unknown, number, string][] = [
    [undefined, 1005, ""],
    [{ closeCode: 3333, reason: "obsolete" }, 1005, ""],
    [impostor, 1005, ""],
    [new WebSocketStreamError(), 1005, ""],
    [new WebSocketStreamError("", { closeCode: 3333 }), 3333, ""],
    [new WebSocketStreamError("", { closeCode: 3456, reason: "set" }), 3456, "set"],
    [new WebSocketStreamError("", { reason: "specified" }), 1000, "specified"],
    [await brokenError(), 1005, ""],
  ];
  for (const [reason, code, words] of reasons) {
    for (const side of ["cancel", "abort"] as const) {
      const accepted = server.listener.accept();
      const stream = new WebSocketStream(server.url);
      const { readable, writable } = await stream.opened;
      const conn = await accepted;
      await conn.send("nobody reads this");
      const told = ended(conn);
      if (side === "cancel") await readable.cancel(reason);
      else await writable.abort(reason);
      const info = await told;
      assert.deepEqual([info.code, info.reason, info.wasClean], [code, words, true], side);
      assert.equal((await stream.closed).closeCode, code);
    }
  }
});

/** The error of a connection that broke: its 1006 may not be sent to another. */
async function brokenError(): Promise<WebSocketStreamError> {
  await using server = await upgrading((socket) => socket.resetAndDestroy());
  const stream = new WebSocketStream(`ws://127.0.0.1:${server.port}`);
  return streamErrorOf(await rejection(stream.closed));
}

test("a server's close closes the readable and gives its code and reason", async () => {
  for (const [frame, closeCode, reason] of [
    [closeFrame(1000), 1000, ""],
    [Buffer.from([0x88, 0]), 1005, ""],
    [closeFrame(4000, "ロボット"), 4000, "ロボット"],
  ] as const) {
    await using server = await upgrading((socket) => socket.end(frame));
    const stream = new WebSocketStream(`ws://127.0.0.1:${server.port}`);
    const { readable, writable } = await stream.opened;
    assert.deepEqual(await stream.closed, { closeCode, reason });
    assert.equal((await readable.getReader().read()).done, true);
    await assert.rejects(writable.getWriter().ready, { name: "InvalidStateError" });
  }
});

test("of two who close at once the server's words count", async () => {
  const sockets: Socket[] = [];
  await using server = await upgrading((socket) => sockets.push(socket));
  const stream = new WebSocketStream(`ws://127.0.0.1:${server.port}`);
  await stream.opened;
  stream.close({ closeCode: 4111, reason: "local" });
  for (const socket of sockets) socket.end(closeFrame(4222, "remote"));
  assert.deepEqual(await stream.closed, { closeCode: 4222, reason: "remote" });
});

test("a broken connection errors both streams and closed with one error", async () => {
  for (const breakOff of [(socket: Socket) => socket.end(), (socket: Socket) => socket.resetAndDestroy()]) {
    const sockets: Socket[] = [];
    await using server = await upgrading((socket) => sockets.push(socket));
    const stream = new WebSocketStream(`ws://127.0.0.1:${server.port}`);
    const { readable, writable } = await stream.opened;
    const reader = readable.getReader();
    const reading = rejection(reader.read());
    for (const socket of sockets) breakOff(socket);
    const error = streamErrorOf(await rejection(stream.closed));
    assert.deepEqual([error.name, error.closeCode, error.reason], ["WebSocketError", 1006, ""]);
    assert.ok(error.cause instanceof WebSocketError && error.cause.code === "abnormal_closure");
    assert.equal(await reading, error);
    const writer = writable.getWriter();
    assert.equal(await rejection(writer.ready), error);
    assert.equal(await rejection(writer.write("late")), error);
    assert.equal(await rejection(writer.closed), error);
  }
});

test("a closing handshake that the server does not complete is unclean", async () => {
  await using server = await upgrading((socket) => socket.on("data", () => socket.destroy()));
  const stream = new WebSocketStream(`ws://127.0.0.1:${server.port}`);
  const { writable } = await stream.opened;
  const closing = rejection(writable.close());
  const error = streamErrorOf(await rejection(stream.closed));
  assert.equal(error.closeCode, 1006);
  assert.equal(await closing, error);
});

test("a connection that breaks in a write rejects the write with the error of closed", async () => {
  const sockets: Socket[] = [];
  await using server = await upgrading((socket) => {
    socket.pause();
    sockets.push(socket);
  });
  const stream = new WebSocketStream(`ws://127.0.0.1:${server.port}`);
  const { writable, readable } = await stream.opened;
  const writer = writable.getWriter();
  const writing = rejection(writer.write(new Uint8Array(16_000_000)));
  for (const socket of sockets) socket.resetAndDestroy();
  const error = streamErrorOf(await rejection(stream.closed));
  assert.equal(error.closeCode, 1006);
  assert.equal(await writing, error);
  assert.equal(await rejection(writer.write("late")), error);
  assert.equal(await rejection(readable.getReader().read()), error);
});

test("a write that the server's close cuts off makes the close unclean, with the server's code", async () => {
  await using server = await upgrading((socket) => {
    socket.pause();
    socket.write(closeFrame(4567));
  });
  const stream = new WebSocketStream(`ws://127.0.0.1:${server.port}`, { closeTimeoutMs: 100 });
  const { readable, writable } = await stream.opened;
  const writer = writable.getWriter();
  const writing = rejection(writer.write(new Uint8Array(20_000_000)));
  const error = streamErrorOf(await rejection(stream.closed));
  assert.equal(error.closeCode, 4567);
  assert.equal(await rejection(readable.getReader().read()), error);
  const cut = await writing;
  assert.ok(cut instanceof DOMException && cut.name === "InvalidStateError");
  // The stream is errored with the same object.
  assert.equal(await rejection(writer.write("word")), cut);
  assert.equal(await rejection(writer.closed), cut);
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

test("after close nothing more comes than what was in the stream", async () => {
  await using server = await accepting();
  const accepted = server.listener.accept();
  const stream = new WebSocketStream(server.url);
  const { readable } = await stream.opened;
  const conn = await accepted;
  for (const message of ["uno", "dos", "tres"]) await conn.send(message);
  await conn.ping(); // All of them have arrived.
  stream.close();
  const reader = readable.getReader();
  assert.equal((await reader.read()).value, "uno");
  assert.equal((await reader.read()).done, true);
  assert.equal((await stream.closed).closeCode, 1005);
});

test("what is written after close is refused", async () => {
  await using server = await upgrading(() => undefined);
  const stream = new WebSocketStream(`ws://127.0.0.1:${server.port}`);
  const { writable } = await stream.opened;
  stream.close();
  const writer = writable.getWriter();
  await assert.rejects(writer.write("late"), { name: "InvalidStateError" });
  server.end();
  assert.equal(streamErrorOf(await rejection(stream.closed)).closeCode, 1006);
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
    assert.ok(opened.cause instanceof WebSocketError && opened.cause.code === code, String(opened.cause));
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

test("a WebSocketStreamError is the proposal's WebSocketError", () => {
  const bare = new WebSocketStreamError();
  assert.ok(bare instanceof DOMException && bare instanceof Error);
  assert.deepEqual(
    [bare.code, bare.name, bare.message, bare.closeCode, bare.reason, bare.cause],
    [0, "WebSocketError", "", null, "", undefined],
  );
  const full = new WebSocketStreamError("message", { closeCode: 3456, reason: "reason\ud800" });
  assert.deepEqual([full.message, full.closeCode, full.reason], ["message", 3456, "reason\ufffd"]);
  assert.equal(new WebSocketStreamError("", { closeCode: 3333 }).reason, "");
  assert.equal(new WebSocketStreamError("", { reason: "specified" }).closeCode, 1000);
  assert.equal(new WebSocketStreamError("", { reason: "" }).closeCode, null);
  for (const closeCode of [999, 1001, 2999, 5000]) {
    assert.throws(() => new WebSocketStreamError("", { closeCode }), { name: "InvalidAccessError" });
  }
  for (const reason of ["x".repeat(124), "🔌".repeat(32)]) {
    assert.throws(() => new WebSocketStreamError("", { reason }), { name: "SyntaxError" });
    assert.throws(() => new WebSocketStreamError("", { closeCode: 1000, reason }), { name: "SyntaxError" });
  }
  assert.throws(() => new WebSocketStreamError("", true as unknown as object), TypeError);
  assert.equal(Object.prototype.toString.call(bare), "[object WebSocketError]");
  assert.deepEqual([WebSocketStreamError.name, WebSocketStreamError.length], ["WebSocketError", 0]);
  assert.equal(Object.prototype.toString.call(WebSocketStream.prototype), "[object WebSocketStream]");
  for (const name of ["closeCode", "reason"]) assert.equal(Reflect.set(bare, name, 1), false);
  for (const name of ["url", "opened", "closed"]) {
    const descriptor = Object.getOwnPropertyDescriptor(WebSocketStream.prototype, name);
    assert.deepEqual([Reflect.get(descriptor ?? {}, "set"), descriptor?.enumerable], [undefined, true]);
  }
});
