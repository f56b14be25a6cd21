import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { FakeConn, isCode, openLines, record } from "../../test/fake-conn.ts";
import { defaultFramedOptions, framed, type FramedOptions } from "./framed.ts";
import { lengthPrefixCodec, lengthPrefixed } from "./length-prefix.ts";
import { lineCodec } from "./lines.ts";
import { type Message, PreparedMessage } from "../contracts/message-conn.ts";

test("all messages of one turn leave in one write", async () => {
  const { wire, conn } = openLines();
  conn.serve(record((message) => void conn.trySend(message)));
  wire.feed("1\n2\n3\n");
  await turn();
  await turn();
  void conn.send("4");
  assert.equal(conn.bufferedAmount, 2);
  await turn();
  assert.deepEqual(wire.writes, ["1\n2\n3\n", "4\n"]);
  assert.equal(conn.bufferedAmount, 0);
});

test("what is sent while a write is under way leaves in the next one", async () => {
  const { wire, conn } = openLines();
  wire.isStuck = true;
  conn.trySend("1");
  await turn();
  conn.trySend("2");
  await turn();
  conn.trySend("3");
  await turn();
  wire.release();
  await turn();
  assert.deepEqual(wire.writes, ["1\n", "2\n3\n"]);
});

test("sent up to the high-water mark, buffered past it, refused past the limit, drain below the mark", async () => {
  const { wire, conn } = openLines({ sendHighWaterBytes: 10, sendLimitBytes: 20 });
  const handler = record();
  conn.serve(handler);
  wire.isStuck = true;
  assert.equal(conn.trySend("12345678"), "sent"); // 9 with its newline
  assert.equal(conn.trySend(""), "sent"); // 10: at the mark
  assert.equal(conn.trySend("123456789"), "buffered"); // 20: at the limit
  assert.equal(conn.trySend(""), "refused"); // one past it
  assert.equal(conn.bufferedAmount, 20);
  await turn();
  assert.deepEqual(handler.log, []);
  wire.release();
  await turn();
  assert.deepEqual(handler.log, ["(drain)"]);
  assert.equal(conn.trySend("again"), "sent");
});

test("the defaults are a mark of 64 KiB, a limit of 1 MiB and messages of 64 KiB", async () => {
  const { wire, conn } = openLines();
  wire.isStuck = true;
  assert.equal(conn.maxSendBytes, 1_048_576 - 2);
  assert.equal(conn.trySend("x".repeat(65_534)), "sent");
  assert.equal(conn.trySend("x".repeat(65_536)), "buffered");
  assert.equal(conn.trySend("x".repeat(1_048_576 - 65_535 - 65_537 - 1)), "buffered");
  assert.equal(conn.bufferedAmount, 1_048_576);
  assert.equal(conn.trySend(""), "refused");
  assert.equal(defaultFramedOptions.maxMessageBytes, 65_536);
  conn.abort();
});

test("send resolves at once below the mark, and past it when there is room", async () => {
  const { wire, conn } = openLines({ sendHighWaterBytes: 4, sendLimitBytes: 8 });
  wire.isStuck = true;
  await conn.send("12");
  const log: string[] = [];
  const second = conn.send("34").then(() => log.push("second"));
  const third = conn.send("5678").then(() => log.push("third"));
  assert.equal(conn.bufferedAmount, 6, "the third waits outside");
  assert.equal(conn.trySend("x"), "refused", "nobody overtakes it");
  await turn();
  assert.deepEqual(log, []);
  wire.release();
  await Promise.all([second, third]);
  await conn.close();
  assert.equal(wire.writes.join(""), "12\n34\n5678\n");
});

test("a canceled send that was not taken never leaves; one that was taken leaves all the same", async () => {
  const { wire, conn } = openLines({ sendHighWaterBytes: 4, sendLimitBytes: 10 });
  wire.isStuck = true;
  const controller = new AbortController();
  const taken = conn.send("taken", { signal: controller.signal });
  const waiting = conn.send("waiting", { signal: controller.signal });
  controller.abort();
  await assert.rejects(taken, isCode("canceled"));
  await assert.rejects(waiting, isCode("canceled"));
  await assert.rejects(conn.send("x", { signal: controller.signal }), isCode("canceled"));
  wire.release();
  await conn.send("next");
  await conn.close();
  assert.equal(wire.writes.join(""), "taken\nnext\n");
});

test("what cannot be framed or sent is refused with a reason", async () => {
  const { wire, conn } = openLines({ sendLimitBytes: 100 });
  await assert.rejects(conn.send("a\nb"), isCode("bad_frame"));
  assert.equal(conn.trySend("a\nb"), "refused");
  await assert.rejects(conn.send("x".repeat(99)), isCode("too_large"));
  assert.equal(conn.trySend("x".repeat(99)), "refused");
  await assert.rejects(conn.send("é".repeat(50)), isCode("too_large"));
  await conn.send("é".repeat(49));
  await conn.close();
  assert.equal(wire.writes.join(""), `${"é".repeat(49)}\n`);
});

test("a prepared message is encoded once for all connections of a framing", async () => {
  const a = openLines();
  const b = openLines();
  const prepared = new PreparedMessage("to all");
  a.conn.trySend(prepared);
  await b.conn.send(prepared);
  assert.equal(b.conn.trySend(new PreparedMessage("no\nline")), "refused");
  await Promise.all([a.conn.close(), b.conn.close()]);
  assert.deepEqual([a.wire.writes, b.wire.writes], [["to all\n"], ["to all\n"]]);
});

test("a large binary message is written from where it is", async () => {
  const wire = new FakeConn();
  const written: Uint8Array[] = [];
  wire.write = (bytes) => {
    written.push(bytes);
    return Promise.resolve();
  };
  const conn = lengthPrefixed(wire, "u32");
  const payload = new Uint8Array(100_000).fill(7);
  conn.trySend(Buffer.from("small"));
  await conn.send(payload); // past the mark: the call is not over before the bytes have left
  await conn.close();
  assert.equal(written.at(-1)?.buffer, payload.buffer);
  assert.deepEqual(Buffer.concat(written).subarray(9, 13), Buffer.of(0, 1, 0x86, 0xa0));
  assert.equal(Buffer.concat(written).length, 9 + 4 + 100_000);
});

test("only the bytes of a view leave", async () => {
  const wire = new FakeConn();
  const conn = lengthPrefixed(wire, "u16");
  await conn.send(new Uint8Array(Buffer.from("secret yes secret").buffer, 0, 0));
  const memory = new TextEncoder().encode("secret yes secret");
  await conn.send(memory.subarray(7, 10));
  await conn.close();
  assert.equal(wire.writes.join(""), "\0\0\0\u0003yes");
});

test("flush waits until the stream has taken what was sent before it, and not for what was sent after", async () => {
  const { wire, conn } = openLines();
  await conn.flush();
  wire.isStuck = true;
  conn.trySend("1");
  let isFlushed = false;
  const flushing = conn.flush().then(() => (isFlushed = true));
  await turn();
  conn.trySend("2");
  await turn();
  assert.equal(isFlushed, false);
  wire.releaseOne();
  await flushing;
  assert.equal(conn.bufferedAmount, 2);
  wire.release();
  await conn.flush();
  assert.equal(conn.bufferedAmount, 0);
});

test("flush waits for sends that still wait outside, but not for one that was canceled there", async () => {
  const { wire, conn } = openLines({ sendHighWaterBytes: 4, sendLimitBytes: 8 });
  wire.isStuck = true;
  const controller = new AbortController();
  const first = conn.send("123456");
  const second = conn.send("234567", { signal: controller.signal });
  const third = conn.send("345678");
  let isFlushed = false;
  const flushing = conn.flush().then(() => (isFlushed = true));
  controller.abort();
  await assert.rejects(second, isCode("canceled"));
  await turn();
  wire.releaseOne();
  await turn();
  assert.equal(isFlushed, false, "the third has not left");
  wire.release();
  await flushing;
  await Promise.all([first, third]);
  assert.equal(wire.writes.join(""), "123456\n345678\n");
});

test("flush rejects when the connection breaks, and is canceled by its signal", async () => {
  const { wire, conn } = openLines();
  wire.isStuck = true;
  conn.trySend("x");
  const controller = new AbortController();
  const canceled = conn.flush({ signal: controller.signal });
  const broken = conn.flush();
  controller.abort();
  await assert.rejects(canceled, isCode("canceled"));
  wire.feed(new Error("cable cut"));
  await assert.rejects(broken, /cable cut/);
  await assert.rejects(conn.flush(), /cable cut/, "it was not taken, and will not be");
});

/** A connection whose large messages are bytes, and what it has written so far, joined. */
function openBinary(options?: FramedOptions) {
  const wire = new FakeConn();
  const written: Uint8Array[] = [];
  const write = wire.write.bind(wire);
  // As a real one does, it looks at the bytes when it takes them.
  wire.write = async (bytes) => {
    await write(bytes);
    written.push(Buffer.from(bytes));
  };
  const conn = lengthPrefixed(wire, "u32", options);
  return { wire, conn, received: () => Buffer.concat(written).subarray(4) };
}

for (const size of [1, 16_384, 16_385, 70_000, 300_000]) {
  const sent = Buffer.alloc(size, 7);

  test(`after trySend the caller may write over a message of ${size} bytes`, async () => {
    const { wire, conn, received } = openBinary();
    wire.isStuck = true;
    const memory = Buffer.from(sent);
    conn.trySend(memory);
    memory.fill(0xdb);
    await turn();
    wire.release();
    await conn.flush();
    assert.ok(received().equals(sent));
  });

  test(`after send the caller may write over a message of ${size} bytes`, async () => {
    const { wire, conn, received } = openBinary();
    wire.isStuck = true;
    const memory = Buffer.from(sent);
    const sending = conn.send(memory).then(() => memory.fill(0xdb));
    await turn();
    await turn();
    wire.release();
    await sending;
    await conn.flush();
    assert.ok(received().equals(sent));
  });

  test(`after a canceled send, too, of ${size} bytes`, async () => {
    const { wire, conn, received } = openBinary({ sendHighWaterBytes: 1 });
    wire.isStuck = true;
    const memory = Buffer.from(sent);
    const controller = new AbortController();
    const sending = conn.send(memory, { signal: controller.signal });
    await turn();
    controller.abort();
    await assert.rejects(sending, isCode("canceled"));
    memory.fill(0xdb);
    wire.release();
    await conn.flush();
    assert.ok(received().equals(sent));
  });
}

test("a send that waited outside does not settle before its bytes have left", async () => {
  const { wire, conn, received } = openBinary({ sendLimitBytes: 150_000, sendHighWaterBytes: 149_000 });
  wire.isStuck = true;
  conn.trySend(Buffer.alloc(100_000, 1));
  const memory = Buffer.alloc(100_000, 2);
  const sending = conn.send(memory).then(() => memory.fill(0xdb));
  await turn();
  wire.release();
  await sending;
  await conn.flush();
  assert.ok(
    received()
      .subarray(100_000 + 4)
      .equals(Buffer.alloc(100_000, 2)),
  );
});

test("a codec that hands the message itself back does not let its memory wait", async () => {
  const wire = new FakeConn();
  const codec = { ...lineCodec, encode: (message: Message) => message as Uint8Array };
  const conn = framed(wire, codec);
  wire.isStuck = true;
  const memory = Buffer.from("as it was\n");
  conn.trySend(memory);
  memory.fill(0xdb);
  await turn();
  assert.deepEqual(wire.writes, ["as it was\n"]);
  conn.abort();
});

test("a prepared message is never copied", async () => {
  const wire = new FakeConn();
  const written: Uint8Array[] = [];
  wire.write = (bytes) => {
    written.push(bytes);
    return Promise.resolve();
  };
  const conn = lengthPrefixed(wire, "u32");
  const prepared = new PreparedMessage(new Uint8Array(100_000));
  conn.trySend(prepared);
  await conn.flush();
  assert.equal(written[0]?.buffer, prepared.encodedAs(lengthPrefixCodec("u32", false)).buffer);
  conn.abort();
});
