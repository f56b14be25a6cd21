// `abort` is a reset for the peer, whatever carries the connection.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttpServer, Server as HttpServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { connect, createServer, type Server, type Socket } from "node:net";
import { test } from "node:test";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { dial as dialNet, listen as listenNet, toNodeStream } from "@zocalo/net";
import { attach, dial, Upgrader, type WebSocketConn } from "../src/index.ts";
import { selfSigned } from "./certificate.ts";
import { accepting, upgradeRequest } from "./peers.ts";

const identity = selfSigned("IP:127.0.0.1");
const trust = { ca: identity.cert };

/** How a socket ends that was upgraded: `end` or the code of its error. */
async function fateOf(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.on("data", () => undefined).resume();
    socket.on("end", () => resolve("end"));
    socket.on("error", (error) => resolve(String(Reflect.get(error, "code"))));
  });
}

/** Upgrades a connection by hand, and aborts the other end of it. */
async function fateAtServer(
  port: number,
  secure: boolean,
  accepted: Promise<WebSocketConn>,
): Promise<string> {
  const socket = secure ? connectTls({ port, host: "127.0.0.1", ...trust }) : connect(port, "127.0.0.1");
  socket.write(upgradeRequest());
  await once(socket, "data");
  const fate = fateOf(socket);
  (await accepted).abort();
  return fate;
}

async function portOf(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

for (const tls of [undefined, identity]) {
  const name = tls === undefined ? "ws" : "wss";

  test(`${name}: what listen has accepted`, async () => {
    await using server = await accepting({ tls });
    assert.equal(await fateAtServer(server.port, tls !== undefined, server.listener.accept()), "ECONNRESET");
  });

  test(`${name}: on a server of Node's, by attach and by an Upgrader`, async () => {
    const server = tls === undefined ? createHttpServer() : createSecureServer(tls);
    const port = await portOf(server);
    const listener = attach(server);
    assert.equal(await fateAtServer(port, tls !== undefined, listener.accept()), "ECONNRESET");
    await listener.close();
    const upgrader = new Upgrader();
    const accepted = new Promise<WebSocketConn>((resolve, reject) => {
      server.on("upgrade", (request, socket, head) => {
        upgrader.upgrade(request, socket, head).then(resolve, reject);
      });
    });
    assert.equal(await fateAtServer(port, tls !== undefined, accepted), "ECONNRESET");
    server.close();
  });

  test(`${name}: what was dialed`, async () => {
    const server = tls === undefined ? createHttpServer() : createSecureServer(tls);
    const fates: Promise<string>[] = [];
    const upgrader = new Upgrader();
    server.on("upgrade", (request, socket: Socket, head) => {
      fates.push(fateOf(socket));
      void upgrader.upgrade(request, socket, head);
    });
    const port = await portOf(server);
    const conn = await dial(`${name}://127.0.0.1:${port}`, { tls: trust });
    conn.abort();
    assert.equal(await fates[0], "ECONNRESET");
    server.close();
  });
}

for (const [scheme, proxyScheme] of [
  ["ws", "http"],
  ["wss", "http"],
  ["ws", "https"],
  ["wss", "https"],
] as const) {
  test(`${scheme}: what was dialed by way of an ${proxyScheme}: proxy`, async () => {
    await using server = await accepting(scheme === "wss" ? { tls: identity } : {});
    const fates: Promise<string>[] = [];
    const onClient = (socket: Socket): void => {
      fates.push(fateOf(socket));
      socket.once("data", () => {
        const onward = connect(server.port, "127.0.0.1", () => {
          socket.write("HTTP/1.1 200 OK\r\n\r\n");
          onward.pipe(socket);
          socket.pipe(onward);
        });
        onward.on("error", () => undefined);
        socket.on("close", () => onward.destroy());
      });
    };
    const proxy = proxyScheme === "https" ? createTlsServer(identity, onClient) : createServer(onClient);
    const port = await portOf(proxy);
    const conn = await dial(`${scheme}://127.0.0.1:${server.port}`, {
      proxy: `${proxyScheme}://127.0.0.1:${port}`,
      proxyTls: trust,
      tls: trust,
    });
    conn.abort();
    assert.equal(await fates[0], "ECONNRESET");
    proxy.close();
  });
}

for (const [what, bytes] of [
  ["right behind a send", 1],
  ["while most of a message waits for the peer", 8_000_000],
] as const) {
  test(`wss: an abort ${what}`, async () => {
    await using server = await accepting({ tls: identity, sendLimitBytes: 16_000_000 });
    const accepted = server.listener.accept();
    // It knows a reset also where Node tells an end because bytes were unread.
    const peer = await dialNet("tls", `127.0.0.1:${server.port}`, trust);
    await peer.write(Buffer.from(upgradeRequest()));
    await peer.read();
    const conn = await accepted;
    conn.trySend(new Uint8Array(bytes));
    conn.abort();
    await assert.rejects(
      async () => {
        while ((await peer.read()) !== null);
      },
      { code: "reset" },
    );
    peer.abort();
  });
}

test("an HTTP server that is fed with connections of net, plain and TLS", async () => {
  for (const network of ["tcp", "tls"] as const) {
    const under =
      network === "tcp"
        ? await listenNet("tcp", "127.0.0.1:0")
        : await listenNet("tls", "127.0.0.1:0", identity);
    const server = new HttpServer();
    const upgrader = new Upgrader();
    const accepted = new Promise<WebSocketConn>((resolve, reject) => {
      server.on("upgrade", (request, socket, head) => {
        upgrader.upgrade(request, socket, head).then(resolve, reject);
      });
    });
    under.accept().then(
      (conn) => server.emit("connection", toNodeStream(conn)),
      () => undefined,
    );
    assert.ok("port" in under.addr);
    assert.equal(await fateAtServer(under.addr.port, network === "tls", accepted), "ECONNRESET");
    await under.abort();
  }
});
