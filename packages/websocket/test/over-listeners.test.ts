// WebSockets on whatever listens: Unix sockets, TLS, TCP behind a PROXY header, and memory.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { TLSSocket } from "node:tls";
import * as net from "@zocalo/net";
import { WebSocket } from "ws";
import { dial, type ListenOptions, listen, type WebSocketConn, WebSocketNetError } from "../src/index.ts";
import { setFirstBytes } from "../src/server/door.ts";
import { upgradesByHttp } from "./both-ways.ts";
import { selfSigned } from "./certificate.ts";
import { echoAll, RawPeer, upgradeRequest } from "./peers.ts";
import { frameFrom } from "./recorder.ts";

const identity = selfSigned("IP:127.0.0.1");

function socketPath(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "zocalo-ws-"));
  t.after(() => rmSync(directory, { recursive: true }));
  return join(directory, "ws.sock");
}

/** A listener of a network, and how a WebSocket is made to it. */
interface Network {
  readonly name: string;
  listen(t: TestContext): Promise<{
    readonly below: net.Listener<net.Conn>;
    dial(options?: Parameters<typeof dial>[1]): Promise<WebSocketConn>;
    /** As the server sees it. */
    readonly peer: RegExp;
  }>;
}

const networks: readonly Network[] = [
  {
    name: "a Unix socket",
    async listen(t) {
      const path = socketPath(t);
      const below = await net.listen("unix", path);
      return {
        below,
        dial: async (options) =>
          dial("ws://localhost/ws", { ...options, conn: await net.dial("unix", path) }),
        peer: /^$/,
      };
    },
  },
  {
    name: "TLS",
    async listen() {
      const below = await net.listen("tls", "127.0.0.1:0", identity);
      return {
        below,
        dial: (options) => dial(`wss://${String(below.addr)}/ws`, { ...options, tls: { ca: identity.cert } }),
        peer: /^127\.0\.0\.1:\d+$/,
      };
    },
  },
  {
    name: "TCP behind a PROXY header",
    async listen() {
      const below = await net.listen("tcp", "127.0.0.1:0", { proxyProtocol: { trusted: ["127.0.0.1"] } });
      return {
        below,
        async dial(options) {
          const conn = await net.dial("tcp", String(below.addr));
          await conn.write(Buffer.from("PROXY TCP4 192.0.2.7 127.0.0.1 4711 80\r\n"));
          return dial(`ws://${String(below.addr)}/ws`, { ...options, conn });
        },
        peer: /^192\.0\.2\.7:4711$/,
      };
    },
  },
  {
    name: "memory",
    async listen() {
      const below = net.listenPipe();
      return {
        below,
        dial: async (options) => dial("ws://localhost/ws", { ...options, conn: await below.dial() }),
        peer: /^pipe$/,
      };
    },
  },
];

for (const way of ["", ", all read by node:http"]) {
  for (const network of networks) {
    test(`a WebSocket over ${network.name}${way}`, async (t) => {
      const over = await network.listen(t);
      const { below, peer } = over;
      if (way !== "") setFirstBytes(false);
      const listener = await listen(below, { path: "/ws", compression: true });
      setFirstBytes(true);
      assert.equal(String(listener.addr), String(below.addr));
      const dialing = over.dial({ compression: true });
      const server = await listener.accept();
      const client = await dialing;
      assert.match(String(server.peer.addr), peer);
      assert.equal(server.peer.request?.url, "/ws");
      server.serve({ message: (message) => server.send(message) });
      const large = Buffer.alloc(1_048_576, "0123456789abcdef");
      for (const message of [
        "hola",
        "",
        large.toString(),
        new Uint8Array([1, 2, 3]),
        new Uint8Array(large),
      ]) {
        await client.send(message);
        assert.deepEqual(await client.receive(), message);
      }
      await client.close(4001, "done");
      await listener.close();
      await assert.rejects(below.accept(), { code: "closed" });
    });
  }
}

test("over memory a slow reader holds the sender back, and gets all", async () => {
  const below = net.listenPipe();
  await using listener = await listen(below);
  const dialing = below.dial().then((conn) => dial("ws://localhost/", { conn }));
  const server = await listener.accept();
  const client = await dialing;
  const message = Buffer.alloc(65_536, 7);
  let outcome = server.trySend(message);
  let sent = 1;
  for (; outcome !== "refused"; sent++) outcome = server.trySend(message);
  assert.ok(sent < 1_000, `${sent} messages were taken for a peer that reads nothing`);
  for (let read = 1; read < sent; read++) {
    assert.deepEqual(Buffer.from((await client.receive()) as Uint8Array), message);
  }
  client.abort();
  server.abort();
});

test("abort cuts the connection below", async () => {
  const below = net.listenPipe();
  await using listener = await listen(below);
  const conn = await below.dial();
  const dialing = dial("ws://localhost/", { conn });
  const server = await listener.accept();
  const client = await dialing;
  server.abort();
  await assert.rejects(client.receive());
  await assert.rejects(conn.write(Buffer.from("x")));
});

test("a peer that takes nothing holds a closing connection for closeTimeoutMs, and no longer", async () => {
  const below = net.listenPipe({ maxConnections: 1 });
  await using listener = await listen(below, { closeTimeoutMs: 50 });
  const conn = await below.dial();
  void conn.write(Buffer.from(upgradeRequest())).catch(() => undefined);
  const server = await listener.accept();
  while (server.trySend(Buffer.alloc(65_536)) !== "refused");
  const waiting = server.send("waits");
  const started = performance.now();
  const closed = server.close();
  await assert.rejects(closed, { name: "NetError" });
  await assert.rejects(waiting, { code: "closed" });
  const took = performance.now() - started;
  assert.ok(took < 5_000, `closing took ${took} ms`);
  await assert.rejects(async () => {
    // It has been cut, and leaves the listener below, too.
    for await (const _ of conn);
  });
  const next = await below.dial();
  next.abort();
});

test("what is no upgrade is answered, one path and another", async (t) => {
  const socketPathOf = socketPath(t);
  await using listener = await listen(await net.listen("unix", socketPathOf), { path: "/ws" });
  void echoAll(listener);
  for (const [path, status] of [
    ["/ws", 426],
    ["/other", 404],
  ] as const) {
    const [response] = await once(request({ socketPath: socketPathOf, path }).end(), "response");
    assert.equal(response.statusCode, status);
    response.resume();
  }
});

test("the client of another library is served over a Unix socket", async (t) => {
  const path = socketPath(t);
  await using listener = await listen(await net.listen("unix", path));
  void echoAll(listener);
  const client = new WebSocket(`ws+unix://${path}:/`);
  await once(client, "open");
  client.send("hola");
  const [data] = await once(client, "message");
  assert.equal(String(data), "hola");
  client.terminate();
});

test("an application's functions see a request whose socket has addresses", async () => {
  const below = await net.listen("tcp", "127.0.0.1:0");
  const seen: unknown[] = [];
  await using listener = await listen(below, {
    authorize: ({ socket, url }) => {
      seen.push(socket.remoteAddress, socket.localAddress, url);
      return undefined;
    },
  });
  const client = await dial(`ws://${String(listener.addr)}/who`);
  assert.deepEqual(seen, ["127.0.0.1", "127.0.0.1", "/who"]);
  client.abort();
});

test("a page of another name is refused on an inner address as on every other", async () => {
  await using listener = await listen(await net.listen("tcp", "127.0.0.1:0"));
  const peer = await RawPeer.connect(listener.addr.port);
  peer.write(upgradeRequest({ Host: "evil.example", Origin: "http://evil.example" }));
  assert.match(await peer.head(), /^HTTP\/1\.1 403 /);
  peer.socket.destroy();
});

test("who says nothing is ended in time, and is counted by address until then", async () => {
  const options: ListenOptions = {
    handshakeTimeoutMs: 200,
    maxHalfOpenPerAddress: 2,
    exemptAddresses: [],
  };
  await using listener = await listen(await net.listen("tcp", "127.0.0.1:0"), options);
  const { port } = listener.addr;
  const silent = [0, 1, 2].map(() => connect(port, "127.0.0.1"));
  const answers = await Promise.all(
    silent.map(async (socket) => {
      let text = "";
      socket.setEncoding("latin1").on("data", (piece: string) => (text += piece));
      socket.on("error", () => undefined);
      await once(socket, "close");
      return text.split("\r\n", 1)[0];
    }),
  );
  assert.deepEqual(new Set(answers), new Set(["", "HTTP/1.1 408 Request Timeout"]));
  assert.equal(answers.filter((answer) => answer === "").length, 1);
});

test("where the listener below breaks, so does this one; where it closes, this one does", async () => {
  const closing = net.listenPipe();
  const closed = await listen(closing);
  await closing.close();
  await assert.rejects(closed.accept(), { code: "closed" });
  const breaking = net.listenPipe();
  breaking[Symbol.asyncIterator] = () => ({
    next: () => Promise.reject(new Error("no more descriptors")),
  });
  const broken = await listen(breaking);
  await assert.rejects(broken.accept(), /no more descriptors/);
});

test("a connection that is on its way when the listener is closed is cut", async () => {
  const below = net.listenPipe();
  const connections = below[Symbol.asyncIterator]();
  let reached: (end: void | Promise<void>) => void = () => undefined;
  const closed = new Promise<void>((resolve) => (reached = resolve));
  below[Symbol.asyncIterator] = () => ({
    async next() {
      const next = await connections.next();
      if (next.done !== true) reached(listener.close());
      return next;
    },
  });
  const listener = await listen(below, { handshakeTimeoutMs: Number.POSITIVE_INFINITY });
  const conn = await below.dial();
  await closed;
  assert.equal(await conn.read(), null);
});

test("without a limit of time an idle connection of node:http is kept, without a warning", async () => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning);
  process.on("warning", onWarning);
  const below = await net.listen("tcp", "127.0.0.1:0");
  await using listener = await listen(below, { handshakeTimeoutMs: Number.POSITIVE_INFINITY });
  void echoAll(listener);
  const conn = await net.dial("tcp", String(below.addr));
  for (let request = 1; request <= 2; request++) {
    await conn.write(Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    assert.match(String(await conn.read()), /^HTTP\/1\.1 426 /);
  }
  conn.abort();
  await new Promise((resolve) => setImmediate(resolve)); // A warning is told in a later turn.
  process.off("warning", onWarning);
  assert.deepEqual(warnings, []);
});

test("options that are the listener's below are refused, and name it", async () => {
  const below = net.listenPipe();
  await assert.rejects(listen(below, { tls: identity }), (error) => {
    return error instanceof WebSocketNetError && error.message.startsWith("tls is for the listener below");
  });
  await below.close();
  for (const odd of [{}, { addr: below.addr }, null, 8080]) {
    await assert.rejects(listen(odd as never), /is neither an address nor a listener|not a string/);
  }
});

test("dial takes no other way beside a connection, and follows no redirect", async () => {
  await using below = net.listenPipe();
  const [conn] = net.pipe();
  await assert.rejects(dial("ws://localhost/", { proxy: "http://127.0.0.1:1", conn }), {
    code: "invalid_argument",
    message: "conn is already connected: it cannot go with proxy",
  });
  const redirecting = below.accept().then(async (conn) => {
    for await (const bytes of conn) {
      if (String(bytes).endsWith("\r\n\r\n")) break;
    }
    await conn.write(Buffer.from("HTTP/1.1 302 Found\r\nLocation: ws://elsewhere/\r\n\r\n"));
  });
  await assert.rejects(dial("ws://localhost/", { maxRedirects: 3, conn: await below.dial() }), {
    code: "refused",
    message: /and conn leads to nobody else/,
  });
  await redirecting;
});

test("what had arrived is received although a write has failed", async (t) => {
  const path = socketPath(t);
  await using listener = await listen(await net.listen("unix", path));
  const peer = connect(path);
  peer.on("error", () => undefined);
  await once(peer, "connect");
  peer.write(upgradeRequest());
  const server = await listener.accept();
  await once(peer, "data"); // The answer.
  // All in one turn, so that the server writes before it reads.
  const frames = ["one", "two", "three"].map((text) => frameFrom("client", 0x81, text));
  peer.write(Buffer.concat([...frames, frameFrom("client", 0x88)]));
  peer.destroy();
  server.trySend("nobody reads this");
  await assert.rejects(server.flush(), net.NetError);
  const received: net.Message[] = [];
  const receiving = async (): Promise<void> => {
    for await (const message of server) received.push(message);
  };
  await assert.rejects(receiving(), net.NetError); // At the end: what was sent is lost.
  assert.deepEqual(received, ["one", "two", "three"]);
});

test("closing tells why the listener below could not be closed", async () => {
  const below = net.listenPipe();
  const failure = new Error("it is stuck");
  below.close = () => Promise.reject(failure);
  const listener = await listen(below);
  await assert.rejects(listener.close(), (error) => error === failure);
});

test("an upgrade over a listener needs no node:http, and has its place there until it is over", async () => {
  let told: (reason: string) => void = () => undefined;
  const refused = new Promise<string>((resolve) => {
    told = resolve;
  });
  const below = await net.listen("tcp", "127.0.0.1:0", {
    maxConnections: 1,
    onRefuse: ({ reason }) => told(reason),
  });
  await using listener = await listen(below);
  const url = `ws://${String(below.addr)}/`;
  const byHttp = upgradesByHttp();
  const conn = await net.dial("tcp", String(below.addr));
  const client = await dial(url, { conn });
  const server = await listener.accept();
  assert.equal(upgradesByHttp(), byHttp);
  assert.equal(below.totals().open, 1);
  await assert.rejects(dial(url));
  assert.equal(await refused, "max_connections");
  await client.send("hola");
  assert.equal(await server.receive(), "hola");
  const ended = server.receive();
  await client.close();
  assert.equal(await ended, null);
  const { open, bytesRead } = below.totals();
  assert.deepEqual({ open, bytesRead }, { open: 0, bytesRead: conn.bytesWritten });
  const next = await dial(url);
  next.abort();
});

test("a connection in memory is read by node:http alone where that is to read all", async (t) => {
  t.after(() => setFirstBytes(true));
  const below = net.listenPipe();
  setFirstBytes(false);
  await using listener = await listen(below);
  void echoAll(listener);
  const conn = await below.dial();
  // Neither is read by the listener itself.
  await conn.write(Buffer.from(upgradeRequest().replace("GET / ", "GET http://localhost/ ")));
  assert.match(String(await conn.read()), /^HTTP\/1\.1 101 /);
  await conn.write(frameFrom("client", 0x81, "hola"));
  assert.deepEqual(await conn.readFull(6), frameFrom("server", 0x81, "hola"));
  conn.abort();
});

test("a listener that waits for first bytes itself cuts no WebSocket", async () => {
  const below = await net.listen("tcp", "127.0.0.1:0", { firstByteTimeoutMs: 60 });
  await using listener = await listen(below);
  const silent = connect(below.addr.port, "127.0.0.1").on("error", () => undefined);
  const client = await dial(`ws://${String(below.addr)}/`);
  const server = await listener.accept();
  // Later than the WebSocket, and so checked with it.
  const later = connect(below.addr.port, "127.0.0.1").on("error", () => undefined);
  await Promise.all([silent, later].map((socket) => new Promise((resolve) => socket.on("close", resolve))));
  await client.send("hola");
  assert.equal(await server.receive(), "hola");
  client.abort();
});

for (const way of ["", ", by node:http"]) {
  test(`an application's functions see whom a PROXY header names${way}`, async () => {
    const below = await net.listen("tcp", "127.0.0.1:0", { proxyProtocol: { trusted: ["127.0.0.1"] } });
    const seen: unknown[] = [];
    await using listener = await listen(below, {
      authorize: ({ socket }) => {
        seen.push(socket.remoteAddress, socket.remotePort, socket.localAddress);
        return undefined;
      },
    });
    const conn = await net.dial("tcp", String(below.addr));
    await conn.write(Buffer.from("PROXY TCP4 192.0.2.7 198.51.100.1 4711 80\r\n"));
    const headers = way === "" ? {} : { TE: "trailers" };
    const client = await dial(`ws://${String(listener.addr)}/ws`, { conn, headers });
    assert.deepEqual(seen, ["192.0.2.7", 4711, "198.51.100.1"]);
    client.abort();
  });

  test(`an application's functions see the certificate of a client${way}`, async () => {
    const tls = { ...identity, ca: identity.cert, clientCertificates: "require" } as const;
    const seen: unknown[] = [];
    const options: ListenOptions = {
      authorize: ({ socket }) => {
        seen.push((socket as TLSSocket).getPeerCertificate().subject.CN);
        return undefined;
      },
    };
    const over = await net.listen("tls", "127.0.0.1:0", tls);
    for (const listening of [listen(over, options), listen("127.0.0.1:0", { ...options, tls })]) {
      await using listener = await listening;
      const client = await dial(`wss://${String(listener.addr)}/`, {
        tls: { ca: identity.cert, cert: identity.cert, key: identity.key },
        headers: way === "" ? {} : { TE: "trailers" },
      });
      client.abort();
    }
    assert.equal(seen.length, 2);
    assert.ok(seen.every((name) => typeof name === "string"));
  });
}

test("a connection is cut that is on its way to node:http when the listener closes", async () => {
  const [here, there] = net.pipe();
  // Of somebody else's making, and over TLS: it goes to node:http in a later turn.
  const foreign = new Proxy(here, {
    getPrototypeOf: () => Object.prototype,
    get(conn, name) {
      if (name === "localAddr") return net.ipAddr("tls", "127.0.0.1", 1);
      const value: unknown = Reflect.get(conn, name, conn);
      return typeof value === "function" ? (value.bind(conn) as unknown) : value;
    },
  });
  const memory = net.listenPipe();
  let arrived: (() => void) | undefined;
  const isThere = new Promise<void>((resolve) => (arrived = resolve));
  const below = new Proxy(memory, {
    get(listener, name) {
      if (name === Symbol.asyncIterator) {
        return async function* (): AsyncGenerator<net.Conn> {
          yield foreign;
        };
      }
      if (name === "close") arrived?.();
      const value: unknown = Reflect.get(listener, name, listener);
      return typeof value === "function" ? (value.bind(listener) as unknown) : value;
    },
  });
  // The source ends behind its only connection, and so the listener closes in the same turn.
  await using _ = await listen(below);
  await isThere;
  await assert.rejects(there.read(), { code: "reset" });
});
