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

const UPGRADE = upgradeRequest();
const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const HELLO = frameFrom("client", 0x81, "hello");
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

// --- any request that is like one

const oneOf = (...texts: string[]): fc.Arbitrary<string> => fc.constantFrom(...texts);
const mostly = (usual: string, ...others: string[]): fc.Arbitrary<string> =>
  fc.oneof({ weight: 25, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: oneOf(...others) });
const someCase = (name: string): fc.Arbitrary<string> =>
  mostly(name, name.toLowerCase(), name.toUpperCase(), `${name} `, `x${name}`);
const line = (name: string, ...values: [string, ...string[]]): fc.Arbitrary<string> =>
  fc
    .tuple(
      someCase(name),
      mostly(": ", ":", ":  ", ":\t", " : "),
      mostly(...values),
      mostly("\r\n", "\n", "\r", " \r\n", "\r\n ", "\r\n\r\n"),
    )
    .map((parts) => parts.join(""));
/** Mostly there once. */
const times = (each: fc.Arbitrary<string>): fc.Arbitrary<string[]> =>
  fc.oneof(
    { weight: 30, arbitrary: each.map((text) => [text]) },
    { weight: 1, arbitrary: fc.constant<string[]>([]) },
    { weight: 1, arbitrary: fc.tuple(each, each).map((two): string[] => two) },
  );
const essential = fc
  .tuple(
    times(line("Host", "example.org", "example.org:8080", "", "a/b", "a,b", "[::1]")),
    times(line("Upgrade", "websocket", "WebSocket", "h2c", "h2c, websocket", "")),
    times(
      line(
        "Connection",
        "Upgrade",
        "keep-alive, Upgrade",
        "upgrade",
        "close",
        "Upgrade, close",
        "keep-alive,Upgrade,",
      ),
    ),
    times(line("Sec-WebSocket-Key", SAMPLE_KEY, "", "short", `${SAMPLE_KEY},`)),
    times(line("Sec-WebSocket-Version", "13", "8", "13, 8", "", "013")),
  )
  .map((lists) => lists.flat());
const optional = fc.array(
  fc.oneof(
    line("Origin", "http://example.org", "http://evil.example", "null", "HTTP://Example.ORG"),
    line("Sec-WebSocket-Protocol", "chat", "a, chat", ",", "a,a", "\u00f1"),
    line(
      "Sec-WebSocket-Extensions",
      "permessage-deflate; client_max_window_bits",
      "x",
      "permessage-deflate; server_max_window_bits=8",
      '"',
    ),
    line("Cookie", "a=b; c=d", "", "\u00ff", "a=\u0001"),
    line("User-Agent", "Mozilla/5.0 (X11; Linux x86_64)", "\t", "a\u007f"),
    line("Content-Length", "0", "5", "x", "-1", "0, 0"),
    line("Transfer-Encoding", "chunked", "identity", "gzip, chunked"),
    line("Expect", "100-continue", "x"),
    line("Proxy-Connection", "close", "keep-alive"),
    line("__proto__", "a", "constructor"),
  ),
  { maxLength: 3 },
);
const firstLine = fc.oneof(
  { weight: 12, arbitrary: fc.constant("GET / HTTP/1.1\r\n") },
  {
    weight: 2,
    arbitrary: oneOf(
      "GET /?a=b HTTP/1.1\r\n",
      "GET /#a HTTP/1.1\r\n",
      "GET /\u00f1 HTTP/1.1\r\n",
      "GET /other HTTP/1.1\r\n",
      "GET http://example.org/ HTTP/1.1\r\n",
      "GET ws://evil.example:80?a HTTP/1.1\r\n",
      "GET * HTTP/1.1\r\n",
      "get / HTTP/1.1\r\n",
      "POST / HTTP/1.1\r\n",
      "GET / HTTP/1.0\r\n",
      "GET / HTTP/2.0\r\n",
      "GET / HTTP/1.1\n",
      "GET / HTTP/1.1 \r\n",
      "GET  / HTTP/1.1\r\n",
      "\r\nGET / HTTP/1.1\r\n",
      "GET /\r\n",
    ),
  },
);
const tail = fc.constantFrom("", "", HELLO.toString("latin1"), GET, UPGRADE, "\r\n", "\0");
const change = fc.record({
  at: fc.nat(400),
  cut: fc.nat(2),
  put: fc.constantFrom("", " ", "\r", "\n", "\0", ":", "\t", "a", "\u00ff", "\r\n", ",", "X: y\r\n"),
});
/** A request, and what was done to its bytes. */
const request = fc
  .tuple(
    firstLine,
    fc
      .tuple(essential, optional)
      .chain(([some, more]) =>
        fc.shuffledSubarray([...some, ...more], { minLength: some.length + more.length }),
      ),
    tail,
    fc.oneof(
      { weight: 3, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(change, { maxLength: 2 }) },
    ),
  )
  .map(([first, lines, end, changes]) => {
    let text = `${first}${lines.join("")}\r\n${end}`;
    for (const { at, cut, put } of changes) text = text.slice(0, at) + put + text.slice(at + cut);
    return text;
  });

/** `FIRST_BYTES_RUNS=20000` for a longer look. */
const numRuns = Number(process.env["FIRST_BYTES_RUNS"] ?? 400);

test("whatever is like an upgrade has one outcome", async () => {
  await using both = await bothWays({ path: "/", subprotocols: ["chat"], compression: true });
  const counts = { upgraded: 0, own: 0 };
  await fc.assert(
    fc.asyncProperty(request, async (text) => {
      const outcome = await same(both, latin1(text));
      if (statusOf(outcome) !== 101) return;
      counts.upgraded++;
      if (outcome.isOwn) counts.own++;
    }),
    { numRuns },
  );
  assert.ok(counts.upgraded > numRuns / 8 && counts.own > numRuns / 16, JSON.stringify(counts));
});
