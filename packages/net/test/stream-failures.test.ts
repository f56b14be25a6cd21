// A stream under or over a connection that fails, cannot end, or goes without a word.
import assert from "node:assert/strict";
import { Duplex } from "node:stream";
import { ReadableStream, type ReadableStreamDefaultController, WritableStream } from "node:stream/web";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { inspect } from "node:util";
import { fromNodeStream, fromWebStreams, lines, type NetError, pipe } from "@zocalo/net";

const big = Buffer.alloc(1_000_000, "stream ");

test("where a writable stream fails, what the readable one still gives is read, and its end", async () => {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const readable = new ReadableStream<Uint8Array>({ start: (given) => void (controller = given) });
  const writable = new WritableStream<Uint8Array>({
    write: () => Promise.reject(new Error("the disk is full")),
  });
  const conn = fromWebStreams({ readable, writable });
  controller?.enqueue(Buffer.from("before, "));
  await assert.rejects(conn.write(big), { op: "write", bytesWritten: 0 });
  controller?.enqueue(Buffer.from("behind"));
  assert.equal(String(await conn.readFull(14)), "before, behind");
  const closed = new Promise<Error | undefined>((close) => conn.serve({ data() {}, close }));
  controller?.close();
  assert.match(String(await closed), /the disk is full/);
  await assert.rejects(conn.close(), { op: "close" });
});

test("a readable stream that fails is told behind what it gave, and aborts the writable one", async () => {
  let reason: unknown;
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const readable = new ReadableStream<Uint8Array>({ start: (given) => void (controller = given) });
  const conn = fromWebStreams({
    readable,
    writable: new WritableStream({ abort: (why) => void (reason = why) }),
  });
  controller?.enqueue(Buffer.from("x"));
  const first = conn.read();
  assert.equal(String(await first), "x");
  controller?.error(new Error("torn"));
  await assert.rejects(conn.read(), /torn/);
  assert.match(String(reason), /torn/);
});

test("a stream whose write throws breaks the connection, and not its caller", async () => {
  const thrower = new Duplex({
    read() {},
    write() {
      throw new Error("not implemented");
    },
  });
  const conn = fromNodeStream(thrower);
  await assert.rejects(conn.write(Buffer.from("x")), /not implemented/);
  await assert.rejects(conn.write(Buffer.from("x")), { op: "write" });
});

test("a peer's end that cannot be answered in time ends the connection with an error, and not the process", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const stream = new Duplex({ read() {}, final() {} }); // It never says that its end has left.
  const conn = fromNodeStream(stream);
  const closed = new Promise<Error | undefined>((close) => conn.serve({ data() {}, close }));
  stream.push(null);
  for (let i = 0; i < 5; i++) await turn();
  t.mock.timers.tick(10_000);
  assert.equal(((await closed) as NetError).code, "timeout");
});

const cannotEnd = {
  "a sink whose close throws": () =>
    fromWebStreams({
      readable: new ReadableStream<Uint8Array>(),
      writable: new WritableStream<Uint8Array>({
        close() {
          throw new Error("not saved");
        },
      }),
    }),
  "a stream of Node's whose final fails": () =>
    fromNodeStream(
      new Duplex({
        read() {},
        write: (_chunk, _encoding, done) => done(),
        final: (done) => done(new Error("not saved")),
      }),
    ),
};
for (const [what, open] of Object.entries(cannotEnd)) {
  test(`close rejects where the end is not taken, and the handler is told: ${what}`, async () => {
    const conn = open();
    const closed = new Promise<Error | undefined>((close) => conn.serve({ data() {}, close }));
    await conn.write(Buffer.from("x"));
    await assert.rejects(conn.close(), /not saved/);
    assert.match(String(await closed), /not saved/);
    const other = open();
    await assert.rejects(other.closeWrite(), /not saved/);
    await assert.rejects(other.close(), /not saved/);
    const messages = lines(open());
    await messages.send("x");
    await assert.rejects(messages.close(), /not saved/);
  });
}

for (const [what, reason] of Object.entries({
  "an object without a prototype": Object.create(null) as unknown,
  "an object that will not be a text": { toString: () => assert.fail() },
  "one that will not be looked at": { [inspect.custom]: () => assert.fail() },
  "one whose tag throws": {
    get [Symbol.toStringTag](): string {
      return assert.fail();
    },
  },
  nothing: undefined,
  "an empty text": "",
})) {
  test(`a stream may fail for a reason that has no words: ${what}`, async () => {
    const failing = (): WritableStream => new WritableStream({ write: () => Promise.reject(reason) });
    const writing = fromWebStreams({ readable: new ReadableStream(), writable: failing() });
    const closed = new Promise<Error | undefined>((close) => writing.serve({ data() {}, close }));
    await assert.rejects(writing.write(big), { name: "NetError", message: /: .*\w/ });
    await assert.rejects(writing.close());
    assert.match(String(await closed), /: .*\w/);
    const readable = new ReadableStream({ pull: () => Promise.reject(reason) });
    const reading = fromWebStreams({ readable, writable: new WritableStream() });
    await assert.rejects(reading.read(), { name: "NetError", message: /: .*\w/ });
    const [a, b] = pipe();
    const told = new Promise<Error | undefined>((close) => {
      a.serve({ data: () => Promise.reject(reason), close });
    });
    await b.write(Buffer.from("x"));
    assert.match(String(await told), /: .*\w/);
  });
}

test("a stream that goes without a word before all was taken is no end in order", async () => {
  const stream = new Duplex({ read() {}, write: () => void stream.destroy() });
  const conn = fromNodeStream(stream);
  const closed = new Promise<Error | undefined>((close) => conn.serve({ data() {}, close }));
  await assert.rejects(conn.write(big), { code: "closed" });
  assert.equal(((await closed) as NetError).code, "closed");
});

test("a stream that fails is given nothing behind what it has not taken", async () => {
  const given: string[] = [];
  const stream = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      given.push(String(chunk));
      done(new Error("no"));
    },
  });
  const conn = fromNodeStream(stream);
  await assert.rejects(conn.writev(["one,", "two,", "three"].map((part) => Buffer.from(part))), {
    bytesWritten: 0,
  });
  assert.deepEqual(given, ["one,two,three"]);
});
