import assert from "node:assert/strict";
import { test } from "node:test";
import { type CloseEvent, type MessageEvent, WebSocket } from "../src/index.ts";
import {
  BAD_ANSWERS,
  BAD_FRAMES,
  BINARY,
  CLOSE,
  closing,
  frame,
  PING,
  PONG,
  type RawEnd,
  rawWebSocketServer,
  TEXT,
} from "./raw-websocket-server.ts";

/**
 * The class against https://websockets.spec.whatwg.org/, step by step, with a server written by hand. What `whatwg*.test.ts` prove by behaviour
 * (arguments, close codes, `bufferedAmount`, handlers, order of tasks) is not repeated.
 */
interface Step {
  /** The algorithm of the standard, and its part. */
  readonly at: string;
  /** What has to happen. */
  readonly must: string;
  /** Lines that are added to the server's answer. */
  readonly answer?: string;
  readonly protocols?: readonly string[];
  readonly run: (socket: WebSocket, accepted: Promise<RawEnd>) => Promise<void>;
}

function next(socket: WebSocket, type: "message"): Promise<MessageEvent>;
function next(socket: WebSocket, type: "close"): Promise<CloseEvent>;
function next(socket: WebSocket, type: "open" | "error"): Promise<Event>;
function next(socket: WebSocket, type: string): Promise<Event> {
  return new Promise((resolve, reject) => {
    socket.addEventListener(type, resolve, { once: true });
    if (type === "close" || type === "error") return;
    socket.addEventListener("close", () => reject(new Error(`it closed before ${type}`)), { once: true });
  });
}

/** The events of a socket in their order, with its state at each. */
function record(socket: WebSocket): string[] {
  const seen: string[] = [];
  for (const type of ["open", "message", "error", "close"]) {
    socket.addEventListener(type, () => seen.push(`${type} ${socket.readyState}`));
  }
  return seen;
}

/** Completes the closing handshake as a server that repeats nothing: its own words are sent. */
async function answerClose(end: RawEnd, words: Uint8Array): Promise<void> {
  while ((await end.frame()).opcode !== CLOSE);
  end.socket.end(frame(CLOSE, words));
}

const STEPS: readonly Step[] = [
  {
    at: "establish a WebSocket connection, the request",
    must: "the request has the headers of the handshake, and neither Origin nor cookies",
    protocols: ["a", "b"],
    answer: "Sec-WebSocket-Protocol: b\r\n",
    async run(socket, accepted) {
      const { head } = await accepted;
      assert.match(head, /^GET \/ HTTP\/1\.1\r\n/);
      assert.match(head, /^upgrade: websocket\r$/im);
      assert.match(head, /^connection: upgrade\r$/im);
      assert.match(head, /^sec-websocket-version: 13\r$/im);
      assert.match(head, /^sec-websocket-protocol: a, ?b\r$/im);
      assert.match(head, /^sec-websocket-extensions: permessage-deflate/im);
      const [, key = ""] = /^sec-websocket-key: (.*)\r$/im.exec(head) ?? [];
      assert.equal(Buffer.from(key, "base64").length, 16);
      assert.doesNotMatch(head, /^(?:origin|cookie|authorization):/im);
      await next(socket, "open");
    },
  },
  {
    at: "connection established",
    must: "state, extensions and protocol are set before the open event",
    protocols: ["a"],
    answer:
      "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n",
    async run(socket) {
      assert.deepEqual([socket.readyState, socket.protocol, socket.extensions], [0, "", ""]);
      await next(socket, "open");
      assert.deepEqual(
        [socket.readyState, socket.protocol, socket.extensions],
        [1, "a", "permessage-deflate; server_no_context_takeover"],
      );
    },
  },
  {
    at: "message received, data",
    must: "binaryType counts when the message comes; empty messages and a BOM are messages",
    async run(socket, accepted) {
      await next(socket, "open");
      const end = await accepted;
      end.send(frame(BINARY));
      assert.equal(((await next(socket, "message")).data as Blob).size, 0);
      socket.binaryType = "arraybuffer";
      end.send(frame(BINARY));
      assert.equal(((await next(socket, "message")).data as ArrayBuffer).byteLength, 0);
      end.send(frame(TEXT));
      assert.equal((await next(socket, "message")).data, "");
      end.send(frame(TEXT, "\ufeffx"));
      assert.equal((await next(socket, "message")).data, "\ufeffx");
    },
  },
  {
    at: "binaryType, set",
    must: "a value is made text, and one that is none of the two changes nothing",
    async run(socket) {
      await next(socket, "open");
      const set = (value: unknown): string => {
        socket.binaryType = value as "blob";
        return socket.binaryType;
      };
      assert.equal(set({ toString: () => "arraybuffer" }), "arraybuffer");
      for (const other of ["", "Blob", "notBlobOrArrayBuffer", null, undefined, 7])
        assert.equal(set(other), "arraybuffer");
      assert.throws(() => set(Symbol("blob")), TypeError);
      assert.throws(() => set(Object.create(null)), TypeError);
      assert.equal(set(["blob"]), "blob");
    },
  },
  {
    at: "connection established, event",
    must: "events are not trusted here, which the documentation says",
    async run(socket) {
      assert.equal((await next(socket, "open")).isTrusted, false);
    },
  },
  {
    at: "message received, event",
    must: "the event has the URL's origin, and nothing else of a message between windows",
    async run(socket, accepted) {
      await next(socket, "open");
      (await accepted).send(frame(TEXT, "x"));
      const event = await next(socket, "message");
      assert.equal(event.origin, new URL(socket.url).origin);
      assert.deepEqual([event.lastEventId, event.source, event.ports], ["", null, []]);
    },
  },
  {
    at: "message received (RFC 6455 §5.4)",
    must: "fragments with a ping between them are one message, and the ping is answered first",
    async run(socket, accepted) {
      await next(socket, "open");
      const end = await accepted;
      end.send(frame(TEXT, "on", false), frame(PING, "p"));
      const pong = await end.frame();
      assert.deepEqual([pong.opcode, pong.isMasked, String(pong.payload)], [PONG, true, "p"]);
      end.send(frame(0, "e"));
      assert.equal((await next(socket, "message")).data, "one");
    },
  },
  {
    at: "send()",
    must: "text is a text frame, bytes and blobs are binary ones, all are masked, in the order of the calls",
    async run(socket, accepted) {
      await next(socket, "open");
      const end = await accepted;
      socket.send("\ufeffñ");
      socket.send(Uint8Array.of(1));
      socket.send(new Blob(["b"]));
      socket.send("");
      const expected = [
        [TEXT, "\ufeffñ"],
        [BINARY, "\x01"],
        [BINARY, "b"],
        [TEXT, ""],
      ];
      for (const [opcode, text] of expected) {
        const seen = await end.frame();
        assert.deepEqual([seen.opcode, seen.isMasked, String(seen.payload)], [opcode, true, text]);
      }
    },
  },
  {
    at: "close()",
    must: "of several calls the first counts, and one Close frame is sent, behind the messages",
    async run(socket, accepted) {
      await next(socket, "open");
      const end = await accepted;
      socket.send("before");
      socket.close(3000, "first");
      socket.close(3001, "second");
      socket.close();
      assert.equal(String((await end.frame()).payload), "before");
      const { opcode, payload } = await end.frame();
      assert.deepEqual(
        [opcode, payload.toString("latin1")],
        [CLOSE, closing(3000, "first").toString("latin1")],
      );
      const closed = next(socket, "close");
      const further: Buffer[] = [];
      end.socket.on("data", (chunk) => further.push(chunk));
      end.socket.end(frame(CLOSE));
      await closed;
      assert.deepEqual(further, []);
    },
  },
  {
    at: "message received, not OPEN",
    must: "what comes after close() is not told, nor is what a listener's close() has behind it",
    async run(socket, accepted) {
      const seen = record(socket);
      await next(socket, "open");
      const end = await accepted;
      socket.addEventListener("message", () => socket.close(), { once: true });
      end.send(frame(TEXT, "1"), frame(TEXT, "2"));
      const closed = next(socket, "close");
      while ((await end.frame()).opcode !== CLOSE);
      end.socket.end(Buffer.concat([frame(TEXT, "3"), frame(CLOSE)]));
      assert.equal((await closed).wasClean, true);
      assert.deepEqual(seen, ["open 1", "message 1", "close 3"]);
    },
  },
  {
    at: "message received, not OPEN",
    must: "what comes while close() waits for a Blob to be read is not told either",
    async run(socket, accepted) {
      const seen = record(socket);
      await next(socket, "open");
      const end = await accepted;
      const told = () => {
        socket.send(new Blob(["b"]));
        socket.close();
      };
      socket.addEventListener("message", told, { once: true });
      end.send(frame(TEXT, "1"), frame(TEXT, "2"));
      const closed = next(socket, "close");
      assert.equal(String((await end.frame()).payload), "b");
      await answerClose(end, closing(1000));
      assert.equal((await closed).wasClean, true);
      assert.deepEqual(seen, ["open 1", "message 1", "close 3"]);
    },
  },
  {
    at: "connection closed",
    must: "code and reason are those of the server's Close frame, whatever was said to it",
    async run(socket, accepted) {
      await next(socket, "open");
      const closed = next(socket, "close");
      socket.close(3000, "mine");
      await answerClose(await accepted, closing(4001, "ñ yours"));
      const { wasClean, code, reason } = await closed;
      assert.deepEqual([wasClean, code, reason], [true, 4001, "ñ yours"]);
    },
  },
  {
    at: "connection closed (RFC 6455 §7.1.5)",
    must: "a Close frame without a code is 1005",
    async run(socket, accepted) {
      await next(socket, "open");
      const closed = next(socket, "close");
      socket.close(3000);
      await answerClose(await accepted, new Uint8Array(0));
      const { wasClean, code, reason } = await closed;
      assert.deepEqual([wasClean, code, reason], [true, 1005, ""]);
    },
  },
  {
    at: "closing handshake started",
    must: "the server's Close frame is answered with its code, and the state is CLOSING until TCP has ended",
    async run(socket, accepted) {
      const seen = record(socket);
      await next(socket, "open");
      const end = await accepted;
      end.send(frame(CLOSE, closing(1001, "bye")));
      const { opcode, payload } = await end.frame();
      assert.deepEqual([opcode, payload.readUInt16BE()], [CLOSE, 1001]);
      assert.equal(socket.readyState, WebSocket.CLOSING);
      const closed = next(socket, "close");
      end.socket.end();
      assert.deepEqual([(await closed).code, (await closed).reason], [1001, "bye"]);
      assert.deepEqual(seen, ["open 1", "close 3"]);
    },
  },
];

for (const { at, must, answer, protocols = [], run } of STEPS) {
  test(`${at}: ${must}`, async () => {
    await using server = await rawWebSocketServer(answer);
    await run(new WebSocket(server.url, protocols), server.accepted);
  });
}

for (const [why, answer] of BAD_ANSWERS) {
  test(`establish a WebSocket connection, the answer: ${why} fails the connection`, async () => {
    await using server = await rawWebSocketServer(answer);
    const socket = new WebSocket(server.url, "a");
    const seen = record(socket);
    const { wasClean, code, reason } = await next(socket, "close");
    assert.deepEqual([wasClean, code, reason], [false, 1006, ""]);
    assert.deepEqual(seen, ["error 3", "close 3"]);
    assert.deepEqual([socket.protocol, socket.extensions], ["", ""]);
  });
}

for (const [why, bytes, told] of BAD_FRAMES) {
  test(`connection closed, failed: ${why} fails the connection, and the server is told ${told}`, async () => {
    await using server = await rawWebSocketServer();
    const socket = new WebSocket(server.url, [], { compression: false });
    const seen = record(socket);
    await next(socket, "open");
    const end = await server.accepted;
    const closed = next(socket, "close");
    end.send(bytes);
    const { opcode, payload } = await end.frame();
    assert.deepEqual([opcode, payload.readUInt16BE()], [CLOSE, told]);
    end.socket.end();
    const { wasClean, code } = await closed;
    assert.deepEqual([wasClean, code], [false, 1006]);
    assert.deepEqual(seen, ["open 1", "error 3", "close 3"]);
  });
}
