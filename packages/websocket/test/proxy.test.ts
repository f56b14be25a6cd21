// `dial` through an HTTP proxy: a small one that notes what it was asked.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { type AddressInfo, connect, type Socket } from "node:net";
import { test } from "node:test";
import { dial } from "../src/index.ts";
import { selfSigned } from "./certificate.ts";
import { accepting, echoAll, rawServer } from "./peers.ts";

const identity = selfSigned("IP:127.0.0.1");

interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** Each CONNECT: where to, and with which credentials. */
  readonly asked: string[];
}

/** @param password what it wants to see; `undefined`: nothing. */
async function connectProxy(password?: string, server: Server = createServer()): Promise<Proxy> {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  server.on("connect", ({ url = "", headers }, socket: Socket, head: Buffer) => {
    const credentials = headers["proxy-authorization"];
    asked.push(`${url} ${credentials ?? "-"}`);
    sockets.add(socket);
    socket.on("error", () => undefined);
    if (password !== undefined && credentials !== `Basic ${Buffer.from(password).toString("base64")}`) {
      socket.end("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
      return;
    }
    const port = Number(url.slice(url.lastIndexOf(":") + 1));
    const onward = connect(port, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      if (head.length > 0) onward.write(head);
      onward.pipe(socket);
      socket.pipe(onward);
    });
    sockets.add(onward);
    onward.on("error", () => socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n"));
    onward.on("close", () => socket.destroy());
    socket.on("close", () => onward.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    asked,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

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
    code: "handshake_timeout",
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

test("bad proxies and bad credentials are refused as URLs, without showing a password", async () => {
  for (const proxy of [
    "",
    "127.0.0.1:80",
    "socks5://127.0.0.1:80",
    "ws://127.0.0.1",
    "http://127.0.0.1/path",
  ]) {
    await assert.rejects(dial("ws://127.0.0.1:1", { proxy }), { code: "invalid_url" }, proxy);
  }
  await assert.rejects(dial("ws://%zz:secret@127.0.0.1:1"), (error: Error) => {
    assert.match(error.message, /not a URL/);
    assert.doesNotMatch(error.message, /secret/);
    return true;
  });
});
