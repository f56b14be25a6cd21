import assert from "node:assert/strict";
import { test } from "node:test";
import { WebSocketError, WebSocketStream } from "../src/index.ts";
import {
  BAD_ANSWERS,
  BAD_FRAMES,
  BINARY,
  CLOSE,
  closing,
  ENDINGS,
  frame,
  type RawEnd,
  rawWebSocketServer,
  TEXT,
} from "./raw-websocket-server.ts";

/**
 * The class against the proposal (https://github.com/whatwg/websockets/pull/48), step by step, with a server written by hand. What
 * `websocket-stream*.test.ts` prove is not repeated.
 */
interface Step {
  /** The algorithm of the proposal. */
  readonly at: string;
  /** What has to happen. */
  readonly must: string;
  readonly run: (stream: WebSocketStream, end: RawEnd) => Promise<void>;
}

/** What a promise rejects with. */
function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => assert.fail("it resolved"),
    (error: unknown) => error,
  );
}

const STEPS: readonly Step[] = [
  {
    at: "establish a WebSocket connection",
    must: "permessage-deflate is offered, as by the WebSocket class",
    async run(stream, { head }) {
      assert.match(head, /^sec-websocket-extensions: permessage-deflate/im);
      assert.doesNotMatch(head, /^(?:sec-websocket-protocol|origin|cookie|authorization):/im);
      const { protocol, extensions } = await stream.opened;
      assert.deepEqual([protocol, extensions], ["", ""]);
      assert.equal(stream.opened, stream.opened);
      assert.equal(stream.closed, stream.closed);
    },
  },
  {
    at: "message received",
    must: "a binary chunk is a Uint8Array whose buffer holds this message and nothing else",
    async run(stream, end) {
      const reader = (await stream.opened).readable.getReader();
      end.send(frame(BINARY, "abc"), frame(BINARY, "de"), frame(BINARY));
      const buffers = new Set<unknown>();
      for (const text of ["abc", "de", ""]) {
        const { value } = await reader.read();
        assert.ok(value instanceof Uint8Array);
        assert.equal(value.constructor, Uint8Array);
        assert.equal(Buffer.from(value.buffer).toString(), text);
        buffers.add(value.buffer);
      }
      assert.equal(buffers.size, 3);
    },
  },
  {
    at: "write",
    must: "what is no BufferSource is made text, and of a view the bytes that it shows are sent",
    async run(stream, end) {
      const writer = (await stream.opened).writable.getWriter();
      const memory = Uint8Array.from([1, 2, 3, 4]).buffer;
      const chunks: readonly [chunk: unknown, opcode: number, text: string][] = [
        [undefined, TEXT, "undefined"],
        [new Blob(["b"]), TEXT, "[object Blob]"],
        [["a", 1], TEXT, "a,1"],
        [new DataView(memory, 1, 2), BINARY, "\x02\x03"],
        [new Uint16Array(memory, 2, 1), BINARY, "\x03\x04"],
        [new ArrayBuffer(0), BINARY, ""],
      ];
      for (const [chunk, opcode, text] of chunks) {
        await writer.write(chunk as string);
        const seen = await end.frame();
        assert.deepEqual([seen.opcode, String(seen.payload)], [opcode, text]);
      }
    },
  },
  {
    at: "close",
    must: "what was written before comes first, whether its write was awaited or not",
    async run(stream, end) {
      const { writable } = await stream.opened;
      void writable.getWriter().write("before");
      stream.close({ closeCode: 3000 });
      assert.equal(String((await end.frame()).payload), "before");
      const { opcode, payload } = await end.frame();
      assert.deepEqual([opcode, payload.readUInt16BE()], [CLOSE, 3000]);
      end.socket.end(frame(CLOSE, payload));
      await stream.closed;
    },
  },
  {
    at: "message received, not OPEN",
    must: "what comes after close is dropped, and a BOM is part of the reason",
    async run(stream, end) {
      const { readable } = await stream.opened;
      stream.close();
      await end.frame();
      end.socket.end(Buffer.concat([frame(TEXT, "late"), frame(CLOSE, closing(1000, "\ufeffx"))]));
      assert.equal((await readable.getReader().read()).done, true);
      assert.deepEqual(await stream.closed, { closeCode: 1000, reason: "\ufeffx" });
    },
  },
  {
    at: "pull",
    must: "empty messages and a BOM are chunks, text a string and bytes a Uint8Array",
    async run(stream, end) {
      const reader = (await stream.opened).readable.getReader();
      end.send(frame(TEXT), frame(BINARY), frame(TEXT, "\ufeffx"));
      assert.equal((await reader.read()).value, "");
      assert.deepEqual((await reader.read()).value, new Uint8Array(0));
      assert.equal((await reader.read()).value, "\ufeffx");
    },
  },
  {
    at: "write, then close the writable",
    must: "each chunk is one masked message of its kind, and the empty Close frame comes behind them",
    async run(stream, end) {
      const writer = (await stream.opened).writable.getWriter();
      void writer.write("ñ");
      void writer.write(Uint8Array.of(1));
      const closed = writer.close();
      const expected = [
        [TEXT, "ñ"],
        [BINARY, "\x01"],
        [CLOSE, ""],
      ];
      for (const [opcode, text] of expected) {
        const seen = await end.frame();
        assert.deepEqual([seen.opcode, seen.isMasked, String(seen.payload)], [opcode, true, text]);
      }
      end.socket.end(frame(CLOSE, closing(4001, "yours")));
      await closed;
      assert.deepEqual(await stream.closed, { closeCode: 4001, reason: "yours" });
    },
  },
  {
    at: "close",
    must: "of several calls the first counts",
    async run(stream, end) {
      await stream.opened;
      stream.close({ closeCode: 3000, reason: "first" });
      stream.close({ closeCode: 3001, reason: "second" });
      const { opcode, payload } = await end.frame();
      assert.deepEqual([opcode, String(payload.subarray(2))], [CLOSE, "first"]);
      end.socket.end(frame(CLOSE, payload));
      assert.deepEqual(await stream.closed, { closeCode: 3000, reason: "first" });
    },
  },
  {
    at: "cancel",
    must: "the connection closes, and the writable with it",
    async run(stream, end) {
      const { readable, writable } = await stream.opened;
      await readable.cancel(new WebSocketError("", { closeCode: 3000, reason: "enough" }));
      const { payload } = await end.frame();
      assert.deepEqual([payload.readUInt16BE(), String(payload.subarray(2))], [3000, "enough"]);
      end.socket.end(frame(CLOSE, payload));
      assert.equal((await stream.closed).closeCode, 3000);
      await assert.rejects(writable.getWriter().write("late"), { name: "InvalidStateError" });
    },
  },
  {
    at: "abort",
    must: "the connection closes, the readable ends with it, and later writes reject with the reason",
    async run(stream, end) {
      const { readable, writable } = await stream.opened;
      const writer = writable.getWriter();
      const reason = new WebSocketError("", { closeCode: 3001 });
      await writer.abort(reason);
      assert.equal((await end.frame()).payload.readUInt16BE(), 3001);
      assert.equal(await rejection(writer.write("late")), reason);
      end.socket.end(frame(CLOSE, closing(3001)));
      assert.deepEqual(await readable.getReader().read(), { done: true, value: undefined });
      assert.equal((await stream.closed).closeCode, 3001);
    },
  },
];

for (const { at, must, run } of STEPS) {
  test(`${at}: ${must}`, async () => {
    await using server = await rawWebSocketServer();
    await run(new WebSocketStream(server.url), await server.accepted);
  });
}

test("constructor, arguments: all are converted before one of them is looked at", () => {
  const bad = [
    { protocols: "hi" },
    { protocols: null },
    { protocols: {} },
    { protocols: { length: 1, 0: "a" } },
    { protocols: [Symbol("a")] },
    { signal: null },
    { signal: {} },
  ];
  for (const url of ["ftp://a", "ws://127.0.0.1:1"]) {
    for (const options of bad) {
      assert.throws(() => Reflect.construct(WebSocketStream, [url, options]), TypeError);
    }
  }
  assert.throws(() => new WebSocketStream("ftp://a", { protocols: ["a", "A"] }), {
    name: "SyntaxError",
    message: /scheme/,
  });
});

test("constructor, signal: once it has cancelled the handshake, close does nothing", async () => {
  const stream = new WebSocketStream("http://127.0.0.1:1", { signal: AbortSignal.abort("enough") });
  assert.equal(stream.url, "ws://127.0.0.1:1/");
  stream.close({ closeCode: 3000 });
  for (const promise of [stream.opened, stream.closed]) assert.equal(await rejection(promise), "enough");
});

test("establish: a subprotocol where none was offered rejects opened", async () => {
  await using server = await rawWebSocketServer("Sec-WebSocket-Protocol: a\r\n");
  const error = await rejection(new WebSocketStream(server.url).opened);
  assert.ok(error instanceof WebSocketError);
});

for (const [why, answer] of BAD_ANSWERS) {
  test(`constructor, establish: ${why} rejects opened and closed`, async () => {
    await using server = await rawWebSocketServer(answer);
    const stream = new WebSocketStream(server.url, { protocols: ["a"] });
    for (const promise of [stream.opened, stream.closed]) {
      assert.ok((await rejection(promise)) instanceof WebSocketError);
    }
  });
}

for (const { why, end, isClean } of ENDINGS) {
  test(`closed: it is ${isClean ? "clean" : "not clean"} if ${why}`, async () => {
    await using server = await rawWebSocketServer();
    const stream = new WebSocketStream(server.url, { closeTimeoutMs: 100 });
    const { readable } = await stream.opened;
    const peer = await server.accepted;
    if (isClean) peer.send(frame(CLOSE, closing(4000)));
    else stream.close();
    assert.equal((await peer.frame()).opcode, CLOSE);
    end(peer);
    if (isClean) {
      assert.deepEqual(await stream.closed, { closeCode: 4000, reason: "" });
      assert.equal((await readable.getReader().read()).done, true);
    } else {
      const error = await rejection(stream.closed);
      assert.ok(error instanceof WebSocketError);
      assert.equal(error.closeCode, 1006);
      assert.equal(await rejection(readable.getReader().read()), error);
    }
  });
}

for (const [why, bytes, told] of BAD_FRAMES) {
  test(`closed uncleanly: ${why} errors both streams, and the server is told ${told}`, async () => {
    await using server = await rawWebSocketServer();
    const stream = new WebSocketStream(server.url);
    const { readable, writable } = await stream.opened;
    const end = await server.accepted;
    end.send(bytes);
    assert.equal((await end.frame()).payload.readUInt16BE(), told);
    end.socket.end();
    const error = await rejection(stream.closed);
    assert.ok(error instanceof WebSocketError);
    assert.equal(error.closeCode, 1006);
    assert.equal(await rejection(readable.getReader().read()), error);
    assert.equal(await rejection(writable.getWriter().closed), error);
  });
}
