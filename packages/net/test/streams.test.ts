import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { Duplex, PassThrough, Readable } from "node:stream";
import { ReadableStream, TransformStream, WritableStream } from "node:stream/web";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { fromNodeStream, fromWebStreams, pipe, toNodeStream, toWebStreams } from "@zocalo/net";

const big = Buffer.alloc(1_000_000, "stream ");

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts);
}

test("a connection as Web Streams: an echo by pipeTo", async () => {
  const [a, b] = pipe();
  const { readable, writable } = toWebStreams(b);
  const echoed = readable.pipeTo(writable);
  const sent = (async () => {
    await a.write(big);
    await a.closeWrite();
  })();
  assert.equal(Buffer.compare(await collect(a), big), 0);
  await Promise.all([sent, echoed]);
});

test("cancelling the readable stops reading only; aborting the writable cuts", async () => {
  const [a, b] = pipe();
  const { readable, writable } = toWebStreams(b);
  await readable.cancel();
  await a.write(Buffer.from("ignored"));
  await b.write(Buffer.from("x"));
  assert.equal(String(await a.read()), "x");
  await writable.abort();
  await assert.rejects(a.read(), { code: "reset" });
});

test("aborting the writable cuts a write that waits for the peer, too", async () => {
  const [a, b] = pipe();
  const writer = toWebStreams(b).writable.getWriter();
  const write = assert.rejects(writer.write(big), { message: "enough" });
  await writer.abort(new Error("enough"));
  await write;
  await assert.rejects(a.read(), { code: "reset" });
});

test("a Node stream that is over is no connection", async () => {
  const stream = new PassThrough();
  stream.destroy();
  await once(stream, "close");
  assert.throws(() => fromNodeStream(stream), { code: "closed", name: "NetError" });
});

test("a connection as a Node stream, both directions at once", async () => {
  const [a, b] = pipe();
  const duplex = toNodeStream(b);
  Readable.from([big]).pipe(duplex);
  // Not by iteration: when that ends, Node destroys both directions.
  const received: Uint8Array[] = [];
  duplex.on("data", (part: Uint8Array) => received.push(part));
  const send = async (): Promise<void> => {
    await a.write(Buffer.from("hello"));
    await a.closeWrite();
  };
  const [atA] = await Promise.all([collect(a), send(), once(duplex, "end")]);
  assert.equal(Buffer.compare(atA, big), 0);
  assert.equal(Buffer.concat(received).toString(), "hello");
});

test("a Node stream that is destroyed with an error aborts; a broken connection destroys the stream", async () => {
  const [a, b] = pipe();
  const duplex = toNodeStream(b);
  const failed = new Promise<unknown>((resolve) => {
    duplex.on("error", resolve);
  });
  const error = new Error("enough");
  duplex.destroy(error);
  assert.equal(await failed, error);
  await assert.rejects(a.read(), { code: "reset" });

  const [c, d] = pipe();
  const broken = toNodeStream(d);
  const told = new Promise<{ code: string }>((resolve) => {
    broken.on("error", resolve);
  });
  broken.resume();
  c.abort();
  assert.equal((await told).code, "reset");
});

test("a Node stream as a connection, with its deadlines", async () => {
  const conn = fromNodeStream(new PassThrough());
  conn.setReadDeadline(Date.now() + 10);
  await assert.rejects(conn.read(), { code: "timeout" });
  conn.setReadDeadline(null);
  await conn.write(Buffer.from("around"));
  assert.equal(String(await conn.readFull(6)), "around");
  await conn.closeWrite();
  assert.equal(await conn.read(), null);
  await conn.close();
});

test("a socket of Node's as a connection tells its end when the handler is done with what came before", async () => {
  const server = createServer((socket) => socket.end("the last words"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  const socket: Socket = connect({ port: address.port, host: "127.0.0.1", allowHalfOpen: true });
  const conn = fromNodeStream(socket);
  const log: string[] = [];
  const ended = once(socket, "end");
  await new Promise<void>((resolve) => {
    conn.serve({
      async data(bytes) {
        log.push(String(bytes));
        await ended; // Node tells it although the socket is paused.
        for (let i = 0; i < 5; i += 1) await turn();
        log.push("done");
      },
      end() {
        log.push("end");
        void conn.close();
      },
      close(error) {
        log.push(`close ${String(error)}`);
        resolve();
      },
    });
  });
  server.close();
  assert.deepEqual(log, ["the last words", "done", "end", "close undefined"]);
});

test("Web Streams as a connection", async () => {
  const conn = fromWebStreams(new TransformStream<Uint8Array, Uint8Array>());
  const sent = conn.write(Buffer.from("around"));
  assert.equal(String(await conn.readFull(6)), "around");
  await sent;
  const ended = conn.closeWrite();
  assert.equal(await conn.read(), null);
  await ended;
  await conn.close();
});

test("lent bytes that wait in a connection as a Node stream are copied", async () => {
  const [a, b] = pipe();
  const [c, d] = pipe();
  const stream = toNodeStream(c);
  stream.write(Buffer.alloc(100_000, "-")); // Which has to wait, and all behind it.
  const lentEnded = new Promise<void>((resolve) => {
    b.serve({
      data(lent) {
        stream.write(lent.subarray(0, 1));
        stream.end(lent.subarray(1));
        // The loan ends, and others use the memory.
        queueMicrotask(() => void lent.fill(0x21));
        resolve();
      },
    });
  });
  await a.write(Buffer.from("own"));
  await lentEnded;
  await d.readFull(100_000);
  assert.equal(String(await d.readFull(3)), "own");
  a.abort();
});

test("lent bytes that wait for a writer of Web Streams are copied", async () => {
  const [a, b] = pipe();
  const [c, d] = pipe();
  const writer = toWebStreams(c).writable.getWriter();
  void writer.write(Buffer.alloc(100_000, "-")); // Which has to wait, and all behind it.
  const lentEnded = new Promise<void>((resolve) => {
    b.serve({
      data(lent) {
        void writer.write(lent.subarray(0, 1));
        void writer.write(lent.subarray(1));
        queueMicrotask(() => void lent.fill(0x21)); // The loan ends, and others use the memory.
        resolve();
      },
    });
  });
  await a.write(Buffer.from("own"));
  await lentEnded;
  void writer.write(Buffer.from("!"));
  await d.readFull(100_000);
  assert.equal(String(await d.readFull(4)), "own!");
  for (const conn of [a, c]) conn.abort();
});

test("streams that are locked are refused, and neither is locked by that", () => {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const reader = readable.getReader();
  assert.throws(() => fromWebStreams({ readable, writable }), TypeError);
  reader.releaseLock();
  fromWebStreams({ readable, writable }).abort();
});

test("empty chunks of a readable stream are none", async () => {
  const readable = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(new Uint8Array(0));
      controller.enqueue(Buffer.from("x"));
    },
  });
  const conn = fromWebStreams({ readable, writable: new WritableStream() });
  assert.equal(String(await conn.read()), "x");
  conn.abort();
});

test("no byte of a cancelled write counts for the one that leaves with it", async () => {
  const [a, b] = pipe();
  // 65,536 bytes have room, and these 20,000 wait; then two leave in one step, of which a part has room.
  await a.write(Buffer.alloc(65_536));
  void a.write(Buffer.alloc(20_000));
  const canceling = new AbortController();
  const canceled = assert.rejects(a.write(Buffer.alloc(30_000), { signal: canceling.signal }), {
    code: "canceled",
    bytesWritten: 30_000,
  });
  const taken = 65_536 - 20_000 - 30_000;
  const cut = assert.rejects(a.write(Buffer.alloc(30_000)), { code: "closed", bytesWritten: taken });
  await b.readFull(1);
  canceling.abort();
  await canceled;
  a.abort();
  await cut;
});

test("an end that came while the stream was paused is not forgotten for a read that is canceled at once", async () => {
  const stream = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  const conn = fromNodeStream(stream);
  stream.push("abcdef");
  stream.push(null);
  assert.equal(String(await conn.readFull(2)), "ab"); // The rest is held, and the stream is paused.
  if (!stream.readableEnded) await once(stream, "end");
  const controller = new AbortController();
  queueMicrotask(() => controller.abort()); // Before the end can be told.
  await assert.rejects(conn.readFull(100, { signal: controller.signal }), { code: "canceled" });
  await conn.closeWrite();
  assert.equal(String(await conn.read()), "cdef");
  assert.equal(await conn.read(), null);
  await conn.close();
});
