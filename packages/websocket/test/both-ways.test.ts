// What is answered without `node:http` is answered as with it: the same bytes to two servers, of which one
// leaves everything to `node:http`.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ListenOptions } from "../src/index.ts";
import { type BothWays, bothWays, type Outcome, upgradesByHttp } from "./both-ways.ts";
import { selfSigned } from "./certificate.ts";
import { SAMPLE_KEY, upgradeRequest } from "./peers.ts";
import { frameFrom } from "./recorder.ts";
import { GET, HELLO, likeAnUpgrade, UPGRADE } from "./upgrade-like.ts";

const latin1 = (text: string): Buffer => Buffer.from(text, "latin1");

/**
 * Without what Node says to rubbish behind a request. It says it only if its answer to the request has left
 * by then, and that depends on whether its parser has the bytes from the socket or from JavaScript, as those
 * that were looked at first. The connection ends either way.
 */
function withoutLastWord(outcome: Outcome): Outcome {
  const { answer } = outcome;
  const at = answer.lastIndexOf("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
  return at > 0 ? { ...outcome, answer: answer.slice(0, at) } : outcome;
}

/** Sends the same to both. `isOwn`: the first has not asked `node:http`. */
async function same(
  { own, byHttp }: BothWays,
  ...parts: readonly Buffer[]
): Promise<Outcome & { readonly isOwn: boolean }> {
  const before = upgradesByHttp();
  const outcome = await own.exchange(...parts);
  const isOwn = upgradesByHttp() === before;
  const expected = await byHttp.exchange(...parts);
  const what = JSON.stringify(parts.map((part) => part.toString("latin1").slice(0, 2000)));
  assert.deepEqual(withoutLastWord(outcome), withoutLastWord(expected), what);
  return { ...outcome, isOwn };
}

const statusOf = ({ answer }: Outcome): number => Number(answer.split(" ")[1] ?? 0);

const CLOSE = frameFrom("client", 0x88, Uint8Array.of(3, 232));

const requests: readonly (readonly [what: string, status: number, ...parts: (string | Buffer)[]])[] = [
  ["an upgrade", 101, UPGRADE],
  ["frames behind it", 101, UPGRADE, Buffer.concat([HELLO, CLOSE])],
  ["frames in the same packet", 101, Buffer.concat([latin1(UPGRADE), HELLO, HELLO, CLOSE])],
  [
    "half a frame in the same packet",
    101,
    Buffer.concat([latin1(UPGRADE), HELLO.subarray(0, 7)]),
    Buffer.concat([HELLO.subarray(7), CLOSE]),
  ],
  ["what is no frame, in the same packet", 101, UPGRADE + GET],
  ["an upgrade behind a GET", 426, GET + UPGRADE],
  ["an upgrade behind a GET, later", 426, GET, UPGRADE, Buffer.concat([HELLO, CLOSE])],
  ["two GETs", 426, GET + GET],
  ["rubbish behind a GET with a body", 426, GET.replace("Host", "Content-Length: 5\r\nHost") + GET],
  ["nothing", 0],
  ["an empty line before", 101, `\r\n${UPGRADE}`],
  ["bare line feeds", 0, UPGRADE.replaceAll("\r\n", "\n")],
  ["rubbish", 400, "\0\u0001\u0002\u0003\r\n\r\n"],
  ["TLS on a plain port", 400, Buffer.from("16030100a5010000a10303", "hex")],
  ["the preface of HTTP/2", 0, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  ["half a request", 0, UPGRADE.slice(0, 40)],
  ["no key", 400, upgradeRequest({ "Sec-WebSocket-Key": null })],
  ["two keys", 400, upgradeRequest({ "Sec-WebSocket-Key": [SAMPLE_KEY, SAMPLE_KEY] })],
  ["a bad key", 400, upgradeRequest({ "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZR==" })],
  ["a short key", 400, upgradeRequest({ "Sec-WebSocket-Key": "dGhlIHNhbXBsZQ==" })],
  ...["8", "12", "99", "", "+13"].map(
    (version) => [`version ${version}`, 426, upgradeRequest({ "Sec-WebSocket-Version": version })] as const,
  ),
  ["POST", 405, upgradeRequest({}, "POST / HTTP/1.1")],
  ["HTTP/1.0", 505, upgradeRequest({}, "GET / HTTP/1.0")],
  ["a body", 400, `${upgradeRequest({ "Content-Length": "5" })}hello`],
  ["a body of nothing", 101, upgradeRequest({ "Content-Length": "0" })],
  ["a chunked body", 400, `${upgradeRequest({ "Transfer-Encoding": "chunked" })}0\r\n\r\n`],
  ["both lengths", 0, upgradeRequest({ "Transfer-Encoding": "chunked", "Content-Length": "5" })],
  ["Expect", 101, upgradeRequest({ Expect: "100-continue" })],
  ["another protocol", 426, upgradeRequest({ Upgrade: "h2c" })],
  ["one protocol of two", 101, upgradeRequest({ Upgrade: "h2c, websocket" })],
  ["a connection that closes", 101, upgradeRequest({ Connection: "close, Upgrade" })],
  ["a connection kept alive", 101, upgradeRequest({ Connection: "keep-alive, Upgrade" })],
  ["no connection", 426, upgradeRequest({ Connection: null })],
  ["no host", 400, upgradeRequest({ Host: null })],
  ["two hosts", 400, upgradeRequest({ Host: ["a", "a"] })],
  ["a bad host", 400, upgradeRequest({ Host: "a/b" })],
  ["the host of an IPv6 address", 101, upgradeRequest({ Host: "[::1]:80", Origin: "http://[::1]" })],
  ["the same origin", 101, upgradeRequest({ Origin: "http://example.org" })],
  ["the same origin in other words", 101, upgradeRequest({ Origin: "HTTP://EXAMPLE.org:80" })],
  ["another origin", 403, upgradeRequest({ Origin: "http://evil.example" })],
  ["the origin null", 403, upgradeRequest({ Origin: "null" })],
  ["two origins", 403, upgradeRequest({ Origin: ["http://example.org", "http://example.org"] })],
  ["another path", 404, upgradeRequest({}, "GET /elsewhere HTTP/1.1")],
  ["a query", 101, upgradeRequest({}, "GET /?a=/b&c HTTP/1.1")],
  ["an absolute target", 101, upgradeRequest({}, "GET http://example.org/ HTTP/1.1")],
  ["an absolute target without a path", 101, upgradeRequest({}, "GET WSS://example.org?a=b HTTP/1.1")],
  ["an absolute target at another path", 404, upgradeRequest({}, "GET http://example.org/a HTTP/1.1")],
  ["an absolute target with a user", 400, upgradeRequest({}, "GET http://a@example.org/ HTTP/1.1")],
  [
    "an absolute target whose host is not that of Host",
    403,
    upgradeRequest({ Origin: "http://example.org:80" }, "GET http://evil.example/ HTTP/1.1"),
  ],
  ["a target of another scheme", 404, upgradeRequest({}, "GET ftp://example.org/ HTTP/1.1")],
  ["a name that is not the server's", 403, upgradeRequest({ Host: "a", Origin: "http://a" })],
  ["subprotocols", 101, upgradeRequest({ "Sec-WebSocket-Protocol": "a, chat, b" })],
  ["subprotocols in two headers", 101, upgradeRequest({ "Sec-WebSocket-Protocol": ["a, chat", "b"] })],
  ["no subprotocol in the header", 400, upgradeRequest({ "Sec-WebSocket-Protocol": " , ," })],
  ["a subprotocol twice", 400, upgradeRequest({ "Sec-WebSocket-Protocol": "a, a" })],
  ["a subprotocol outside ASCII", 400, upgradeRequest({ "Sec-WebSocket-Protocol": "\u00f1" })],
  [
    "compression",
    101,
    upgradeRequest({ "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits" }),
  ],
  ["an open quote", 400, upgradeRequest({ "Sec-WebSocket-Extensions": 'a; b="c' })],
  [
    "__proto__",
    101,
    upgradeRequest({ "Sec-WebSocket-Extensions": "__proto__; __proto__=1", ["__proto__x"]: "1" }),
  ],
  [
    "names that objects have",
    101,
    upgradeRequest({ constructor: "a", ["tostring"]: "b", hasOwnProperty: "c" }),
  ],
  [
    "headers twice",
    101,
    upgradeRequest({
      Cookie: ["a=1", "b=2"],
      "X-Two": ["1", "2"],
      "User-Agent": ["a", "b"],
      "Set-Cookie": ["a", "b"],
    }),
  ],
  ["a cookie outside ASCII", 101, upgradeRequest({ Cookie: "a=\u00f1" })],
  ["spaces around a value", 101, upgradeRequest({ "X-A": "  a\t" })],
  ["a folded header", 0, upgradeRequest({ "X-A": "a\r\n b" })],
  ["a bare line feed in a header", 0, upgradeRequest({ "X-A": "a\nX-B: b" })],
  [
    "65 headers",
    101,
    upgradeRequest(Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`x${i}`, "1"]))),
  ],
  [
    "2,100 headers",
    431,
    upgradeRequest(Object.fromEntries(Array.from({ length: 2100 }, (_, i) => [`a${i}`, ""]))),
  ],
  ["9 kB of headers", 101, upgradeRequest({ "X-Long": "x".repeat(9_000) })],
  ["100 kB of headers", 431, upgradeRequest({ "X-Long": "x".repeat(100_000) })],
];

const tls = selfSigned("IP:127.0.0.1");
for (const [kind, secure] of [
  ["ws", {}],
  ["wss", { tls }],
] as const) {
  const options: ListenOptions = {
    ...secure,
    path: "/",
    allowedHosts: ["example.org"],
    subprotocols: ["chat"],
    compression: true,
    headers: { "X-Node": "7" },
    handshakeTimeoutMs: 60_000,
  };

  test(`${kind}: what is sent as an upgrade has one outcome`, async () => {
    await using both = await bothWays(options);
    for (const [what, status, ...parts] of requests) {
      const outcome = await same(
        both,
        ...parts.map((part) => (typeof part === "string" ? latin1(part) : part)),
      );
      if (status !== 0) assert.equal(statusOf(outcome), status, what);
    }
  });

  test(`${kind}: a request that is cut at any byte has one outcome`, async () => {
    await using both = await bothWays(options);
    const bytes = Buffer.concat([latin1(UPGRADE), HELLO, CLOSE]);
    for (let at = 1; at < bytes.length; at += kind === "ws" ? 1 : 13) {
      const { seen } = await same(both, bytes.subarray(0, at), bytes.subarray(at));
      assert.deepEqual(seen[0]?.messages, ["hello"]);
    }
  });
}

test("the application's functions see the same request, and decide the same", async () => {
  for (const decide of [
    { authorize: () => undefined },
    { authorize: () => ({ status: 401, reason: "who?", headers: { "WWW-Authenticate": "Bearer" } }) },
    { authorize: async () => ({ status: 402, reason: "later" }) },
    {
      async authorize() {
        await new Promise((resolve) => setImmediate(resolve));
      },
    },
    {
      authorize() {
        throw new Error("boom");
      },
    },
    { checkOrigin: () => true },
    { checkOrigin: () => false },
    { checkOrigin: async () => false },
    { subprotocols: (offered: readonly string[]) => offered[1] },
    { subprotocols: () => "not offered" },
    { headers: () => ({ "X-A": "b" }) },
    { headers: () => ({ "X-A": "b\r\n" }) },
    { onRefuse: () => undefined },
  ] satisfies ListenOptions[]) {
    const noted: unknown[] = [];
    const options: Record<string, unknown> = { path: "/" };
    for (const [name, decision] of Object.entries(decide) as [string, (...args: unknown[]) => unknown][]) {
      options[name] = (...args: unknown[]) => {
        noted.push(name, ...args.flatMap(partsOf).map(described));
        return decision(...args);
      };
    }
    await using both = await bothWays(options);
    for (const request of [
      upgradeRequest({
        "Sec-WebSocket-Protocol": "a, b",
        Cookie: ["a=1", "b=2"],
        Age: ["1", "2"],
        "X-Two": ["1", "2"],
      }),
      upgradeRequest({ Origin: "http://evil.example", "Set-Cookie": ["a", "b"] }),
      upgradeRequest({ "Sec-WebSocket-Key": "short" }),
    ]) {
      const { isOwn } = await same(both, Buffer.concat([latin1(request), HELLO, CLOSE]));
      assert.ok(isOwn);
      const half = noted.length / 2;
      assert.deepEqual(noted.slice(0, half), noted.slice(half));
      noted.length = 0;
    }
  }
});

/** Of a refusal, what is the same both ways: the client's port is not. */
function partsOf(arg: unknown): unknown[] {
  if (typeof arg !== "object" || arg === null || !("reason" in arg && "error" in arg)) return [arg];
  return [arg.reason, String(arg.error), "request" in arg ? arg.request : undefined];
}

/** Of an `IncomingMessage`, what it promises. */
function described(arg: unknown): unknown {
  if (typeof arg !== "object" || arg === null || Array.isArray(arg)) return arg;
  const names = [
    "method",
    "url",
    "httpVersion",
    "httpVersionMajor",
    "httpVersionMinor",
    "rawHeaders",
    "headers",
    "headersDistinct",
  ];
  const more = [
    "trailers",
    "rawTrailers",
    "complete",
    "aborted",
    "upgrade",
    "readable",
    "readableEnded",
    "destroyed",
    "statusCode",
  ];
  const { constructor, socket } = arg as { constructor: unknown; socket: Record<string, unknown> };
  const { remoteAddress, remoteFamily, encrypted, destroyed, writable, server } = socket;
  return {
    constructor,
    socket: {
      remoteAddress,
      remoteFamily,
      encrypted,
      destroyed,
      writable,
      server: (server as object).constructor,
    },
    values: [...names, ...more].map((name) => [name, Reflect.get(arg, name)]),
  };
}

/** `FIRST_BYTES_RUNS=20000` for a longer look. */
const numRuns = Number(process.env["FIRST_BYTES_RUNS"] ?? 400);

test("whatever is like an upgrade has one outcome", async () => {
  await using both = await bothWays({ path: "/", subprotocols: ["chat"], compression: true });
  const counts = { upgraded: 0, own: 0 };
  await fc.assert(
    fc.asyncProperty(likeAnUpgrade, async (text) => {
      const outcome = await same(both, latin1(text));
      if (statusOf(outcome) !== 101) return;
      counts.upgraded++;
      if (outcome.isOwn) counts.own++;
    }),
    { numRuns },
  );
  assert.ok(counts.upgraded > numRuns / 8 && counts.own > numRuns / 16, JSON.stringify(counts));
});
