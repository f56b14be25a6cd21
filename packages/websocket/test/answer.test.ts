// What a server may answer to `dial`, and what becomes of it: the client's side of hostile upgrades.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { Socket } from "node:net";
import { test } from "node:test";
import { dial, type DialOptions, type WebSocketNetError } from "../src/index.ts";
import { rawServer } from "./peers.ts";

/** The answer's `Sec-WebSocket-Accept`, from the request. */
function acceptFor(head: string): string {
  const key = /Sec-WebSocket-Key: (.*)\r\n/.exec(head)?.[1] ?? "";
  return createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
}

interface Answer {
  readonly first?: string;
  /** `null` leaves one of the usual headers out; a list repeats one. */
  readonly headers?: Readonly<Record<string, string | readonly string[] | null>>;
  readonly behind?: string;
}

function answerTo(
  head: string,
  { first = "HTTP/1.1 101 Switching Protocols", headers = {}, behind = "" }: Answer,
): string {
  const all = {
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Accept": acceptFor(head),
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]: [string, string | readonly string[] | null]) =>
    value === null ? [] : (typeof value === "string" ? [value] : value).map((each) => `${name}: ${each}`),
  );
  return `${[first, ...lines].join("\r\n")}\r\n\r\n${behind}`;
}

async function dialTo(serve: (head: string, socket: Socket) => void, options: DialOptions = {}) {
  await using server = await rawServer(serve);
  return await dial(`ws://127.0.0.1:${server.port}`, { handshakeTimeoutMs: 60_000, ...options });
}

const refused: readonly [
  what: string,
  answer: Answer,
  code: WebSocketNetError["code"],
  options?: DialOptions,
][] = [
  ["no accept value", { headers: { "Sec-WebSocket-Accept": null } }, "handshake_failed"],
  ["an empty accept value", { headers: { "Sec-WebSocket-Accept": "" } }, "handshake_failed"],
  [
    "the accept value of another key",
    { headers: { "Sec-WebSocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" } },
    "handshake_failed",
  ],
  ["no Upgrade", { headers: { Upgrade: null } }, "handshake_failed"],
  ["another Upgrade", { headers: { Upgrade: "h2c" } }, "handshake_failed"],
  ["two Upgrades", { headers: { Upgrade: "websocket, h2c" } }, "handshake_failed"],
  ["no Connection", { headers: { Connection: null } }, "handshake_failed"],
  ["another Connection", { headers: { Connection: "close" } }, "handshake_failed"],
  ["HTTP/1.0", { first: "HTTP/1.0 101 Switching Protocols" }, "handshake_failed"],
  ["HTTP/2.0", { first: "HTTP/2.0 101 Switching Protocols" }, "handshake_failed"],
  [
    "a subprotocol that was not asked for",
    { headers: { "Sec-WebSocket-Protocol": "chat" } },
    "handshake_failed",
  ],
  [
    "another subprotocol",
    { headers: { "Sec-WebSocket-Protocol": "b" } },
    "handshake_failed",
    { subprotocols: ["a"] },
  ],
  [
    "the subprotocol in another case",
    { headers: { "Sec-WebSocket-Protocol": "A" } },
    "handshake_failed",
    { subprotocols: ["a"] },
  ],
  [
    "two subprotocols",
    { headers: { "Sec-WebSocket-Protocol": ["a", "b"] } },
    "handshake_failed",
    { subprotocols: ["a", "b"] },
  ],
  [
    "a list of subprotocols",
    { headers: { "Sec-WebSocket-Protocol": "a, b" } },
    "handshake_failed",
    { subprotocols: ["a", "b"] },
  ],
  [
    "an empty subprotocol",
    { headers: { "Sec-WebSocket-Protocol": "" } },
    "handshake_failed",
    { subprotocols: ["a"] },
  ],
  [
    "an extension that was not asked for",
    { headers: { "Sec-WebSocket-Extensions": "permessage-deflate" } },
    "handshake_failed",
  ],
  [
    "an extension named constructor",
    { headers: { "Sec-WebSocket-Extensions": "constructor" } },
    "handshake_failed",
    { compression: true },
  ],
  [
    "an extension header with an open quote",
    { headers: { "Sec-WebSocket-Extensions": 'permessage-deflate; server_max_window_bits="10' } },
    "handshake_failed",
    { compression: true },
  ],
  [
    "parameters named __proto__",
    { headers: { "Sec-WebSocket-Extensions": "permessage-deflate; __proto__=1" } },
    "handshake_failed",
    { compression: true },
  ],
  ["200", { first: "HTTP/1.1 200 OK", behind: "<html>" }, "refused"],
  ["400", { first: "HTTP/1.1 400 Bad Request" }, "refused"],
  [
    "a redirect, in spite of its Upgrade",
    { first: "HTTP/1.1 307 Temporary Redirect", headers: { Location: "ws://127.0.0.1:1" } },
    "refused",
  ],
  ["a head of 100 kB", { headers: { "X-Long": "x".repeat(100_000) } }, "handshake_failed"],
];
for (const [what, answer, code, options] of refused) {
  test(`dial refuses ${what}, and ends TCP`, async () => {
    let ended: Promise<unknown> = Promise.resolve();
    await assert.rejects(
      dialTo((head, socket) => {
        ended = new Promise((resolve) => socket.on("close", resolve));
        socket.write(answerTo(head, answer));
      }, options),
      { code },
    );
    await ended;
  });
}

const accepted: readonly [what: string, answer: Answer, options?: DialOptions][] = [
  ["names in any case", { headers: { Upgrade: "WebSocket", Connection: "keep-alive, UPGRADE" } }],
  ["a status without a reason", { first: "HTTP/1.1 101" }],
  [
    "a subprotocol that was offered",
    { headers: { "Sec-WebSocket-Protocol": "b" } },
    { subprotocols: ["a", "b"] },
  ],
  [
    "another status before",
    { first: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 101 Now" },
  ],
  ["3,000 headers", { headers: { A: Array.from({ length: 3000 }, () => "") } }],
];
for (const [what, answer, options] of accepted) {
  test(`dial accepts ${what}`, async () => {
    const conn = await dialTo((head, socket) => socket.write(answerTo(head, answer)), options);
    conn.abort();
  });
}

test("an extension behind 2,500 headers is not overlooked", async () => {
  const headers = {
    A: Array.from({ length: 2500 }, () => ""),
    "Sec-WebSocket-Extensions": "permessage-deflate",
  };
  const conn = await dialTo((head, socket) => socket.write(answerTo(head, { headers })), {
    compression: { contextTakeover: true },
  });
  assert.equal(conn.extensions, "permessage-deflate");
  conn.abort();
  const refusing = dialTo((head, socket) => socket.write(answerTo(head, { headers })));
  await assert.rejects(refusing, { code: "handshake_failed" });
});

test("an answer that comes a byte at a time is bounded by the whole time, not by each byte", async () => {
  await assert.rejects(
    dialTo(
      (head, socket) => {
        const bytes = Buffer.from(answerTo(head, { headers: { "X-Long": "x".repeat(10_000) } }));
        let at = 0;
        const timer = setInterval(() => socket.write(bytes.subarray(at, ++at)), 2);
        socket.on("close", () => clearInterval(timer));
      },
      { handshakeTimeoutMs: 60 },
    ),
    { code: "timeout" },
  );
});

test("a server that leaves in the middle of its answer is a failed connection", async () => {
  for (const length of [0, 10, 60]) {
    await assert.rejects(
      dialTo((head, socket) => socket.end(answerTo(head, {}).slice(0, length))),
      { code: "connect_failed" },
    );
  }
});
