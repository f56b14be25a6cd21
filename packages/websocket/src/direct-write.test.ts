/* oxlint-disable no-underscore-dangle -- Node's names */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, Socket } from "node:net";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import {
  canWriteDirectly,
  type DirectWriter,
  setHandleWrites,
  usesHandle,
  writeDirectly,
} from "./direct-write.ts";

/** A socket that was accepted, and its peer, which is not read. */
async function connected(): Promise<{ socket: Socket; peer: Socket }> {
  const server = createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const accepted = once(server, "connection");
  const peer = connect((server.address() as AddressInfo).port, "127.0.0.1");
  await once(peer, "connect");
  const [socket] = (await accepted) as [Socket];
  server.close();
  return { socket, peer };
}

/** Resolves when what was written is gone, or rejects. */
function leaving(): { writer: DirectWriter; gone: Promise<void> } {
  const writer: DirectWriter = { left: () => undefined };
  const gone = new Promise<void>((resolve, reject) => {
    writer.left = (error) => (error ? reject(error) : resolve());
  });
  return { writer, gone };
}

const nobody: DirectWriter = {
  left: () => assert.fail("the write was over at once"),
};

async function bytesOf(peer: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of peer) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Whether this Node makes a request for each write. From 26.10 on it makes one only for what the system does not take at once: the saving is its own. */
function makesRequests(): boolean {
  let request: unknown;
  const probe = new Socket();
  const handle = {
    writeBuffer(given: unknown): number {
      request = given;
      throw new Error("seen");
    },
  };
  Reflect.set(probe, "_handle", handle);
  assert.throws(() =>
    // oxlint-disable-next-line no-underscore-dangle -- Node's name
    Socket.prototype._write.call(probe, Buffer.from("1"), "buffer" as BufferEncoding, noop),
  );
  Reflect.set(probe, "_handle", null);
  return request !== null;
}

test("bytes are given to a socket's handle where that spares a request", async (t) => {
  const { socket, peer } = await connected();
  t.after(() => {
    socket.destroy();
    peer.destroy();
  });
  assert.equal(usesHandle(socket), makesRequests());
  assert.equal(usesHandle(new PassThrough()), false);
});

for (const way of ["handle", "stream"] as const) {
  test(`pieces are not joined, nor copied (${way})`, async (t) => {
    setHandleWrites(way === "handle");
    t.after(() => setHandleWrites(true));
    const { socket, peer } = await connected();
    const concat = t.mock.method(Buffer, "concat");
    const pieces = Array.from({ length: 4 }, (_, i) => Buffer.alloc(1_000_000, i));
    const lost = leaving();
    lost.gone.catch(() => undefined);
    assert.equal(writeDirectly(socket, pieces, lost.writer), false);
    assert.equal(concat.mock.callCount(), 0);
    socket.destroy();
    peer.destroy();
  });
}

for (const way of ["handle", "stream"] as const) {
  test(`bytes, pieces and text leave at once, in order with what the stream writes (${way})`, async (t) => {
    setHandleWrites(way === "handle");
    t.after(() => setHandleWrites(true));
    const { socket, peer } = await connected();
    assert.equal(canWriteDirectly(socket), true);
    assert.equal(writeDirectly(socket, "ñ1", nobody), true);
    assert.equal(writeDirectly(socket, Buffer.from("2"), nobody), true);
    assert.equal(writeDirectly(socket, [Buffer.from("3"), new Uint8Array([52])], nobody), true);
    assert.equal(socket.writableLength, 0);
    socket.end("5");
    assert.equal((await bytesOf(peer)).toString("latin1"), "ñ12345");
  });

  test(`what the system does not take at once is told when it is gone (${way})`, async (t) => {
    setHandleWrites(way === "handle");
    t.after(() => setHandleWrites(true));
    const { socket, peer } = await connected();
    const large = Buffer.alloc(16_777_216);
    for (let i = 0; i < large.length; i++) large[i] = i % 251;
    const first = leaving();
    assert.equal(
      writeDirectly(socket, [large.subarray(0, 1_000_000), large.subarray(1_000_000)], first.writer),
      false,
    );
    const received = bytesOf(peer);
    await first.gone;
    // A request that went on is not used again while the next one is under way.
    const second = leaving();
    const third = leaving();
    if (!writeDirectly(socket, large, second.writer)) await second.gone;
    if (writeDirectly(socket, large, third.writer)) third.writer.left();
    await third.gone;
    socket.end();
    assert.deepEqual(await received, Buffer.concat([large, large, large]));
  });

  test(`a write that fails is told, with the system's error (${way})`, async (t) => {
    setHandleWrites(way === "handle");
    t.after(() => setHandleWrites(true));
    const { socket, peer } = await connected();
    socket.on("error", () => undefined);
    const large = Buffer.alloc(16_777_216);
    const lost = leaving();
    assert.equal(writeDirectly(socket, large, lost.writer), false);
    peer.resetAndDestroy();
    await assert.rejects(lost.gone, { syscall: "write", code: /^(ECONNRESET|EPIPE)$/ });
    const refused = leaving();
    assert.equal(writeDirectly(socket, Buffer.from("1"), refused.writer), false);
    await assert.rejects(refused.gone, Error);
    socket.destroy();
  });
}

for (const way of ["handle", "stream"] as const) {
  test(`a write keeps a socket with an idle timeout from being idle (${way})`, async (t) => {
    setHandleWrites(way === "handle");
    t.after(() => setHandleWrites(true));
    const { socket, peer } = await connected();
    let refreshed = 0;
    Reflect.set(socket, "_unrefTimer", () => refreshed++);
    writeDirectly(socket, Buffer.from("1"), nobody);
    assert.equal(refreshed, 1);
    socket.destroy();
    peer.destroy();
  });
}

test("streams of another kind, and sockets whose writing somebody has replaced, are left alone", () => {
  assert.equal(canWriteDirectly(new PassThrough()), false);
  const socket = connect({ port: 1, host: "127.0.0.1", lookup: () => undefined });
  socket.on("error", () => undefined);
  Reflect.set(socket, "_write", () => undefined);
  assert.equal(canWriteDirectly(socket), false);
  socket.destroy();
});

function noop(): void {}
