// How `dial` finds its server; `dial-failures.test.ts` has what it says when it finds none.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import { Worker } from "node:worker_threads";
import { dial as dialNet } from "@zocalo/net";
import { dial, type DialOptions } from "../src/index.ts";
import { selfSigned } from "./certificate.ts";
import { accepting, rawServer } from "./peers.ts";

const identity = selfSigned("DNS:server.example,IP:127.0.0.1");
const here = async () => ["127.0.0.1"];

/**
 * A WebSocket server on 127.0.0.1, and a proxy that is its own target, that accepts nobody until it is woken.
 */
const SLEEPER = `
const { createServer } = require("node:http");
const { createHash } = require("node:crypto");
const { parentPort, workerData } = require("node:worker_threads");
const server = createServer();
server.on("connect", (_, socket) => {
  socket.on("error", () => undefined);
  socket.write("HTTP/1.1 200 Connection established\\r\\n\\r\\n");
  server.emit("connection", socket);
});
server.on("upgrade", ({ headers }, socket) => {
  const key = headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  const accept = createHash("sha1").update(key).digest("base64");
  socket.on("error", () => undefined);
  socket.write("HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: " + accept + "\\r\\n\\r\\n");
});
server.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
  parentPort.postMessage(server.address().port);
  Atomics.wait(workerData, 0, 0);
});
`;

for (const addresses of [["127.0.0.1"], ["127.0.0.1", "::1"], ["::1", "127.0.0.1"]]) {
  for (const isProxied of [false, true]) {
    test(`a slow address${isProxied ? " of a proxy" : ""} is waited for: ${addresses.join(", ")}`, async () => {
      const gate = new Int32Array(new SharedArrayBuffer(4));
      const worker = new Worker(SLEEPER, { eval: true, workerData: gate });
      const crowd: Socket[] = [];
      try {
        const [port] = (await once(worker, "message")) as [number];
        // Its queue is full then, and the system drops who else knocks. TCP knocks again after a second.
        for (let count = 0; count < 4; count++) {
          crowd.push(connect(port, "127.0.0.1").on("error", () => undefined));
        }
        await Promise.all(crowd.slice(0, 2).map((socket) => once(socket, "connect")));
        const asked: string[] = [];
        const resolver = async (host: string) => {
          asked.push(host);
          setTimeout(() => {
            Atomics.store(gate, 0, 1);
            Atomics.notify(gate, 0);
          }, 100);
          return addresses;
        };
        const slow = `slow.example:${port}`;
        const [url, proxy] = isProxied ? ["ws://server.example", `http://${slow}`] : [`ws://${slow}`];
        const conn = await dial(url, { resolver, handshakeTimeoutMs: 60_000, proxy });
        assert.deepEqual(asked, ["slow.example"]);
        conn.abort();
      } finally {
        for (const socket of crowd) socket.destroy();
        await worker.terminate();
      }
    });
  }
}

test("a name is resolved by the given resolver, and the connection leaves from the given address", async () => {
  await using server = await accepting();
  const accepted = server.listener.accept();
  const asked: string[] = [];
  const conn = await dial(`ws://server.example:${server.port}`, {
    resolver: async (host) => {
      asked.push(host);
      return ["127.0.0.1"];
    },
    localAddress: "127.0.0.2:0",
  });
  assert.deepEqual(asked, ["server.example"]);
  const other = await accepted;
  assert.match(String(other.peer.addr), /^127\.0\.0\.2:/);
  assert.equal(other.peer.request?.headers["host"], `server.example:${server.port}`);
  conn.abort();
});

test("wss: the name is asked for, the certificate has to be its own, and a Host header names another", async () => {
  const asked: unknown[] = [];
  const server = createTlsServer(identity, (socket) => {
    asked.push(Reflect.get(socket, "servername"));
    socket.on("error", () => undefined).end("HTTP/1.1 404 Not Found\r\n\r\n");
  }).listen(0, "127.0.0.1");
  server.on("tlsClientError", () => undefined);
  await once(server, "listening");
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  const tls = { ca: identity.cert };
  const to = (host: string, options: DialOptions = {}) =>
    dial(`wss://${host}:${address.port}`, { resolver: here, tls, ...options });
  await assert.rejects(to("server.example"), { code: "refused" });
  await assert.rejects(to("127.0.0.1"), { code: "refused" });
  await assert.rejects(to("other.example"), { code: "connect_failed" });
  await assert.rejects(to("other.example", { headers: { Host: "server.example:80" } }), { code: "refused" });
  await assert.rejects(to("other.example", { tls: { ...tls, serverName: "server.example" } }), {
    code: "refused",
  });
  assert.deepEqual(
    asked.filter((name) => name !== "other.example"),
    ["server.example", false, "server.example", "server.example"],
  );
  server.close();
});

test("wss on the usual port: the Host header has no port", async () => {
  const heads: string[] = [];
  const server = createTlsServer(identity, (socket) => {
    socket
      .on("error", () => undefined)
      .once("data", (bytes) => {
        heads.push(String(bytes));
        socket.end("HTTP/1.1 404 Not Found\r\n\r\n");
      });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  const below = await dialNet("tcp", `127.0.0.1:${address.port}`);
  const given = { tls: { ca: identity.cert }, conn: below };
  await assert.rejects(dial("wss://server.example/path", given), { code: "refused" });
  assert.match(heads[0] ?? "", /\r\nHost: server\.example\r\n/);
  server.close();
});

test("interim answers before the 101 are skipped, and a message behind it is received", async () => {
  const accept = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  await using server = await rawServer((head, socket) => {
    const key = /Sec-WebSocket-Key: (.*)\r\n/.exec(head)?.[1] ?? "";
    const interim =
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n";
    const answer = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${createHash("sha1").update(`${key}${accept}`).digest("base64")}\r\n\r\n`;
    socket.write(Buffer.concat([Buffer.from(interim + answer), Buffer.from([0x81, 4]), Buffer.from("hola")]));
  });
  const conn = await dial(`ws://127.0.0.1:${server.port}`);
  assert.equal(await conn.receive(), "hola");
  conn.abort();
});
