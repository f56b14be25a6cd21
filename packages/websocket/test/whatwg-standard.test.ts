// The class against https://websockets.spec.whatwg.org/, step by step, with a server written by hand. What
// `whatwg*.test.ts` prove by behaviour (arguments, close codes, `bufferedAmount`, handlers, order of tasks)
// is not repeated. Each test is named for the step that it shows, as in `whatwg-standard-closing.test.ts` and
// `websocket-stream-standard.test.ts`: `npm test -- --no-build whatwg websocket-stream` lists them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { WebSocket } from "../src/index.ts";
import { rawServer, upgradeAnswer } from "./peers.ts";
import {
  BAD_ANSWERS,
  BINARY,
  CLOSE,
  closing,
  frame,
  PING,
  PONG,
  rawWebSocketServer,
  TEXT,
} from "./raw-websocket-server.ts";
import { next, record, testSteps } from "./whatwg-steps.ts";

testSteps([
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
      const names = head.split("\r\n").slice(1, -2);
      assert.deepEqual(names.map((line) => line.replace(/:.*/, "").toLowerCase()).toSorted(), [
        "connection",
        "host",
        "sec-websocket-extensions",
        "sec-websocket-key",
        "sec-websocket-protocol",
        "sec-websocket-version",
        "upgrade",
      ]);
      await next(socket, "open");
    },
  },
  {
    at: "obtain a WebSocket connection, the resource name",
    must: "empty parts of the path are kept, and an empty query is none",
    url: (server) => `${server}/a//b/../?`,
    async run(socket, accepted) {
      assert.match((await accepted).head, /^GET \/a\/\/ HTTP/);
      assert.ok(socket.url.endsWith("/a//?"));
      await next(socket, "open");
    },
  },
  {
    at: "establish a WebSocket connection, user and password of the URL",
    must: "they are sent at once, which the documentation says, and the message's origin is without them",
    url: (server) => server.replace("ws://", "http://us%20er:pa:ss@"),
    async run(socket, accepted) {
      const end = await accepted;
      assert.ok(end.head.includes(`\r\nAuthorization: Basic ${btoa("us er:pa:ss")}\r\n`));
      assert.match(socket.url, /^ws:\/\/us%20er:pa%3Ass@127\.0\.0\.1:\d+\/$/);
      await next(socket, "open");
      end.send(frame(TEXT, "x"));
      assert.match((await next(socket, "message")).origin, /^ws:\/\/127\.0\.0\.1:\d+$/);
    },
  },
  {
    at: "establish a WebSocket connection, the answer",
    must: "a subprotocol where none was offered fails the connection",
    answer: "Sec-WebSocket-Protocol: a\r\n",
    async run(socket) {
      const seen = record(socket);
      assert.equal((await next(socket, "close")).code, 1006);
      assert.deepEqual(seen, ["error 3", "close 3"]);
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
    at: "send(), the buffer is full",
    must: "the WebSocket is flagged as full: error and close follow, and what was given stays counted",
    async run(socket, accepted) {
      await next(socket, "open");
      (await accepted).socket.pause();
      const seen = record(socket);
      const closed = next(socket, "close");
      let bytes = 0;
      for (; socket.readyState === WebSocket.OPEN; bytes += 10_000_000) {
        assert.ok(bytes < 1e9, "it never was full");
        socket.send(new Uint8Array(10_000_000));
      }
      assert.equal(socket.bufferedAmount, bytes);
      const { wasClean, code } = await closed;
      assert.deepEqual([wasClean, code], [false, 1006]);
      assert.deepEqual(seen, ["error 3", "close 3"]);
      assert.equal(socket.bufferedAmount, bytes);
    },
  },
  {
    at: "send() and close(), arguments",
    must: "they are converted, code before reason, before the state and their values are looked at",
    async run(socket) {
      const symbol = Symbol("text") as unknown as string;
      assert.throws(() => socket.send(symbol), TypeError);
      assert.throws(() => socket.close(0, symbol), TypeError);
      const order: string[] = [];
      const code = { valueOf: () => order.push("code") };
      const reason = { toString: () => String(order.push("reason")) };
      assert.throws(() => socket.close(code as unknown as number, reason as unknown as string), {
        name: "InvalidAccessError",
      });
      assert.deepEqual(order, ["code", "reason"]);
      await next(socket, "open");
    },
  },
]);

test("feedback from the protocol: each event sees the state of its turn, if all has come in one write", async () => {
  await using server = await rawServer((head, socket) => {
    const frames = [frame(TEXT, "1"), frame(TEXT, "2"), frame(CLOSE, closing(1000))];
    socket.end(Buffer.concat([Buffer.from(upgradeAnswer(head)), ...frames]));
  });
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}`);
  const seen = record(socket);
  await next(socket, "close");
  assert.deepEqual(seen, ["open 1", "message 1", "message 1", "close 3"]);
});

test("constructor, arguments: both are converted before one of them is looked at", () => {
  const order: string[] = [];
  const url = { toString: () => `ftp://${order.push("url")}` };
  const protocols = [{ toString: () => `a b${order.push("protocol")}` }];
  assert.throws(() => Reflect.construct(WebSocket, [url, protocols]), { name: "SyntaxError" });
  assert.deepEqual(order, ["url", "protocol"]);
  for (const bad of [[Symbol("a")], [Object.create(null)]]) {
    assert.throws(() => Reflect.construct(WebSocket, ["ftp://a", bad]), TypeError);
  }
  assert.throws(() => Reflect.construct(WebSocket, ["ws://a", { protocols: {} }]), TypeError);
});

test("constructor, the scheme: http and https become ws and wss, and the port stays", async () => {
  for (const [given, expected] of [
    ["http://127.0.0.1:443/", "ws://127.0.0.1:443/"],
    ["http://127.0.0.1:80/", "ws://127.0.0.1/"],
    ["https://127.0.0.1:80/", "wss://127.0.0.1:80/"],
    ["https://127.0.0.1:443/", "wss://127.0.0.1/"],
    ["HTTP://EXAMPLE.invalid", "ws://example.invalid/"],
    ["ws:127.0.0.1", "ws://127.0.0.1/"],
    ["ws://0x7f.1/%zz", "ws://127.0.0.1/%zz"],
  ]) {
    const socket = new WebSocket(given ?? "");
    assert.equal(socket.url, expected);
    socket.close();
    await next(socket, "close");
  }
  for (const url of ["http://127.0.0.1/#", "https://127.0.0.1/#x", "ws://127.0.0.1/a#?b"]) {
    assert.throws(() => new WebSocket(url), { name: "SyntaxError" });
  }
});

test("constructor, subprotocols: of ASCII the characters of a token may stand in one", async () => {
  for (let code = 0; code < 128; code++) {
    const name = String.fromCharCode(code);
    if (/[!#$%&'*+.^_`|~0-9A-Za-z-]/.test(name)) {
      const socket = new WebSocket("ws://127.0.0.1:1", name);
      socket.close();
      await next(socket, "close");
    } else {
      assert.throws(() => new WebSocket("ws://127.0.0.1:1", `a${name}`), { name: "SyntaxError" }, `${code}`);
    }
  }
});

test("garbage collection: an open socket that nobody holds stays open", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  await using server = await rawWebSocketServer();
  await next(new WebSocket(server.url), "open");
  const end = await server.accepted;
  for (let round = 0; round < 3; round++) {
    await new Promise((resolve) => setImmediate(resolve));
    collect();
  }
  end.send(frame(PING, "p"));
  assert.equal((await end.frame()).opcode, PONG);
});

test("options that are undefined have their defaults", async () => {
  await using server = await rawWebSocketServer();
  const socket = new WebSocket(server.url, { compression: undefined, sendLimitBytes: undefined });
  assert.match((await server.accepted).head, /^sec-websocket-extensions: permessage-deflate/im);
  await next(socket, "open");
  // Less than the default, and more than that of `dial`.
  for (let count = 0; count < 15; count++) socket.send(new Uint8Array(1_000_000));
  assert.equal(socket.readyState, WebSocket.OPEN);
  const closed = next(socket, "close");
  (await server.accepted).socket.destroy();
  await closed;
});

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
