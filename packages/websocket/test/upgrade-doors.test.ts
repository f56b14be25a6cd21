// By which door an upgrade comes: `listen`, `attach`, and an `Upgrader` in an event of the application's.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, get, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { attach, dial, Upgrader } from "../src/index.ts";
import { accepting, echoAll, ended, httpServer, SAMPLE_ACCEPT, SAMPLE_KEY } from "./peers.ts";

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

test("a full listener answers 503", async () => {
  await using server = await accepting({ maxPending: 1 });
  const first = await dial(server.url);
  await assert.rejects(dial(server.url), { code: "refused", status: 503 });
  await server.listener.accept();
  const second = await dial(server.url);
  first.abort();
  second.abort();
});
