import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { pipeAddr } from "../contracts/addr.ts";
import type { Conn, ConnHandler } from "../contracts/conn.ts";
import { delimited } from "./delimiter.ts";
import { NetError } from "../contracts/error.ts";
import { defaultFramedOptions, framed, type FramedOptions } from "./framed.ts";
import { lengthPrefixCodec, lengthPrefixed } from "./length-prefix.ts";
import { lineCodec, lines } from "./lines.ts";
import {
  type CloseInfo,
  type Message,
  type MessageHandler,
  PreparedMessage,
} from "../contracts/message-conn.ts";
import { pipe } from "../stream/pipe.ts";

/** A stream whose other side is the test. Like the real ones, it lends the memory it reads into. */
class FakeConn implements Conn {
  readonly localAddr = pipeAddr;
  readonly remoteAddr = pipeAddr;
  readonly bytesRead = 0;
  readonly bytesWritten = 0;
  readonly writes: string[] = [];
  readonly calls: string[] = [];
  isStuck = false;
  /** Portions that wait because the handler holds the peer back. */
  readonly incoming: (Uint8Array | null | Error)[] = [];
  #handler: ConnHandler | undefined;
  #isBusy = false;
  #isOver = false;
  #writers: { resolve(): void; reject(error: Error): void }[] = [];

  /** The peer sends text, ends (`null`) or breaks. */
  feed(...portions: (string | Uint8Array | null | Error)[]): void {
    for (const portion of portions) {
      this.incoming.push(typeof portion === "string" ? Buffer.from(portion) : portion);
    }
    void this.#deliver();
  }

  /** The oldest write that is stuck goes through. */
  releaseOne(): void {
    this.#writers.shift()?.resolve();
  }

  /** Writes that were stuck go through. */
  release(): void {
    this.isStuck = false;
    for (const writer of this.#writers.splice(0)) writer.resolve();
  }

  serve(handler: ConnHandler): void {
    this.#handler = handler;
  }

  write(bytes: Uint8Array): Promise<void> {
    this.writes.push(Buffer.from(bytes).toString());
    if (!this.isStuck) return Promise.resolve();
    return new Promise((resolve, reject) => void this.#writers.push({ resolve, reject }));
  }

  close(): Promise<void> {
    this.calls.push("close");
    this.#over();
    return Promise.resolve();
  }

  abort(): void {
    this.calls.push("abort");
    const error = new Error("aborted");
    for (const writer of this.#writers.splice(0)) writer.reject(error);
    this.#over(error);
  }

  unref(): void {}
  ref(): void {}
  setNoDelay(): void {}
  setKeepAlive(): void {}
  setDeadline(): void {}
  setReadDeadline(): void {}
  setWriteDeadline(): void {}
  closeWrite = unused;
  read = unused;
  readFull = unused;
  writev = unused;
  closeRead = unused;
  toWeb = unused;
  [Symbol.asyncDispose] = unused;
  [Symbol.asyncIterator] = unused;

  async #deliver(): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    await turn();
    while (!this.#isOver) {
      const portion = this.incoming.shift();
      if (portion === undefined) break;
      if (portion === null) void this.#handler?.end?.();
      else if (portion instanceof Error) this.#over(portion);
      else {
        const lent = Buffer.from(portion);
        const busy = this.#handler?.data(lent);
        lent.fill(0);
        await busy;
      }
    }
    this.#isBusy = false;
  }

  #over(error?: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    queueMicrotask(() => this.#handler?.close?.(error));
  }
}

function unused(): never {
  throw new Error("not used by a framing");
}

function open(options?: FramedOptions) {
  const wire = new FakeConn();
  return { wire, conn: lines(wire, options) };
}

function record(reply?: (message: Message) => void | Promise<void>): MessageHandler & { log: string[] } {
  const log: string[] = [];
  return {
    log,
    message(message) {
      log.push(String(message));
      return reply?.(message);
    },
    drain: () => void log.push("(drain)"),
    close: ({ code, wasClean }: CloseInfo) => void log.push(`(close ${code}${wasClean ? "" : " unclean"})`),
  };
}

const isCode = (code: string) => (error: unknown) => error instanceof NetError && error.code === code;

test("receives lines, then null, and closes the stream once the end was told", async () => {
  const { wire, conn } = open();
  wire.feed("one\ntw", "o\r\n", null);
  assert.equal(await conn.receive(), "one");
  assert.equal(await conn.receive(), "two");
  await turn();
  assert.deepEqual(wire.calls, []);
  assert.equal(await conn.receive(), null);
  await conn.close();
  assert.deepEqual(wire.calls, ["close"]);
});

test("answers leave although the peer has ended its side", async () => {
  const { wire, conn } = open();
  wire.feed("a\nb\n", null);
  for await (const message of conn) await conn.send(`re: ${String(message)}`);
  await conn.close();
  assert.equal(wire.writes.join(""), "re: a\nre: b\n");
});

test("a handler may answer the last messages, and the end itself", async () => {
  const { wire, conn } = open();
  const handler = record(async (message) => {
    await turn();
    conn.trySend(`re: ${String(message)}`);
  });
  conn.serve({
    ...handler,
    close(info) {
      handler.close?.(info);
      assert.equal(conn.trySend("bye"), "sent");
    },
  });
  wire.feed("a\nb\n", null);
  while (!wire.calls.includes("close")) await turn();
  assert.deepEqual(handler.log, ["a", "b", "(close 1000)"]);
  assert.equal(wire.writes.join(""), "re: a\nre: b\nbye\n");
});

test("all messages of one turn leave in one write", async () => {
  const { wire, conn } = open();
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
  const { wire, conn } = open();
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
  const { wire, conn } = open({ sendHighWaterBytes: 10, sendLimitBytes: 20 });
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
  const { wire, conn } = open();
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
  const { wire, conn } = open({ sendHighWaterBytes: 4, sendLimitBytes: 8 });
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
  const { wire, conn } = open({ sendHighWaterBytes: 4, sendLimitBytes: 10 });
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
  const { wire, conn } = open({ sendLimitBytes: 100 });
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
  const a = open();
  const b = open();
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

test("binary framings receive bytes, text ones strings", async () => {
  const binary = new FakeConn();
  const a = lengthPrefixed(binary, "varint");
  binary.feed("\u0003abc");
  assert.deepEqual(await a.receive(), Buffer.from("abc"));
  a.abort();
  const text = new FakeConn();
  const b = delimited(text, "\0", { messages: "text" });
  text.feed("abc\0");
  assert.equal(await b.receive(), "abc");
  b.abort();
});

test("a line over the limit ends the connection with 1009, after what came before and a last word", async () => {
  const { wire, conn } = open({ maxMessageBytes: 4 });
  const handler = record();
  conn.serve({
    ...handler,
    close(info) {
      handler.close?.(info);
      assert.ok(isCode("too_large")(info.error));
      assert.equal(conn.trySend("too long"), "sent");
    },
  });
  wire.feed("four\nfives\nlost\n", null);
  while (!wire.calls.includes("close")) await turn();
  assert.deepEqual(handler.log, ["four", "(close 1009 unclean)"]);
  assert.deepEqual(wire.writes, ["too long\n"]);
});

test("text that is not UTF-8 ends the connection with 1007, and receive throws", async () => {
  const { wire, conn } = open();
  wire.feed("good\n", Buffer.of(0xff, 0x0a), null);
  assert.equal(await conn.receive(), "good");
  await assert.rejects(conn.receive(), isCode("bad_frame"));
  await conn.close();
});

test("a stream that ends in the middle of a message is an unclean end", async () => {
  const { wire, conn } = open();
  wire.feed("half", null);
  await assert.rejects(conn.receive(), isCode("end_of_stream"));
  await conn.close();
});

test("a broken stream ends the connection with 1006 and unblocks senders", async () => {
  const { wire, conn } = open({ sendHighWaterBytes: 1 });
  const handler = record();
  conn.serve(handler);
  wire.isStuck = true;
  const sending = conn.send("x");
  wire.feed(new Error("cable cut"));
  await assert.rejects(sending, /cable cut/);
  await turn();
  assert.deepEqual(handler.log, ["(close 1006 unclean)"]);
  assert.equal(conn.trySend("y"), "refused");
  await assert.rejects(conn.send("y"), isCode("closed"));
});

test("a failed write ends the connection too", async () => {
  const { wire, conn } = open();
  const handler = record();
  conn.serve(handler);
  wire.write = () => {
    wire.feed(new Error("broken pipe"));
    return Promise.reject(new Error("broken pipe"));
  };
  assert.equal(conn.trySend("x"), "sent");
  while (handler.log.length === 0) await turn();
  assert.deepEqual(handler.log, ["(close 1006 unclean)"]);
  assert.equal(conn.bufferedAmount, 0);
});

test("close flushes, closes the stream and tells the handler last", async () => {
  const { wire, conn } = open();
  const handler = record();
  conn.serve(handler);
  wire.isStuck = true;
  conn.trySend("last words");
  const closed = conn.close(1001, "going away");
  assert.equal(conn.close(), closed, "a second call waits for the first");
  assert.equal(conn.trySend("too late"), "refused");
  wire.feed("unheard\n");
  await turn();
  await turn();
  assert.deepEqual(handler.log, []);
  assert.deepEqual(wire.calls, []);
  wire.release();
  await closed;
  await turn();
  assert.deepEqual(wire.writes, ["last words\n"]);
  assert.deepEqual(wire.calls, ["close"]);
  assert.deepEqual(handler.log, ["(close 1001)"]);
});

test("a receiver that waits gets null when this side closes", async () => {
  const { conn } = open();
  const receiving = conn.receive();
  await conn.close();
  assert.equal(await receiving, null);
});

test("close cuts a peer that takes nothing", async () => {
  const { wire, conn } = open({ closeTimeoutMs: 1 });
  wire.isStuck = true;
  const handler = record();
  conn.serve(handler);
  conn.trySend("never read");
  await assert.rejects(conn.close(), isCode("timeout"));
  await turn();
  assert.ok(wire.calls.includes("abort"));
  assert.deepEqual(handler.log, ["(close 1006 unclean)"]);
});

test("abort drops everything at once", async () => {
  const { wire, conn } = open();
  const handler = record();
  conn.serve(handler);
  wire.isStuck = true;
  conn.trySend("x");
  conn.abort();
  assert.equal(conn.bufferedAmount, 0);
  await turn();
  assert.deepEqual(handler.log, ["(close 1006 unclean)"]);
  assert.deepEqual(wire.writes, []);
  await assert.rejects(conn.close(), isCode("closed"), "not all was taken");
});

test("a handler that passes on that its send failed is not called the reason", async () => {
  const [a, b] = pipe();
  const conn = lines(a);
  const closed = new Promise<CloseInfo>((close) => {
    conn.serve({ message: () => conn.send("x".repeat(500_000)), close });
  });
  await b.write(Buffer.from("more than the other end takes\n"));
  while (conn.bufferedAmount === 0) await turn();
  b.abort();
  const { code, error } = await closed;
  assert.equal(code, 1006);
  assert.match(String(error), /broken pipe|reset/);
});

test("a handler that fails closes with 1011 and what was sent still leaves", async () => {
  const { wire, conn } = open();
  const handler = record((message) => {
    conn.trySend("before");
    if (message === "bad") throw new Error("oops");
  });
  conn.serve(handler);
  wire.feed("ok\nbad\nlost\n", null);
  while (!wire.calls.includes("close")) await turn();
  assert.deepEqual(handler.log, ["ok", "bad", "(close 1011 unclean)"]);
  assert.equal(wire.writes.join(""), "before\nbefore\n");
});

test("nothing is read while the application is behind, and what was lent is kept", async () => {
  const { wire, conn } = open({ receiveHighWaterMessages: 2 });
  wire.feed("1\n2\n3\nha", "lf\n");
  await turn();
  await turn();
  assert.equal(wire.incoming.length, 1);
  assert.equal(await conn.receive(), "1");
  await turn();
  assert.equal(wire.incoming.length, 1);
  assert.equal(await conn.receive(), "2");
  assert.equal(await conn.receive(), "3");
  assert.equal(await conn.receive(), "half");
  assert.equal(wire.incoming.length, 0);
  conn.abort();
});

test("a handler that closes in the middle of a chunk gets nothing after it", async () => {
  const { wire, conn } = open();
  const handler = record((message) => void (message === "quit" && conn.close()));
  conn.serve(handler);
  wire.feed("quit\nlost\n", null);
  while (!wire.calls.includes("close")) await turn();
  await turn();
  assert.deepEqual(handler.log, ["quit", "(close 1000)"]);
});

test("options that are not positive numbers are refused by name", () => {
  for (const value of [0, -1, Number.NaN]) {
    assert.throws(
      () => lines(new FakeConn(), { maxMessageBytes: value }),
      /maxMessageBytes .* is not a number above 0/,
    );
  }
});

test("the peer is known by the stream's address", () => {
  const { conn } = open();
  assert.equal(conn.peer.transport, "pipe");
  assert.equal(conn.peer.addr, pipeAddr);
  conn.abort();
});

test("what had arrived before a write failed is received, then the error", async () => {
  const { wire, conn } = open();
  wire.write = () => Promise.reject(new Error("broken pipe"));
  conn.trySend("x");
  await turn();
  await turn();
  wire.feed("an answer\n", new Error("broken pipe"));
  assert.equal(await conn.receive(), "an answer");
  await assert.rejects(conn.receive(), /broken pipe/);
  await assert.rejects(conn.close(), /broken pipe/);
});

test("a handler that waits for room, and so holds the peer back, is woken when writing fails, and told the end", async () => {
  const { wire, conn } = open({ sendHighWaterBytes: 2, receiveHighWaterMessages: 1 });
  let goOn: (() => void) | undefined;
  const handler = record((message) => {
    const outcome = conn.trySend(message);
    handler.log.push(outcome);
    if (outcome !== "buffered") return undefined;
    return new Promise((resolve) => (goOn = resolve));
  });
  conn.serve({
    ...handler,
    drain() {
      handler.log.push("(drain)");
      goOn?.();
    },
  });
  let fail: (error: Error) => void = () => undefined;
  wire.write = () => new Promise((_resolve, reject) => (fail = reject));
  wire.feed("one\ntwo\nthree\n", new Error("reset by peer"));
  while (goOn === undefined) await turn();
  await turn();
  fail(new Error("reset by peer"));
  while (handler.log.at(-1) !== "(close 1006 unclean)") await turn();
  const answers = ["one", "buffered", "(drain)", "two", "refused", "three", "refused"];
  assert.deepEqual(handler.log, [...answers, "(close 1006 unclean)"]);
});

test("a stream whose writing failed and that does not end is cut after the time for closing", async () => {
  const { wire, conn } = open({ closeTimeoutMs: 1 });
  const handler = record();
  conn.serve(handler);
  wire.write = () => Promise.reject(new Error("broken pipe"));
  conn.trySend("x");
  while (handler.log.length === 0) await turn();
  assert.deepEqual(handler.log, ["(close 1006 unclean)"]);
  assert.ok(wire.calls.includes("abort"));
});

test("flush waits until the stream has taken what was sent before it, and not for what was sent after", async () => {
  const { wire, conn } = open();
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
  const { wire, conn } = open({ sendHighWaterBytes: 4, sendLimitBytes: 8 });
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
  const { wire, conn } = open();
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

test("close resolves when all was taken, also if the peer then resets", async () => {
  const { wire, conn } = open();
  conn.trySend("x");
  await conn.flush();
  wire.feed(new Error("reset"));
  await assert.rejects(conn.receive(), /reset/);
  await conn.close();
});

test("calls that nobody waits for end no process when the connection breaks", async () => {
  const { wire, conn } = open({ sendHighWaterBytes: 1 });
  wire.isStuck = true;
  void conn.send("x");
  void conn.send("a\nb");
  void conn.flush();
  wire.feed(new Error("cable cut"));
  await turn();
  void conn.close();
  void conn.send("late");
  void conn.flush();
  void conn[Symbol.asyncDispose]();
  // An unhandled rejection now fails the test.
  await turn();
  await turn();
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
