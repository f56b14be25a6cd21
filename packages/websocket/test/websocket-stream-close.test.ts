import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { test } from "node:test";
import { WebSocketError, WebSocketNetError, WebSocketStream } from "../src/index.ts";
import { accepting, echoAll, ended } from "./peers.ts";
import { rejection, streamErrorOf, upgrading } from "./websocket-stream-ends.ts";

/** An unmasked Close frame. */
function closeFrame(code: number, reason = ""): Buffer {
  const words = Buffer.from(reason);
  return Buffer.concat([Buffer.from([0x88, 2 + words.length, code >> 8, code & 255]), words]);
}

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

test("cancel and abort say what a WebSocketError says, and nothing otherwise", async () => {
  await using server = await accepting();
  const impostor = Object.assign(new DOMException("yes", "DataCloneError"), {
    closeCode: 1000,
    reason: "no",
  });
  const reasons: [unknown, number, string][] = [
    [undefined, 1005, ""],
    [{ closeCode: 3333, reason: "obsolete" }, 1005, ""],
    [impostor, 1005, ""],
    [new WebSocketError(), 1005, ""],
    [new WebSocketError("", { closeCode: 3333 }), 3333, ""],
    [new WebSocketError("", { closeCode: 3456, reason: "set" }), 3456, "set"],
    [new WebSocketError("", { reason: "specified" }), 1000, "specified"],
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
async function brokenError(): Promise<WebSocketError> {
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
    assert.ok(error.cause instanceof WebSocketNetError && error.cause.code === "abnormal_closure");
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
