// A listener of WebSockets and the one below it: whose connections, options, times and ends they are.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import * as net from "@zocalo/net";
import { dial, type ListenOptions, listen, WebSocketNetError } from "../src/index.ts";
import { upgradesByHttp } from "./both-ways.ts";
import { selfSigned } from "./certificate.ts";
import { echoAll } from "./peers.ts";

const identity = selfSigned("IP:127.0.0.1");

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

test("a listener that another one stands on is refused, and goes on for that one", async () => {
  const below = await net.listen("tcp", "127.0.0.1:0");
  await using first = await listen(below, { path: "/first" });
  void echoAll(first);
  await assert.rejects(
    listen(below, { path: "/second" }),
    (error) =>
      error instanceof WebSocketNetError &&
      error.code === "invalid_argument" &&
      error.message.endsWith("another WebSocket listener stands on it already"),
  );
  const client = await dial(`ws://${String(below.addr)}/first`);
  await client.send("hola");
  assert.equal(await client.receive(), "hola");
  await client.close();
});

test("a listener at which somebody waits for a connection is refused, and who waits has the next one", async () => {
  const below = await net.listen("tcp", "127.0.0.1:0");
  const accepting = below.accept();
  await assert.rejects(listen(below), { code: "invalid_argument", message: /somebody waits/ });
  const dialed = await net.dial("tcp", String(below.addr));
  const accepted = await accepting;
  await using listener = await listen(below);
  await assert.rejects(below.accept(), { code: "invalid_argument" });
  void echoAll(listener);
  const client = await dial(`ws://${String(below.addr)}`);
  await client.close();
  accepted.abort();
  dialed.abort();
});

test("a listener is still to be had where the options for it were refused", async () => {
  const below = net.listenPipe();
  await assert.rejects(listen(below, { path: "none" }), { code: "invalid_argument" });
  await assert.rejects(listen(below, { maxConnections: 0 }), { code: "invalid_argument" });
  await using listener = await listen(below);
  void echoAll(listener);
  const client = await dial("ws://localhost", { conn: await below.dial() });
  await client.close();
});

for (const readUpgrades of ["here", "node:http"] as const) {
  test(`abort ends a WebSocket over a stream at once, though its peer takes nothing, read by ${readUpgrades}`, async () => {
    const below = await net.listen("tcp", "127.0.0.1:0", {
      proxyProtocol: { trusted: ["127.0.0.1"] },
      closeTimeoutMs: Number.POSITIVE_INFINITY,
    });
    await using listener = await listen(below, { readUpgrades, writeTimeoutMs: Number.POSITIVE_INFINITY });
    const conn = await net.dial("tcp", String(below.addr));
    await conn.write(Buffer.from("PROXY TCP4 192.0.2.7 127.0.0.1 4711 80\r\n"));
    const dialing = dial("ws://localhost", { conn, receiveHighWaterMessages: 1 });
    const [, server] = await Promise.all([dialing, listener.accept()]);
    // More than the system takes.
    for (let sent = 0; sent < 15; sent++) void server.send(new Uint8Array(1 << 20)).catch(() => undefined);
    let waiting = 0;
    for (let turns = 0; turns < 100; turns = server.bufferedAmount === waiting ? turns + 1 : 0) {
      waiting = server.bufferedAmount;
      await turn();
    }
    const ended = new Promise((resolve) => server.serve({ message: () => undefined, close: resolve }));
    server.abort();
    await ended;
    while (below.totals().open > 0) await turn();
    conn.abort();
  });
}

/** A conn that says everything backwards, bit by bit, as a wrapper of the application's may. */
function inverted(conn: net.Conn): net.Conn {
  const flip = (bytes: Uint8Array): Uint8Array => bytes.map((byte) => ~byte);
  const read = async (): Promise<Uint8Array | null> => {
    const bytes = await conn.read();
    return bytes && flip(bytes);
  };
  const write = (bytes: Uint8Array): Promise<void> => conn.write(flip(bytes));
  const writev = (parts: readonly Uint8Array[]): Promise<void> => conn.writev(parts.map(flip));
  const own: Partial<net.Conn> = { read, write, writev };
  return new Proxy(conn, {
    get(target, name) {
      const value: unknown = Reflect.get(Object.hasOwn(own, name) ? own : target, name);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

for (const readUpgrades of ["here", "node:http"] as const) {
  test(`what an application has put around a conn is not gone past, read by ${readUpgrades}`, async () => {
    const below = await net.listen("tcp", "127.0.0.1:0");
    const connections = below[Symbol.asyncIterator]();
    below[Symbol.asyncIterator] = () => ({
      async next() {
        const next = await connections.next();
        return next.done === true ? next : { done: false, value: inverted(next.value) as typeof next.value };
      },
    });
    await using listener = await listen(below, { readUpgrades });
    void echoAll(listener);
    const conn = inverted(await net.dial("tcp", String(below.addr)));
    const client = await dial("ws://localhost", { conn, handshakeTimeoutMs: 2_000 });
    await client.send("hola");
    assert.equal(await client.receive(), "hola");
    await client.close();
  });
}
