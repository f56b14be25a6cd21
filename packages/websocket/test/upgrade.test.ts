import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, get, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import {
  attach,
  dial,
  Upgrader,
  type UpgraderOptions,
  type WebSocketConn,
  WebSocketNetError,
} from "../src/index.ts";
import { selfSigned } from "./certificate.ts";
import {
  accepting,
  echoAll,
  ended,
  httpServer,
  RawPeer,
  SAMPLE_ACCEPT,
  SAMPLE_KEY,
  upgradeRequest,
} from "./peers.ts";
import { frameFrom } from "./recorder.ts";

/** What the server answers to a raw request: its status line and headers. */
async function answerTo(request: string, options: UpgraderOptions = {}): Promise<string> {
  await using server = await accepting(options);
  const peer = await RawPeer.connect(server.port);
  peer.write(request);
  const head = await peer.head();
  peer.socket.destroy();
  return head;
}

async function statusOf(request: string, options: UpgraderOptions = {}): Promise<number> {
  return Number((await answerTo(request, options)).split(" ")[1]);
}

test("a valid request is answered as in RFC 6455 §1.3", async () => {
  const head = await answerTo(upgradeRequest());
  assert.match(head, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
  assert.ok(head.includes(`\r\nSec-WebSocket-Accept: ${SAMPLE_ACCEPT}\r\n`));
  assert.ok(!/protocol:|extensions:/i.test(head.replace("Switching Protocols", "")));
});

const refusals: [string, number, Parameters<typeof upgradeRequest>][] = [
  ["no key", 400, [{ "Sec-WebSocket-Key": null }]],
  ["two keys", 400, [{ "Sec-WebSocket-Key": [SAMPLE_KEY, SAMPLE_KEY] }]],
  ["a short key", 400, [{ "Sec-WebSocket-Key": "dGhlIHNhbXBsZQ==" }]],
  ["a long key", 400, [{ "Sec-WebSocket-Key": `AAAA${SAMPLE_KEY}` }]],
  ["a key that is not base64", 400, [{ "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZ!==" }]],
  ["a key with bits to spare", 400, [{ "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZR==" }]],
  ["an empty key", 400, [{ "Sec-WebSocket-Key": "" }]],
  ["no version", 426, [{ "Sec-WebSocket-Version": null }]],
  ["an empty version", 426, [{ "Sec-WebSocket-Version": "" }]],
  ["two versions", 426, [{ "Sec-WebSocket-Version": ["13", "13"] }]],
  ...["8", "12", "99", "13, 8", "+13", "013"].map((version): [string, number, [Record<string, string>]] => [
    `version ${version}`,
    426,
    [{ "Sec-WebSocket-Version": version }],
  ]),
  ["POST", 405, [{}, "POST / HTTP/1.1"]],
  ["PUT", 405, [{}, "PUT / HTTP/1.1"]],
  ["HTTP/1.0", 505, [{}, "GET / HTTP/1.0"]],
  ["a body", 400, [{ "Content-Length": "5" }]],
  ["a chunked body", 400, [{ "Transfer-Encoding": "chunked" }]],
  ["another protocol", 426, [{ Upgrade: "h2c" }]],
  ["an empty Host", 400, [{ Host: "" }]],
  ["an empty subprotocol list", 400, [{ "Sec-WebSocket-Protocol": " , ,, " }]],
  ["a repeated subprotocol", 400, [{ "Sec-WebSocket-Protocol": "chat, chat" }]],
  ["a subprotocol that is not a token", 400, [{ "Sec-WebSocket-Protocol": "a b" }]],
  ["a subprotocol outside ASCII", 400, [{ "Sec-WebSocket-Protocol": "ñandú" }]],
  [
    "129 subprotocols",
    400,
    [{ "Sec-WebSocket-Protocol": Array.from({ length: 129 }, (_, i) => `p${i}`).join() }],
  ],
];
for (const [name, status, request] of refusals) {
  test(`${name} is refused with ${status}`, async () => {
    const head = await answerTo(upgradeRequest(...request));
    assert.equal(Number(head.split(" ")[1]), status);
    if (/version/i.test(name)) assert.match(head, /\r\nSec-WebSocket-Version: 13\r\n/);
    if (status === 405) assert.match(head, /\r\nAllow: GET\r\n/);
  });
}

test("128 subprotocols pass, and the server's order decides", async () => {
  const many = Array.from({ length: 128 }, (_, i) => `p${i}`).join();
  const head = await answerTo(upgradeRequest({ "Sec-WebSocket-Protocol": many }), {
    subprotocols: ["q", "p7", "p3"],
  });
  assert.match(head, /\r\nSec-WebSocket-Protocol: p7\r\n/);
});

test("a list of spaces and commas as long as a request may be is refused in no time", async () => {
  assert.equal(await statusOf(upgradeRequest({ "Sec-WebSocket-Protocol": " ,".repeat(7_000) })), 400);
  // 100 kB is more than Node takes; its own answer is 431.
  assert.equal(await statusOf(upgradeRequest({ "Sec-WebSocket-Protocol": " ,".repeat(50_000) })), 431);
});

test("headers past the parser's limit are not guessed", async () => {
  const extra = Object.fromEntries(Array.from({ length: 2100 }, (_, i) => [`a${i}`, ""]));
  // The five that matter stand behind the limit, or before it: either way something may be missing.
  assert.equal(await statusOf(upgradeRequest({ ...extra })), 431);
  const { Host, ...rest } = { Host: "example.org", ...extra };
  const request = upgradeRequest(rest)
    .replace("\r\nHost: example.org", "")
    .replace(/\r\n\r\n$/, `\r\nHost: ${Host}\r\n\r\n`);
  assert.ok([400, 431].includes(await statusOf(request)));
});

test("extension offers of any kind are declined", async () => {
  for (const offer of [
    "permessage-deflate; x",
    "constructor",
    "__proto__; __proto__=1",
    'a; b="c\\d"',
    "permessage-deflate",
  ]) {
    const head = await answerTo(upgradeRequest({ "Sec-WebSocket-Extensions": offer }));
    assert.match(head, /^HTTP\/1\.1 101 /);
    assert.ok(!/sec-websocket-extensions/i.test(head));
  }
});

const origins: [string, string | readonly string[], string, number][] = [
  ["the same host", "http://example.org", "example.org", 101],
  ["the same host and port", "http://example.org:8080", "example.org:8080", 101],
  ["upper case", "HTTP://EXAMPLE.ORG", "example.org", 101],
  ["the scheme's own port", "http://example.org:80", "example.org", 101],
  ["null", "null", "example.org", 403],
  ["nothing", "", "example.org", 403],
  ["another port", "http://example.org:81", "example.org", 403],
  ["the host as a prefix", "http://example.org.evil.net", "example.org", 403],
  ["the host as a suffix", "http://evilexample.org", "example.org", 403],
  ["the host inside", "http://a.example.org.b", "example.org", 403],
  ["the host as a user", "http://example.org@evil.net", "example.org", 403],
  ["a path", "http://example.org/path", "example.org", 403],
  ["no scheme", "example.org", "example.org", 403],
  ["another scheme", "file://example.org", "example.org", 403],
  ["two origins", ["http://example.org", "http://example.org"], "example.org", 403],
  ["a malformed Host", "http://example.org", "example.org:x", 400],
];
for (const [name, origin, host, status] of origins) {
  test(`origin: ${name} gets ${status}`, async () => {
    const options = { allowedHosts: ["example.org"] };
    assert.equal(await statusOf(upgradeRequest({ Origin: origin, Host: host }), options), status);
  });
}

test("a missing or repeated Host is refused", async () => {
  assert.equal(await statusOf(upgradeRequest({ Host: null })), 400);
  assert.equal(await statusOf(upgradeRequest({ Host: ["a", "a"] })), 400);
});

test("a malformed Host is refused, whoever asks; odd but valid ones pass", async () => {
  const bad = [
    "a b",
    "a/b",
    "user@a",
    "a:x",
    "a:1:2",
    "a:123456",
    "[::1",
    "::1",
    "a?b",
    "a#b",
    "a\\b",
    "ñ",
    "%zz",
    ":80",
  ];
  for (const host of bad) assert.equal(await statusOf(upgradeRequest({ Host: host })), 400, host);
  const good = [
    "a",
    "a:80",
    "a:",
    "A.example:65535",
    "[::1]",
    "[::1]:8080",
    "127.0.0.1:1",
    "xn--and-6ma2c",
    "a_b",
    "a%20b",
  ];
  for (const host of good) assert.equal(await statusOf(upgradeRequest({ Host: host })), 101, host);
});

test("checkOrigin and authorize decide, also later, also by failing", async () => {
  const evil = upgradeRequest({ Origin: "http://evil.net" });
  assert.equal(await statusOf(evil, { checkOrigin: () => true }), 101);
  assert.equal(await statusOf(evil, { checkOrigin: async () => true }), 101);
  assert.equal(await statusOf(upgradeRequest(), { checkOrigin: async () => false }), 403);
  const refusal = { status: 401, reason: "who are you?", headers: { "WWW-Authenticate": "Bearer" } };
  assert.match(
    await answerTo(upgradeRequest(), { authorize: async () => refusal }),
    /^HTTP\/1\.1 401 [^]*\r\nWWW-Authenticate: Bearer\r\n/,
  );
  assert.equal(await statusOf(upgradeRequest(), { authorize: () => undefined }), 101);
  const boom = () => {
    throw new Error("boom");
  };
  for (const options of [
    { authorize: boom },
    { checkOrigin: boom },
    { subprotocols: boom },
    { headers: boom },
  ]) {
    const request = upgradeRequest({ "Sec-WebSocket-Protocol": "x" });
    assert.equal(await statusOf(request, options as UpgraderOptions), 500);
  }
});

test("an authorization that takes too long is answered with 503", async () => {
  const options = { authorize: () => new Promise<undefined>(() => undefined), handshakeTimeoutMs: 2000 };
  assert.equal(await statusOf(upgradeRequest(), options), 503);
});

test("headers are added, and CR or LF in them refused", async () => {
  assert.match(
    await answerTo(upgradeRequest(), { headers: { "Set-Cookie": "a=1" } }),
    /\r\nSet-Cookie: a=1\r\n/,
  );
  assert.match(await answerTo(upgradeRequest(), { headers: () => ({ "X-Node": "7" }) }), /\r\nX-Node: 7\r\n/);
  const bad = ["a\r\nSet-Cookie: b", "a\n", "a\r", "a\0", "\u{1f600}"];
  for (const value of bad) {
    assert.throws(() => new Upgrader({ headers: { "X-A": value } }), { code: "invalid_argument" });
    assert.equal(await statusOf(upgradeRequest(), { headers: () => ({ "X-A": value }) }), 500);
  }
  assert.throws(() => new Upgrader({ headers: { "X A": "b" } }), { code: "invalid_argument" });
  assert.throws(() => new Upgrader({ headers: { "Sec-WebSocket-Accept": "b" } }), {
    code: "invalid_argument",
  });
  assert.throws(() => new Upgrader({ subprotocols: ["a b"] }), { code: "invalid_argument" });
  assert.throws(
    () => new Upgrader({ maxMessageBytes: 0 }),
    /maxMessageBytes 0 is not a whole number of at least 1/,
  );
});

test("a chosen subprotocol that was not offered is the server's failure", async () => {
  const request = upgradeRequest({ "Sec-WebSocket-Protocol": "a" });
  assert.equal(await statusOf(request, { subprotocols: () => "b" }), 500);
  assert.match(await answerTo(request, { subprotocols: (offered) => offered[0] }), /Protocol: a\r\n/);
});

test("frames in the same packet as the request are not lost, even behind an authorization", async () => {
  await using server = await accepting({ authorize: () => new Promise((resolve) => setImmediate(resolve)) });
  const accepted = server.listener.accept();
  const peer = await RawPeer.upgraded(server.port, frameFrom("client", 0x81, "early"));
  const conn = await accepted;
  await new Promise((resolve) => setImmediate(resolve)); // The application takes its time.
  assert.equal(await conn.receive(), "early");
  peer.socket.destroy();
});

test("a client that never ends its request is cut off", async () => {
  await using server = await accepting({ handshakeTimeoutMs: 40 });
  const peer = await RawPeer.connect(server.port);
  peer.write("GET / HTTP/1.1\r\nHost: a\r\n");
  assert.match((await peer.rest()).toString(), /^HTTP\/1\.1 408 |^$/);
});

test("a client that sends its request a byte at a time is cut off, too", async () => {
  await using server = await accepting({ handshakeTimeoutMs: 60 });
  const peer = await RawPeer.connect(server.port);
  const request = Buffer.from(upgradeRequest({ "X-Long": "x".repeat(10_000) }));
  let at = 0;
  const timer = setInterval(() => peer.write(request.subarray(at, ++at)), 2);
  assert.match((await peer.rest()).toString(), /^HTTP\/1\.1 408 |^$/);
  clearInterval(timer);
  assert.ok(at < request.length);
});

test("a client that leaves between request and answer harms nobody", async () => {
  let enter: (() => void) | undefined;
  const entered = new Promise<void>((resolve) => {
    enter = resolve;
  });
  let leave: (() => void) | undefined;
  const left = new Promise<void>((resolve) => {
    leave = resolve;
  });
  let isFirst = true;
  const failures: Error[] = [];
  let request: IncomingMessage | undefined;
  await using server = await accepting({
    async authorize(asked) {
      if (!isFirst) return;
      isFirst = false;
      request = asked;
      enter?.();
      await left;
    },
    onRefuse: ({ error }) => failures.push(error as Error),
  });
  const peer = await RawPeer.connect(server.port);
  peer.write(upgradeRequest());
  await entered;
  peer.socket.resetAndDestroy();
  if (request === undefined) throw new Error("not entered");
  request.socket.resume(); // So that the reset is noticed at once.
  const { socket } = request;
  await new Promise((resolve) => socket.on("close", resolve));
  leave?.();
  const other = await dial(server.url);
  assert.deepEqual(
    failures.map((error) => (error as WebSocketNetError).code),
    ["closed"],
  );
  other.abort();
});

test("listen answers other paths with 404 and other requests with 426", async () => {
  await using server = await accepting({ path: "/ws" });
  await assert.rejects(dial(`${server.url}/other`), { code: "refused", status: 404 });
  const conn = await dial(`${server.url}/ws?x=1`);
  const accepted = await server.listener.accept();
  assert.equal(accepted.peer.request?.url, "/ws?x=1");
  assert.equal(accepted.peer.request?.headers["upgrade"], "websocket");
  for (const [path, status] of [
    ["/ws", 426],
    ["/", 404],
  ] as const) {
    const [response] = (await once(get({ port: server.port, host: "127.0.0.1", path }), "response")) as [
      IncomingMessage,
    ];
    assert.equal(response.statusCode, status);
    response.resume();
  }
  conn.abort();
});

test("listeners attached to one server share it with pages, by path", async () => {
  await using http = await httpServer();
  await using one = attach(http.server, { path: "/one" });
  await using two = attach(http.server, { path: "/two" });
  void echoAll(one);
  const accepted = two.accept();
  const conn = await dial(`ws://127.0.0.1:${http.port}/one`);
  await conn.send("hola");
  assert.equal(await conn.receive(), "hola");
  const other = await dial(`ws://127.0.0.1:${http.port}/two`);
  await other.close(4000, "bye");
  assert.deepEqual(await ended(await accepted), { code: 4000, reason: "bye", wasClean: true });
  await assert.rejects(dial(`ws://127.0.0.1:${http.port}/three`), { code: "refused", status: 404 });
  await one.close();
  await assert.rejects(dial(`ws://127.0.0.1:${http.port}/one`), { code: "refused", status: 404 });
  const [page] = (await once(get({ port: http.port, host: "127.0.0.1", path: "/" }), "response")) as [
    IncomingMessage,
  ];
  assert.equal(page.statusCode, 200);
  page.resume();
  await conn.close();
});

test("attached to a server that listens on a Unix socket", {
  skip: process.platform === "win32",
}, async () => {
  const directory = mkdtempSync(join(tmpdir(), "zocalo-attach-"));
  const socketPath = join(directory, "http.sock");
  const server = createServer();
  try {
    assert.throws(() => attach(server), {
      code: "invalid_argument",
      message: "the server must be listening",
    });
    server.listen(socketPath);
    await once(server, "listening");
    await using listener = attach(server);
    assert.equal(String(listener.addr), socketPath);
    const headers = {
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": SAMPLE_KEY,
    };
    const asking = get({ socketPath, headers });
    const [[response, socket], conn] = await Promise.all([
      once(asking, "upgrade") as Promise<[IncomingMessage, Socket]>,
      listener.accept(),
    ]);
    assert.equal(response.headers["sec-websocket-accept"], SAMPLE_ACCEPT);
    await conn.send("hola");
    const [frame] = (await once(socket, "data")) as [Buffer];
    assert.deepEqual(frame, Buffer.from("\x81\x04hola", "latin1"));
    socket.destroy();
    conn.abort();
  } finally {
    server.close();
    rmSync(directory, { recursive: true });
  }
});

test("an upgrader by itself, in the upgrade event", async () => {
  await using http = await httpServer();
  const upgrader = new Upgrader({ receiveHighWaterBytes: 1024, sendHighWaterBytes: 1024 });
  http.server.on("upgrade", (request, socket, head) => {
    void upgrader.upgrade(request, socket, head).then(async (conn) => {
      for await (const message of conn) await conn.send(message);
    });
  });
  const conn = await dial(`ws://127.0.0.1:${http.port}`);
  const texts = Array.from({ length: 100 }, (_, i) => `${i}`.repeat(50));
  for (const text of texts) await conn.send(text);
  for (const text of texts) assert.equal(await conn.receive(), text);
  await conn.close();
});

test("a peer that ends its side while its upgrade is thought about is told to have left", async () => {
  await using http = await httpServer();
  const upgrader = new Upgrader({ pingIntervalMs: Infinity });
  const upgraded = new Promise<WebSocketConn>((resolve) => {
    http.server.on("upgrade", (request, socket, head) => {
      socket.once("end", () => resolve(upgrader.upgrade(request, socket, head)));
    });
  });
  const peer = await RawPeer.connect(http.port);
  peer.socket.end(upgradeRequest());
  const { wasClean, error } = await ended(await upgraded);
  assert.equal(wasClean, false);
  assert.equal((error as WebSocketNetError).code, "abnormal_closure");
});

test("one that ends its side behind its Close frame meanwhile, over TLS, still gets its answers", async () => {
  const { cert, key } = selfSigned("IP:127.0.0.1");
  await using server = await accepting({
    tls: { cert, key },
    authorize: async (request) => void (await once(request.socket, "end")),
  });
  const accepted = server.listener.accept();
  const at = { port: server.port, host: "127.0.0.1", allowHalfOpen: true };
  const peer = connectTls({ ...at, ca: cert });
  const frames = [frameFrom("client", 0x81, "hola"), frameFrom("client", 0x88, Buffer.from([0x03, 0xe8]))];
  peer.end(Buffer.concat([Buffer.from(upgradeRequest()), ...frames]));
  const conn = await accepted;
  conn.serve({ message: (message) => conn.send(message) });
  let answer = "";
  for await (const chunk of peer) answer += (chunk as Buffer).toString("latin1");
  assert.ok(answer.endsWith("\r\n\r\n\x81\x04hola\x88\x02\x03\xe8"), answer);
});

test("a full listener answers 503", async () => {
  await using server = await accepting({ maxPending: 1 });
  const first = await dial(server.url);
  await assert.rejects(dial(server.url), { code: "refused", status: 503 });
  await server.listener.accept();
  const second = await dial(server.url);
  first.abort();
  second.abort();
});
