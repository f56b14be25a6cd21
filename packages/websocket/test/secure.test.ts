// `wss:`: TLS below everything, with data events instead of the reused read buffer.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:https";
import { type AddressInfo, connect } from "node:net";
import { test } from "node:test";
import { NetError } from "@zocalo/net";
import { WebSocket } from "ws";
import { attach, dial, WebSocketNetError } from "../src/index.ts";
import { selfSigned } from "./certificate.ts";
import { accepting, echoAll, ended, fill } from "./peers.ts";

const good = selfSigned("IP:127.0.0.1");
const foreign = selfSigned("DNS:elsewhere.example");
const old = selfSigned("IP:127.0.0.1", -1);
const mine = selfSigned("DNS:client.example");
const trust = { ca: good.cert };

test("messages of every size go both ways over TLS", async () => {
  await using server = await accepting({ tls: good });
  void echoAll(server.listener);
  const conn = await dial(`wss://127.0.0.1:${server.port}`, { tls: trust });
  for (const message of ["hola", "ñ".repeat(70_000), new Uint8Array(1_048_576).fill(9)]) {
    await conn.send(message);
    assert.deepEqual(await conn.receive(), message);
  }
  assert.ok((await conn.ping()) >= 0);
  await conn.close();
  assert.equal(await conn.receive(), null);
});

test("the ws package as a client over TLS", async () => {
  await using server = await accepting({ tls: good, compression: true });
  void echoAll(server.listener);
  const ws = new WebSocket(`wss://127.0.0.1:${server.port}`, trust);
  await once(ws, "open");
  const text = "a text that is long enough to be compressed ".repeat(20);
  ws.send(text);
  const [data] = (await once(ws, "message")) as [Buffer];
  assert.equal(String(data), text);
  ws.close(4000);
  const [code] = (await once(ws, "close")) as [number];
  assert.equal(code, 4000);
});

for (const [name, identity, tls, reason] of [
  ["of an unknown authority", good, {}, "DEPTH_ZERO_SELF_SIGNED_CERT"],
  ["for another name", foreign, { ca: foreign.cert }, "ERR_TLS_CERT_ALTNAME_INVALID"],
  ["that has expired", old, { ca: old.cert }, "CERT_HAS_EXPIRED"],
] as const) {
  test(`a certificate ${name} is not accepted, and the server goes on`, async () => {
    await using server = await accepting({ tls: identity });
    await assert.rejects(dial(`wss://127.0.0.1:${server.port}`, { tls }), (error: WebSocketNetError) => {
      assert.equal(error.code, "connect_failed");
      assert.ok(error.cause instanceof NetError);
      assert.equal(error.cause.code, "tls");
      assert.equal((error.cause.cause as { code?: string } | undefined)?.code, reason);
      return true;
    });
    const accepted = server.listener.accept();
    const conn = await dial(`wss://127.0.0.1:${server.port}`, {
      tls: { dangerouslyAcceptAnyCertificate: true },
    });
    conn.abort();
    (await accepted).abort();
  });
}

test("a client certificate can be asked for", async () => {
  const tls = { ...good, ca: mine.cert, clientCertificates: "require" as const };
  await using server = await accepting({ tls });
  // TLS 1.3 tells a client of it only after its handshake.
  await assert.rejects(dial(`wss://127.0.0.1:${server.port}`, { tls: trust }), WebSocketNetError);
  const conn = await dial(`wss://127.0.0.1:${server.port}`, { tls: { ...trust, ...mine } });
  conn.abort();
});

test("ws: to a wss: port and the reverse fail as typed errors", async () => {
  await using secure = await accepting({ tls: good });
  await assert.rejects(dial(`ws://127.0.0.1:${secure.port}`), { code: "connect_failed" });
  await using plain = await accepting();
  await assert.rejects(dial(`wss://127.0.0.1:${plain.port}`), { code: "connect_failed" });
});

test("attached to an https server, by path", async () => {
  const server = createServer(good, (_request, response) => void response.end("page"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const listener = attach(server, { path: "/ws" });
  void echoAll(listener);
  const conn = await dial(`wss://127.0.0.1:${port}/ws`, { tls: trust });
  await conn.send("hola");
  assert.equal(await conn.receive(), "hola");
  await conn.close();
  await listener.close();
  server.close();
  await once(server, "close");
});

test("over TLS, too, a slow reader fills the buffer up to its limit, and abort is an unclean end", async () => {
  await using server = await accepting({ tls: good, sendLimitBytes: 200_000 });
  const accepted = server.listener.accept();
  const client = await dial(`wss://127.0.0.1:${server.port}`, { tls: trust, receiveHighWaterBytes: 1000 });
  const conn = await accepted;
  const { last } = fill(conn, new Uint8Array(50_000));
  assert.equal(last, "refused");
  assert.ok(conn.bufferedAmount <= 250_000);
  conn.abort();
  const info = await ended(client);
  assert.equal(info.wasClean, false);
  assert.equal(info.code, 1006);
});

test("who connects and never begins TLS is cut off with the handshake timeout", async () => {
  await using server = await accepting({ tls: good, handshakeTimeoutMs: 60 });
  const silent = connect(server.port, "127.0.0.1");
  silent.on("error", () => undefined);
  await once(silent, "close");
});
