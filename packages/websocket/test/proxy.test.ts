// `dial` through an HTTP proxy.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { Socket } from "node:net";
import { test } from "node:test";
import { dial, type WebSocketNetError } from "../src/index.ts";
import { selfSigned } from "./certificate.ts";
import { connectProxy, socksProxy } from "./connect-proxy.ts";
import { accepting, echoAll, rawServer } from "./peers.ts";

const identity = selfSigned("IP:127.0.0.1");
const named = selfSigned("DNS:proxy.example");
const serverNamed = selfSigned("DNS:server.example");

for (const scheme of ["ws", "wss"] as const) {
  test(`${scheme}: through a proxy, whose credentials the server does not see`, async () => {
    await using proxy = await connectProxy("ana:s/ésamo");
    await using server = await accepting(scheme === "wss" ? { tls: identity } : {});
    const accepted = server.listener.accept();
    const conn = await dial(`${scheme}://127.0.0.1:${server.port}/ws`, {
      proxy: `http://ana:${encodeURIComponent("s/ésamo")}@127.0.0.1:${proxy.port}`,
      tls: { ca: identity.cert },
    });
    const other = await accepted;
    assert.equal(other.peer.request?.headers["proxy-authorization"], undefined);
    assert.equal(other.peer.request?.headers["authorization"], undefined);
    assert.deepEqual(proxy.asked, [
      `127.0.0.1:${server.port} Basic ${Buffer.from("ana:s/ésamo").toString("base64")}`,
    ]);
    for (const message of ["hola", new Uint8Array(300_000).fill(3)]) {
      await conn.send(message);
      assert.deepEqual(await other.receive(), message);
      await other.send(message);
      assert.deepEqual(await conn.receive(), message);
    }
    const closed = conn.close();
    assert.equal(await other.receive(), null);
    await closed;
  });
}

test("a proxy that is itself spoken to over TLS", async () => {
  await using proxy = await connectProxy(undefined, createSecureServer(identity));
  await using server = await accepting();
  void echoAll(server.listener);
  const through = { proxy: `https://127.0.0.1:${proxy.port}` };
  await assert.rejects(dial(server.url, through), { code: "connect_failed" });
  assert.deepEqual(proxy.asked, []);
  const conn = await dial(server.url, { ...through, proxyTls: { ca: identity.cert } });
  await conn.send("hola");
  assert.equal(await conn.receive(), "hola");
  conn.abort();
});

test("wss: a server that is refused behind an https: proxy ends its dial and nothing else", async () => {
  await using proxy = await connectProxy(undefined, createSecureServer(identity));
  await using server = await accepting({ tls: identity });
  const options = { proxy: `https://127.0.0.1:${proxy.port}`, proxyTls: { ca: identity.cert } };
  // What would tell the server, written below Node's own writes, ends the process.
  for (let dials = 0; dials < 3; dials++) {
    const dialed = dial(`wss://127.0.0.1:${server.port}/ws`, options);
    await assert.rejects(dialed, { code: "connect_failed", message: /certificate/ });
  }
});

for (const [scheme, proxyScheme] of [
  ["ws", "http"],
  ["wss", "http"],
  ["ws", "https"],
  ["wss", "https"],
] as const) {
  test(`${scheme}: by way of an ${proxyScheme}: proxy to a name that only the proxy knows`, async () => {
    await using proxy = await connectProxy(
      undefined,
      proxyScheme === "https" ? createSecureServer(named) : createServer(),
    );
    await using server = await accepting(scheme === "wss" ? { tls: serverNamed } : {});
    void echoAll(server.listener);
    const resolved: string[] = [];
    const conn = await dial(`${scheme}://server.example:${server.port}`, {
      proxy: `${proxyScheme}://proxy.example:${proxy.port}`,
      // Each certificate is checked against the name of its own host.
      proxyTls: { ca: named.cert },
      tls: { ca: serverNamed.cert },
      resolver: async (host) => {
        resolved.push(host);
        return ["127.0.0.1"];
      },
    });
    assert.deepEqual(resolved, ["proxy.example"]);
    assert.deepEqual(proxy.asked, [`server.example:${server.port} -`]);
    for (const message of ["hola", new Uint8Array(300_000).fill(3)]) {
      await conn.send(message);
      assert.deepEqual(await conn.receive(), message);
    }
    await conn.close();
  });
}

/** A proxy that answers as it is told, and is the server itself from then on. */
async function selfServing(
  answer: (socket: Socket) => void,
  serve: (head: string, socket: Socket) => void = () => undefined,
) {
  return rawServer((head, socket) => {
    assert.match(head, /^CONNECT server\.example:80 HTTP\/1\.1\r\n/);
    let request = "";
    socket.on("data", (bytes) => {
      request += bytes.toString("latin1");
      if (request.includes("\r\n\r\n")) serve(request, socket);
    });
    answer(socket);
  });
}

function switching(head: string): string {
  const key = /Sec-WebSocket-Key: (.*)\r\n/.exec(head)?.[1] ?? "";
  const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`;
}

const GRANTED = "HTTP/1.1 200 Connection established\r\n\r\n";
const INTERIM =
  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nVia: x\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n";

async function byByte(socket: Socket, text: string): Promise<void> {
  for (const byte of Buffer.from(text)) {
    await new Promise((written) => socket.write(Buffer.of(byte), written));
    await new Promise(setImmediate);
  }
}

for (const [what, answer] of [
  ["at once", (socket: Socket) => void socket.write(INTERIM + GRANTED)],
  ["byte by byte", (socket: Socket) => void byByte(socket, INTERIM + GRANTED)],
] as const) {
  test(`interim answers of a proxy are skipped (RFC 9110 15.2), ${what}`, async () => {
    await using proxy = await selfServing(answer, (head, socket) => void socket.write(switching(head)));
    const conn = await dial("ws://server.example", { proxy: `http://127.0.0.1:${proxy.port}` });
    conn.abort();
  });
}

test("bytes that came behind the proxy's answer are the server's first", async () => {
  // The answer to the upgrade begins in the same packet as the proxy's.
  const [first, rest] = ["HTTP/1.1 10", "1 Switching Protocols"];
  await using proxy = await selfServing(
    (socket) => void socket.write(INTERIM + GRANTED + first),
    (head, socket) => {
      const answer = switching(head);
      assert.ok(answer.startsWith(`${first}${rest}`));
      socket.write(answer.slice(first.length));
    },
  );
  const conn = await dial("ws://server.example", { proxy: `http://127.0.0.1:${proxy.port}` });
  conn.abort();
});

const at = String.raw`proxy 127\.0\.0\.1:\d+`;
for (const [what, answer, code, pattern] of [
  [
    "101",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    "proxy_refused",
    `answered 101 Switching Protocols to CONNECT server\\.example:80$`,
  ],
  [
    "407",
    "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
    "proxy_refused",
    `answered 407 Proxy Authentication Required to CONNECT server\\.example:80$`,
  ],
  [
    "a redirect",
    "HTTP/1.1 302 Found\r\nLocation: http://x/\r\n\r\n",
    "proxy_refused",
    `answered 302 Found to CONNECT server\\.example:80$`,
  ],
  [
    "interim answers without end",
    "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(17),
    "handshake_failed",
    `as HTTP says: there are more than 16 interim answers$`,
  ],
  [
    "a head without end",
    `HTTP/1.1 200 OK\r\nVia: ${"x".repeat(20_000)}`,
    "handshake_failed",
    `as HTTP says: its head is longer than 16384 bytes$`,
  ],
  ["another protocol", "SSH-2.0\r\n", "handshake_failed", `as HTTP says: this is not HTTP/1$`],
  [
    "half an answer",
    "HTTP/1.1 200",
    "connect_failed",
    `closed the connection before it answered CONNECT server\\.example:80$`,
  ],
  ["nothing", "", "connect_failed", `closed the connection before it answered CONNECT server\\.example:80$`],
  ["a tunnel that is closed at once", GRANTED, "connect_failed", `closed the connection before it answered$`],
] as const) {
  test(`a proxy that answers ${what}: one sentence says so`, async () => {
    await using proxy = await rawServer((_head, socket) => socket.end(answer));
    await assert.rejects(
      dial("ws://server.example", { proxy: `http://127.0.0.1:${proxy.port}` }),
      (error: WebSocketNetError) => {
        assert.equal(error.code, code, error.message);
        assert.match(error.message, new RegExp(`${at}.* ${pattern}`));
        return true;
      },
    );
  });
}

test("a proxy that resets, and one whose TLS fails", async () => {
  await using resetting = await rawServer((_head, socket) => socket.resetAndDestroy());
  await assert.rejects(dial("ws://server.example", { proxy: `http://127.0.0.1:${resetting.port}` }), {
    code: "connect_failed",
    message: `the connection to proxy 127.0.0.1:${resetting.port} broke before CONNECT server.example:80 was answered: connection reset by peer`,
  });
  await using secured = await connectProxy(undefined, createSecureServer(named));
  await assert.rejects(
    dial("ws://proxy.example", {
      proxy: `https://other.example:${secured.port}`,
      proxyTls: { ca: named.cert },
      resolver: async () => ["127.0.0.1"],
    }),
    (error: WebSocketNetError) => {
      assert.equal(error.code, "connect_failed");
      assert.match(
        error.message,
        /^the TLS handshake with proxy other\.example:\d+ \(127\.0\.0\.1:\d+\) failed: .*proxy\.example/,
      );
      return true;
    },
  );
});

for (const scheme of ["ws", "wss"] as const) {
  test(`${scheme}: by way of a SOCKS proxy, with a login, to a name that only the proxy knows`, async () => {
    await using server = await accepting(scheme === "wss" ? { tls: serverNamed } : {});
    void echoAll(server.listener);
    await using proxy = await socksProxy("ana", "s/ésamo");
    const conn = await dial(`${scheme}://server.example:${server.port}`, {
      proxy: `socks5://ana:${encodeURIComponent("s/ésamo")}@127.0.0.1:${proxy.port}`,
      tls: { ca: serverNamed.cert },
    });
    assert.deepEqual(proxy.asked, [`server.example:${server.port}`]);
    for (const message of ["hola", new Uint8Array(300_000).fill(3)]) {
      await conn.send(message);
      assert.deepEqual(await conn.receive(), message);
    }
    await conn.close();
    const wrong = dial(server.url, { proxy: `socks5://ana:oops@127.0.0.1:${proxy.port}` });
    await assert.rejects(wrong, {
      code: "proxy_refused",
      message: /answered wrong user or password to CONNECT/,
    });
  });
}

test("the credentials of the server do not go to the proxy", async () => {
  await using proxy = await connectProxy();
  await using server = await accepting();
  const accepted = server.listener.accept();
  const conn = await dial(`ws://berto:secret@127.0.0.1:${server.port}`, {
    proxy: new URL(`http://127.0.0.1:${proxy.port}`),
    headers: { Cookie: "session=1" },
  });
  assert.deepEqual(proxy.asked, [`127.0.0.1:${server.port} -`]);
  const { request } = (await accepted).peer;
  assert.equal(request?.headers["authorization"], `Basic ${Buffer.from("berto:secret").toString("base64")}`);
  conn.abort();
});

test("a proxy that refuses, cannot reach the server, talks nonsense or is not there", async () => {
  await using proxy = await connectProxy("right");
  await using server = await accepting();
  const proxied = (port: number) => dial(server.url, { proxy: `http://a:wrong@127.0.0.1:${port}` });
  await assert.rejects(proxied(proxy.port), { code: "proxy_refused", status: 407 });
  await using open = await connectProxy();
  await assert.rejects(dial("ws://127.0.0.1:1", { proxy: `http://127.0.0.1:${open.port}` }), {
    code: "proxy_refused",
    status: 502,
  });
  await using garbled = await rawServer((_head, socket) => socket.end("what?\r\n\r\n"));
  await assert.rejects(proxied(garbled.port), { code: "handshake_failed" });
  await assert.rejects(proxied(1), { code: "connect_failed" });
});

test("a proxy that does not answer: time and signal end the wait", async () => {
  await using silent = await rawServer(() => undefined);
  const proxy = `http://127.0.0.1:${silent.port}`;
  await assert.rejects(dial("ws://127.0.0.1:1", { proxy, handshakeTimeoutMs: 20 }), {
    code: "timeout",
  });
  const controller = new AbortController();
  const dialing = dial("ws://127.0.0.1:1", { proxy, signal: controller.signal });
  controller.abort();
  await assert.rejects(dialing, { code: "canceled" });
});

test("each redirect asks the proxy for a tunnel of its own", async () => {
  await using proxy = await connectProxy();
  await using server = await accepting();
  await using first = await rawServer((_head, socket) => {
    socket.end(`HTTP/1.1 302 Found\r\nLocation: ${server.url}/\r\nContent-Length: 0\r\n\r\n`);
  });
  const conn = await dial(`ws://127.0.0.1:${first.port}`, {
    proxy: `http://127.0.0.1:${proxy.port}`,
    maxRedirects: 1,
  });
  assert.deepEqual(proxy.asked, [`127.0.0.1:${first.port} -`, `127.0.0.1:${server.port} -`]);
  conn.abort();
});

test("bad proxies and bad credentials are refused, without showing a password", async () => {
  for (const proxy of [
    "",
    "127.0.0.1:80",
    "socks4://127.0.0.1:80",
    "ws://127.0.0.1",
    "http://127.0.0.1/path",
  ]) {
    await assert.rejects(dial("ws://127.0.0.1:1", { proxy }), { code: "invalid_argument" }, proxy);
  }
  await assert.rejects(dial("ws://%zz:secret@127.0.0.1:1"), (error: Error) => {
    assert.match(error.message, /not a URL/);
    assert.doesNotMatch(error.message, /secret/);
    return true;
  });
});
