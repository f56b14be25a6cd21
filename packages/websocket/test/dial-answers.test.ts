import assert from "node:assert/strict";
import { test } from "node:test";
import { dial, WebSocketNetError } from "../src/index.ts";
import { rawServer } from "./peers.ts";
import { frameFrom } from "./recorder.ts";

test("dial says what was wrong with the answer", async () => {
  const good = (key: string) =>
    `HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${key}\r\n`;
  const answers: [string, RegExp][] = [
    [`${good("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")}\r\n`, /wrong Sec-WebSocket-Accept/],
    ["HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", /Upgrade is not websocket/],
    ["HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", /wrong Sec-WebSocket-Accept/],
  ];
  for (const [answer, reason] of answers) {
    await using server = await rawServer((_, socket) => socket.write(answer));
    await assert.rejects(dial(`ws://127.0.0.1:${server.port}`), (error: WebSocketNetError) => {
      assert.equal(error.code, "handshake_failed");
      assert.match(error.message, reason);
      return true;
    });
  }
  const { acceptKey } = await import("../src/handshake/accept-key.ts");
  for (const extra of ["Sec-WebSocket-Protocol: x", "Sec-WebSocket-Extensions: permessage-deflate"]) {
    await using server = await rawServer((head, socket) => {
      const key = /Sec-WebSocket-Key: (.*)\r\n/.exec(head)?.[1] ?? "";
      socket.write(`${good(acceptKey(key))}${extra}\r\n\r\n`);
    });
    await assert.rejects(dial(`ws://127.0.0.1:${server.port}`), { code: "handshake_failed" });
  }
});

test("dial: a page instead of 101, a redirect, nothing, garbage, nobody", async () => {
  for (const [answer, status] of [
    ["HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage", 200],
    ["HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", 302],
    ["HTTP/1.1 401 Unauthorized\r\nContent-Length: 1000000\r\n\r\nx", 401],
  ] as const) {
    await using server = await rawServer((_, socket) => socket.write(answer));
    await assert.rejects(dial(`ws://127.0.0.1:${server.port}`), { code: "refused", status });
  }
  {
    await using server = await rawServer(() => undefined);
    const url = `ws://127.0.0.1:${server.port}`;
    await assert.rejects(dial(url, { handshakeTimeoutMs: 20 }), { code: "timeout" });
    await assert.rejects(dial(url, { signal: AbortSignal.timeout(20) }), { code: "canceled" });
    await assert.rejects(dial(url, { signal: AbortSignal.abort() }), { code: "canceled" });
  }
  {
    await using server = await rawServer((_, socket) => socket.write("nonsense\r\n\r\n"));
    await assert.rejects(dial(`ws://127.0.0.1:${server.port}`), { code: "handshake_failed" });
  }
  {
    await using server = await rawServer((_, socket) => socket.destroy());
    await assert.rejects(dial(`ws://127.0.0.1:${server.port}`), { code: "connect_failed" });
  }
  await assert.rejects(dial("ws://127.0.0.1:1"), { code: "connect_failed" });
});

test("dial refuses bad arguments", async () => {
  for (const url of ["", "ftp://a", "ws://a#b", "ws://", "//a"])
    await assert.rejects(dial(url), { code: "invalid_address" });
  const bad = { code: "invalid_argument" };
  await assert.rejects(dial("ws://a", { subprotocols: ["a b"] }), bad);
  await assert.rejects(dial("ws://a", { subprotocols: ["a", "a"] }), bad);
  await assert.rejects(dial("ws://a", { headers: { "X-A": "a\r\nb" } }), bad);
  await assert.rejects(dial("ws://a", { headers: { Upgrade: "x" } }), bad);
  await assert.rejects(dial("ws://a", { handshakeTimeoutMs: -1 }), bad);
});

test("dial sends headers, and frames behind the answer are not lost", async () => {
  const { acceptKey } = await import("../src/handshake/accept-key.ts");
  let request = "";
  await using server = await rawServer((head, socket) => {
    request = head;
    const key = /Sec-WebSocket-Key: (.*)\r\n/.exec(head)?.[1] ?? "";
    const answer = `HTTP/1.1 101 X\r\nUpgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\nSec-WebSocket-Accept: ${acceptKey(key)}\r\n\r\n`;
    socket.write(Buffer.concat([Buffer.from(answer), frameFrom("server", 0x81, "early")]));
  });
  const conn = await dial(`ws://127.0.0.1:${server.port}/a?b`, {
    headers: { Origin: "http://o", Cookie: "c=1" },
  });
  assert.equal(await conn.receive(), "early");
  assert.match(request, /^GET \/a\?b HTTP\/1\.1\r\n/);
  assert.match(request, /\r\nOrigin: http:\/\/o\r\n/);
  assert.match(request, /\r\nCookie: c=1\r\n/);
  conn.abort();
});

test("dial follows redirects only when told to, and takes no credentials to another host", async () => {
  const seen: string[] = [];
  await using target = await rawServer((head, socket) => {
    seen.push(head);
    socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
  });
  await using other = await rawServer((head, socket) => {
    const path = /^GET (\S+)/.exec(head)?.[1] ?? "";
    const location =
      path === "/here" ? "/there" : path === "/there" ? `ws://127.0.0.1:${target.port}/x` : "/loop";
    socket.end(`HTTP/1.1 302 Found\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`);
    seen.push(head);
  });
  const headers = { Authorization: "Bearer secret", Cookie: "a=1", "X-Other": "2" };
  const url = `ws://user:pass@127.0.0.1:${other.port}/here`;
  await assert.rejects(dial(url, { headers }), { code: "refused", status: 302 });
  assert.equal(seen.length, 1);
  await assert.rejects(dial(url, { headers, maxRedirects: 1 }), { code: "refused", status: 302 });
  seen.length = 0;
  await assert.rejects(dial(url, { headers, maxRedirects: 2 }), { code: "refused", status: 403 });
  const [here = "", there = "", there2 = ""] = seen;
  for (const head of [here, there]) assert.match(head, /\r\nCookie: a=1\r\n/);
  assert.match(here, /\r\nAuthorization: Bearer secret\r\n/);
  assert.ok(!/authorization|cookie|secret/i.test(there2), there2);
  assert.doesNotMatch(there2, /X-Other/i);
  await assert.rejects(dial(`ws://127.0.0.1:${other.port}/loop`, { maxRedirects: 5 }), {
    code: "refused",
    status: 302,
  });
});
