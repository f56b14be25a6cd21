import assert from "node:assert/strict";
import { once } from "node:events";
import { Socket } from "node:net";
import { Duplex, PassThrough } from "node:stream";
import { test } from "node:test";
import { TLSSocket } from "node:tls";
import { resetBehindEnd, resetSocket, tcpBelowTls } from "./reset.ts";
import { truncationOf, watchEnd } from "./tls-end.ts";
import { verifyErrorOf } from "./verify-error.ts";
import { takesSeveral } from "./write-past-queue.ts";
import { writeProgress } from "./write-progress.ts";

// What repairs Node cannot be switched off. Here it meets a Node that is made otherwise, beside one that is
// made as expected.

/** A socket whose insides are these. */
function socketWith(handle: object | null): Socket {
  const socket = new Socket();
  Reflect.set(socket, "_handle", handle);
  return socket;
}

/** Told its end, over a socket that has, or has not, been told one by the system. */
function endOver(secured: object | null, below: object | null): Error | undefined {
  const socket = socketWith(secured);
  watchEnd(socket, socketWith(below));
  socket.push(null);
  return truncationOf(socket);
}

test("an end without close_notify is told where the handles say so, and is an end where they are made otherwise", () => {
  const readStop = (): number => 0;
  const ended = { readStart: () => 0, readStop };
  const isBeingRead = { readStart: () => -114, readStop };
  assert.match(String(endOver({ reading: true }, ended)), /without close_notify/);
  assert.equal(endOver({ reading: true }, isBeingRead), undefined);
  for (const [secured, below] of [
    [null, ended],
    [{}, ended],
    [{ reading: true }, null],
    [{ reading: true }, { readStart: () => 0 }],
  ] as const) {
    assert.equal(endOver(secured, below), undefined);
  }
});

test("what OpenSSL says of a certificate is known where the handle tells it, and else nothing is", () => {
  const error = new Error("certificate has expired");
  const said = (handle: object | null): Error | undefined => verifyErrorOf(socketWith(handle) as TLSSocket);
  assert.equal(said({ verifyError: () => error }), error);
  for (const handle of [null, {}, { verifyError: () => null }, { verifyError: error }]) {
    assert.equal(said(handle), undefined);
  }
});

test("a reset behind unread bytes is told where the handle knows no peer, and is an end where nothing is known", () => {
  assert.match(String(resetBehindEnd(socketWith({ getpeername: () => -107, fd: -1 }))), /ECONNRESET/);
  assert.match(String(resetBehindEnd(socketWith({ getpeername: () => -107 }))), /ECONNRESET/);
  for (const handle of [null, {}, { getpeername: () => 0 }, { getpeername: true }]) {
    assert.equal(resetBehindEnd(socketWith(handle)), undefined);
  }
});

test("a TLS socket whose carrier is not found is destroyed in order, and so is a stream that is no socket", async () => {
  const secured = new TLSSocket(new PassThrough());
  Reflect.set(secured, "_parent", undefined);
  assert.equal(tcpBelowTls(secured), undefined);
  resetSocket(secured);
  assert.equal(secured.destroyed, true);
  const stream = new PassThrough();
  const failed = once(stream, "error");
  resetSocket(stream);
  assert.match(String(await failed), /aborted/);
});

test("of a write the handle says what is left, below TLS too; without one all of it is", () => {
  assert.equal(writeProgress(socketWith({ writeQueueSize: 3 }), 10).left, 3);
  assert.equal(writeProgress(socketWith({ writeQueueSize: 9, _parent: { writeQueueSize: 2 } }), 10).left, 2);
  for (const handle of [null, {}, { writeQueueSize: "3" }]) {
    assert.equal(writeProgress(socketWith(handle), 10).left, 10);
  }
});

test("parts go in one step to what takes several, and to nothing else", () => {
  assert.equal(takesSeveral(new Socket()), true);
  assert.equal(takesSeveral(new Duplex({ write: (_chunk, _encoding, done) => done() })), false);
  const several = new Duplex({ writev: (_chunks, done) => done() });
  assert.equal(takesSeveral(several), true);
});
