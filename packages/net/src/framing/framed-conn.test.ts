import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { pipeAddr } from "../contracts/addr.ts";
import { delimited } from "./delimiter.ts";
import { FakeConn, isCode, openLines, record } from "../../test/fake-conn.ts";
import { lengthPrefixed } from "./length-prefix.ts";
import { lines } from "./lines.ts";
import type { CloseInfo } from "../contracts/message-conn.ts";
import { pipe } from "../stream/pipe.ts";

test("receives lines, then null, and closes the stream once the end was told", async () => {
  const { wire, conn } = openLines();
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
  const { wire, conn } = openLines();
  wire.feed("a\nb\n", null);
  for await (const message of conn) await conn.send(`re: ${String(message)}`);
  await conn.close();
  assert.equal(wire.writes.join(""), "re: a\nre: b\n");
});

test("a handler may answer the last messages, and the end itself", async () => {
  const { wire, conn } = openLines();
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

test("what a handler's end waits for without end is waited for as long as close may take", async () => {
  const { wire, conn } = openLines({ closeTimeoutMs: 1 });
  const closed = new Promise<CloseInfo>((close) => {
    conn.serve({ message() {}, end: () => new Promise(() => undefined), close });
  });
  wire.feed("a\n", null);
  const { code, wasClean } = await closed;
  assert.deepEqual([code, wasClean], [1000, true]);
  await conn.close();
  assert.deepEqual(wire.calls, ["close"]);
});

test("whoever ends in the middle of a message, or breaks the framing, is still told what is under way", async () => {
  const bad: readonly (readonly [string | Uint8Array, string])[] = [
    ["half", "(close 1006 unclean)"],
    [Uint8Array.of(0xff, 10), "(close 1007 unclean)"],
  ];
  for (const [bytes, closing] of bad) {
    const { wire, conn } = openLines();
    const handler = record();
    conn.serve({
      ...handler,
      async end() {
        await turn();
        assert.equal(conn.trySend("re: a"), "sent");
      },
    });
    wire.feed("a\n", bytes, null);
    while (!wire.calls.includes("close")) await turn();
    assert.deepEqual([handler.log, wire.writes], [["a", closing], ["re: a\n"]]);
  }
});

test("a stream that breaks after its peer's end, while something is under way, is over at once", async () => {
  const { wire, conn } = openLines();
  const handler = record();
  conn.serve({ ...handler, end: () => new Promise(() => undefined) });
  wire.feed("a\n", null);
  await turn();
  assert.deepEqual(handler.log, ["a"]);
  wire.feed(new Error("reset"));
  await turn();
  assert.deepEqual(handler.log, ["a", "(close 1006 unclean)"]);
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
  const { wire, conn } = openLines({ maxMessageBytes: 4 });
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
  const { wire, conn } = openLines();
  wire.feed("good\n", Buffer.of(0xff, 0x0a), null);
  assert.equal(await conn.receive(), "good");
  await assert.rejects(conn.receive(), isCode("bad_frame"));
  await conn.close();
});

test("a stream that ends in the middle of a message is an unclean end", async () => {
  const { wire, conn } = openLines();
  wire.feed("half", null);
  await assert.rejects(conn.receive(), isCode("end_of_stream"));
  await conn.close();
});

test("a broken stream ends the connection with 1006 and unblocks senders", async () => {
  const { wire, conn } = openLines({ sendHighWaterBytes: 1 });
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
  const { wire, conn } = openLines();
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
  const { wire, conn } = openLines();
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
  const { conn } = openLines();
  const receiving = conn.receive();
  await conn.close();
  assert.equal(await receiving, null);
});

test("close cuts a peer that takes nothing", async () => {
  const { wire, conn } = openLines({ closeTimeoutMs: 1 });
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
  const { wire, conn } = openLines();
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
  const { wire, conn } = openLines();
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
  const { wire, conn } = openLines({ receiveHighWaterMessages: 2 });
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
  const { wire, conn } = openLines();
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
      /maxMessageBytes .* is not a whole number of at least 1, nor Infinity/,
    );
  }
});

test("the peer is known by the stream's address", () => {
  const { conn } = openLines();
  assert.equal(conn.peer.transport, "pipe");
  assert.equal(conn.peer.addr, pipeAddr);
  conn.abort();
});

test("what had arrived before a write failed is received, then the error", async () => {
  const { wire, conn } = openLines();
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
  const { wire, conn } = openLines({ sendHighWaterBytes: 2, receiveHighWaterMessages: 1 });
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
  const { wire, conn } = openLines({ closeTimeoutMs: 1 });
  const handler = record();
  conn.serve(handler);
  wire.write = () => Promise.reject(new Error("broken pipe"));
  conn.trySend("x");
  while (handler.log.length === 0) await turn();
  assert.deepEqual(handler.log, ["(close 1006 unclean)"]);
  assert.ok(wire.calls.includes("abort"));
});

test("close resolves when all was taken, also if the peer then resets", async () => {
  const { wire, conn } = openLines();
  conn.trySend("x");
  await conn.flush();
  wire.feed(new Error("reset"));
  await assert.rejects(conn.receive(), /reset/);
  await conn.close();
});

test("calls that nobody waits for end no process when the connection breaks", async () => {
  const { wire, conn } = openLines({ sendHighWaterBytes: 1 });
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
