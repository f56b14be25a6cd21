// One visitor takes all it can get; an honest client beside it notices nothing. Each limit is tried at the limit and one past it.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { connect as connectSecurely } from "node:tls";
import type { Listener } from "@zocalo/net";
import {
  attach,
  listen,
  type Refusal,
  Upgrader,
  type WebSocketConn,
  WebSocketNetError,
  type WebSocketRefusal,
} from "../src/index.ts";
import { listenByHttp } from "./both-ways.ts";
import { selfSigned } from "./certificate.ts";
import { ANY_PORT, httpServer, portOf, upgradeRequest } from "./peers.ts";
import { frameFrom } from "./recorder.ts";

/** Two addresses of this machine. `exemptAddresses: []` makes them visitors as any other. */
const GREEDY = "127.0.0.2";
const HONEST = "127.0.0.1";
const exemptAddresses: readonly string[] = [];

const tls = selfSigned("IP:127.0.0.1");

/** A client that says only what it is told to. */
class Visitor {
  readonly socket: Socket;
  #received = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => undefined);
    socket.on("data", (bytes) => {
      this.#received = Buffer.concat([this.#received, bytes]);
    });
  }

  /** Connected, or refused already: a reset may be here before the connection is known to be made. */
  static async from(localAddress: string, port: number): Promise<Visitor> {
    const visitor = new Visitor(connect({ port, host: "127.0.0.1", localAddress }));
    await new Promise<void>((resolve) => {
      visitor.socket.once("connect", () => resolve());
      visitor.socket.once("close", () => resolve());
    });
    return visitor;
  }

  static async secureFrom(localAddress: string, port: number): Promise<Visitor> {
    const socket = connect({ port, host: "127.0.0.1", localAddress });
    const visitor = new Visitor(connectSecurely({ socket, host: "127.0.0.1", ca: tls.cert }));
    await once(visitor.socket, "secureConnect");
    return visitor;
  }

  /** All that came until the server closed the connection. */
  rest(): Promise<string> {
    const { socket } = this;
    return new Promise((resolve) => {
      const tell = (): void => resolve(this.#received.toString("latin1"));
      if (socket.closed) tell();
      else socket.on("close", tell); // Not by `once` of events, which a reset would reject.
    });
  }

  /** Asks for a WebSocket and gets it. */
  async upgrade(request = upgradeRequest()): Promise<this> {
    this.socket.write(request);
    await this.until((bytes) => bytes.includes("\r\n\r\n"));
    assert.match(this.#received.toString("latin1"), /^HTTP\/1\.1 101 /);
    this.#received = Buffer.alloc(0);
    return this;
  }

  /** Asks for a WebSocket on a connection on which so many other requests wait for their answers. */
  async upgradeBehind(count: number): Promise<void> {
    await this.until((bytes) => bytes.toString("latin1").split("HTTP/1.1 426 ").length > count);
    this.#received = Buffer.alloc(0);
    await this.upgrade();
  }

  /** An echo there and back. */
  async roundTrip(): Promise<string> {
    const startedAt = performance.now();
    this.socket.write(frameFrom("client", 0x81, "hola"));
    await this.until((bytes) => bytes.includes("hola"));
    this.#received = Buffer.alloc(0);
    return `${(performance.now() - startedAt).toFixed(2)} ms`;
  }

  async until(isThere: (bytes: Buffer) => boolean): Promise<void> {
    while (!isThere(this.#received)) await once(this.socket, "data");
  }
}

/** Echoes on each connection; gives how to wait for the end of the next one that is over. */
function echoAll(listener: Listener<WebSocketConn>): () => Promise<void> {
  const waiting: (() => void)[] = [];
  void (async () => {
    for await (const conn of listener) {
      conn.serve({
        message: (message) => void conn.trySend(message),
        close: () => setImmediate(() => waiting.shift()?.()),
      });
    }
  })();
  return () => new Promise((resolve) => waiting.push(resolve));
}

/** Takes as many as it may, one more, and one again when one has gone. */
async function fillAndLeave(
  t: TestContext,
  port: number,
  ended: () => Promise<void>,
  most: number,
): Promise<void> {
  const greedy: Visitor[] = [];
  for (let count = 0; count < most; count++) {
    greedy.push(await (await Visitor.from(GREEDY, port)).upgrade());
  }
  const past = await Visitor.from(GREEDY, port);
  past.socket.write(upgradeRequest());
  assert.match(await past.rest(), /^HTTP\/1\.1 429 Too Many Requests\r\n[^]*\r\nRetry-After: 1\r\n/);
  const honest = await (await Visitor.from(HONEST, port)).upgrade();
  t.diagnostic(`round trip of an honest client beside it: ${await honest.roundTrip()}`);

  const over = ended();
  greedy[0]?.socket.destroy();
  await over;
  const next = await (await Visitor.from(GREEDY, port)).upgrade();
  await next.roundTrip();
  for (const { socket } of [...greedy, honest, next]) socket.destroy();
}

for (const [name, start] of [
  ["listen", listen],
  ["listen, all by node:http", listenByHttp],
] as const) {
  test(`${name}: one past maxConnectionsPerAddress gets 429, and there is room again when one has gone`, async (t) => {
    const refused: unknown[] = [];
    await using listener = await start(ANY_PORT, {
      maxConnectionsPerAddress: 3,
      exemptAddresses,
      onRefuse: ({ error }) => refused.push(error),
    });
    await fillAndLeave(t, portOf(listener), echoAll(listener), 3);
    assert.equal(refused.length, 1);
    assert.ok(refused[0] instanceof WebSocketNetError);
    assert.deepEqual([refused[0].code, refused[0].status], ["refused", 429]);
    await listener.abort();
  });
}

test("attach: the same", async (t) => {
  await using http = await httpServer();
  const listener = attach(http.server, { maxConnectionsPerAddress: 1, exemptAddresses });
  await fillAndLeave(t, http.port, echoAll(listener), 1);
  await listener.abort();
});

test("a connection that is being authorized counts, and no more once it has been refused", async (t) => {
  await using http = await httpServer();
  const asked: ((refusal?: Refusal) => void)[] = [];
  let onAsked: (() => void) | undefined;
  const listener = attach(http.server, {
    maxConnectionsPerAddress: 1,
    exemptAddresses,
    authorize: ({ socket }) =>
      new Promise((resolve) => {
        if (socket.remoteAddress === HONEST) return resolve(undefined);
        asked.push(resolve);
        onAsked?.();
      }),
  });
  const ask = async (): Promise<Visitor> => {
    const isAsked = new Promise<void>((resolve) => {
      onAsked = resolve;
    });
    const visitor = await Visitor.from(GREEDY, http.port);
    visitor.socket.write(upgradeRequest());
    await isAsked;
    return visitor;
  };
  const first = await ask();
  const past = await Visitor.from(GREEDY, http.port);
  past.socket.write(upgradeRequest());
  assert.match(await past.rest(), /^HTTP\/1\.1 429 /);
  echoAll(listener);
  const honest = await (await Visitor.from(HONEST, http.port)).upgrade();
  t.diagnostic(`round trip of an honest client beside it: ${await honest.roundTrip()}`);
  honest.socket.destroy();
  asked.shift()?.({ status: 401, reason: "who are you" });
  assert.match(await first.rest(), /^HTTP\/1\.1 401 /);
  const next = await ask();
  next.socket.destroy();
  await listener.abort();
});

test("Upgrader: the same", async (t) => {
  await using http = await httpServer();
  const upgrader = new Upgrader({ maxConnectionsPerAddress: 2, exemptAddresses });
  const waiting: (() => void)[] = [];
  http.server.on("upgrade", (request, socket, head) => {
    upgrader
      .upgrade(request, socket, head)
      .then((conn) =>
        conn.serve({
          message: (message) => void conn.trySend(message),
          close: () => setImmediate(() => waiting.shift()?.()),
        }),
      )
      .catch(() => undefined); // The peer has been answered.
  });
  await fillAndLeave(t, http.port, () => new Promise((resolve) => waiting.push(resolve)), 2);
});

test("this machine is exempt unless asked", async () => {
  await using listener = await listen(ANY_PORT, { maxConnectionsPerAddress: 1, maxHalfOpenPerAddress: 1 });
  echoAll(listener);
  const port = portOf(listener);
  const visitors = [await Visitor.from(HONEST, port), await Visitor.from(HONEST, port)];
  for (const visitor of visitors) await visitor.upgrade();
  for (const visitor of visitors) await visitor.roundTrip();
  for (const { socket } of visitors) socket.destroy();
});

test("what has not asked yet is half-open, silent or half a head; one past maxHalfOpenPerAddress is closed", async (t) => {
  await using listener = await listen(ANY_PORT, { maxHalfOpenPerAddress: 3, exemptAddresses });
  echoAll(listener);
  const port = portOf(listener);
  const silent = await Visitor.from(GREEDY, port);
  const oneByte = await Visitor.from(GREEDY, port);
  oneByte.socket.write("G");
  const half = await Visitor.from(GREEDY, port);
  const request = upgradeRequest({ "X-Long": "x".repeat(8000) });
  half.socket.write(request.slice(0, -2));
  const past = await Visitor.from(GREEDY, port);
  assert.equal(await past.rest(), "", "one past it is not answered");
  const honest = await (await Visitor.from(HONEST, port)).upgrade();
  t.diagnostic(`round trip of an honest client beside it: ${await honest.roundTrip()}`);

  // Who asks is no longer half-open, whichever way its request is read.
  await half.upgrade(request.slice(-2));
  await silent.upgrade();
  const others = [await Visitor.from(GREEDY, port), await Visitor.from(GREEDY, port)];
  for (const visitor of others) await visitor.upgrade();
  for (const visitor of [half, silent, ...others]) await visitor.roundTrip();
  for (const { socket } of [silent, oneByte, half, honest, ...others]) socket.destroy();
});

test("a head that comes a byte at a time, each in time, is cut all the same", async (t) => {
  await using listener = await listen(ANY_PORT, { handshakeTimeoutMs: 400 });
  echoAll(listener);
  const port = portOf(listener);
  const slow = await Visitor.from(HONEST, port);
  const head = upgradeRequest({ "X-Long": "x".repeat(8000) });
  let at = 0;
  const sending = setInterval(() => {
    slow.socket.write(head.charAt(at));
    at++;
  }, 10);
  const honest = await (await Visitor.from(HONEST, port)).upgrade();
  await slow.rest();
  clearInterval(sending);
  assert.ok(at < head.length);
  t.diagnostic(`round trip of an honest client beside it: ${await honest.roundTrip()}`);
  honest.socket.destroy();
});

test("a client of HTTP that asks for pages only is cut after the handshake timeout, too", async () => {
  await using listener = await listen(ANY_PORT, { handshakeTimeoutMs: 400 });
  echoAll(listener);
  const reader = await Visitor.from(HONEST, portOf(listener));
  const asking = setInterval(() => reader.socket.write("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"), 20);
  assert.match(await reader.rest(), /^HTTP\/1\.1 426 /);
  clearInterval(asking);
});

test("sixteen requests that are no upgrade may wait for their answers; with one more the connection is cut", async (t) => {
  await using listener = await listen(ANY_PORT);
  echoAll(listener);
  const port = portOf(listener);
  const request = "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n";
  const greedy = await Visitor.from(GREEDY, port);
  greedy.socket.write(request.repeat(16));
  await greedy.upgradeBehind(16);
  const past = await Visitor.from(GREEDY, port);
  past.socket.write(request.repeat(17));
  await past.rest();
  await greedy.roundTrip();
  const honest = await (await Visitor.from(HONEST, port)).upgrade();
  t.diagnostic(`round trip of an honest client beside it: ${await honest.roundTrip()}`);
  for (const { socket } of [greedy, honest]) socket.destroy();
});

test("a peer that pings without end is answered each time, and keeps nobody waiting", async (t) => {
  await using listener = await listen(ANY_PORT);
  echoAll(listener);
  const port = portOf(listener);
  const greedy = await (await Visitor.from(GREEDY, port)).upgrade();
  const honest = await (await Visitor.from(HONEST, port)).upgrade();
  const count = 100_000;
  const pongs = greedy.until((bytes) => bytes.length >= 2 * count);
  greedy.socket.write(Buffer.concat(Array.from({ length: count }, () => frameFrom("client", 0x89, ""))));
  let rounds = 0;
  let isOver = false;
  void pongs.then(() => {
    isOver = true;
  });
  // More than the few turns in which Node reads all of them.
  for (; !isOver; rounds++) await honest.roundTrip();
  t.diagnostic(
    `round trips of an honest client while 100,000 pings are answered: ${rounds}, the last took ${await honest.roundTrip()}`,
  );
  assert.ok(rounds > 3, `${rounds}`);
  for (const { socket } of [greedy, honest]) socket.destroy();
});

test("handshakes of TLS that stop half-way hold a port for nobody else", async (t) => {
  await using listener = await listen(ANY_PORT, { tls, maxHandshakesPerAddress: 2, exemptAddresses });
  echoAll(listener);
  const port = portOf(listener);
  const silent = await Visitor.from(GREEDY, port);
  const half = await Visitor.from(GREEDY, port);
  half.socket.write(Buffer.from([22, 3, 1]));
  const past = await Visitor.from(GREEDY, port);
  assert.equal(await past.rest(), "");
  const honest = await (await Visitor.secureFrom(HONEST, port)).upgrade();
  t.diagnostic(`round trip of an honest client beside it: ${await honest.roundTrip()}`);

  half.socket.write("no TLS at all\r\n\r\n");
  await half.rest();
  // One after the other: each has its room back when its handshake is over.
  for (let count = 0; count < 3; count++) {
    const next = await (await Visitor.secureFrom(GREEDY, port)).upgrade();
    await next.roundTrip();
    next.socket.destroy();
  }
  for (const { socket } of [silent, honest]) socket.destroy();
});

test("one address fills half of the queue of an application that accepts slowly, and no more", async (t) => {
  for (const authorize of [undefined, () => undefined]) {
    await using listener = await listen(ANY_PORT, { maxPending: 4, exemptAddresses, authorize });
    const port = portOf(listener);
    const greedy: Visitor[] = [];
    for (let count = 0; count < 2; count++) greedy.push(await (await Visitor.from(GREEDY, port)).upgrade());
    const past = await Visitor.from(GREEDY, port);
    past.socket.write(upgradeRequest());
    assert.match(await past.rest(), /^HTTP\/1\.1 429 /, "one past it, and none at it");
    const honest = await (await Visitor.from(HONEST, port)).upgrade();
    echoAll(listener); // Now it accepts, the honest one last.
    t.diagnostic(`round trip of an honest client in the same queue: ${await honest.roundTrip()}`);
    const next = await (await Visitor.from(GREEDY, port)).upgrade();
    await next.roundTrip();
    for (const { socket } of [...greedy, honest, next]) socket.destroy();
  }
});

test("who is authorized when half of the queue is its address's gets 429, and no WebSocket that ends", async (t) => {
  let letIn: (() => void) | undefined;
  const decided = new Promise<undefined>((resolve) => {
    letIn = () => resolve(undefined);
  });
  let asked = 0;
  let allAsked: () => void = () => undefined;
  const untilAllAsked = new Promise<void>((resolve) => (allAsked = resolve));
  const refused: unknown[] = [];
  const onRefuse = ({ error }: WebSocketRefusal): void =>
    void refused.push((error as WebSocketNetError).status);
  await using listener = await listen(ANY_PORT, {
    maxPending: 4,
    exemptAddresses,
    authorize() {
      if (++asked === 4) allAsked();
      return decided;
    },
    onRefuse,
  });
  const port = portOf(listener);
  const greedy: Visitor[] = [];
  for (let count = 0; count < 4; count++) greedy.push(await Visitor.from(GREEDY, port));
  for (const { socket } of greedy) socket.write(upgradeRequest());
  await untilAllAsked;
  letIn?.(); // All in one turn.
  const past = greedy.splice(2);
  for (const visitor of past) assert.match(await visitor.rest(), /^HTTP\/1\.1 429 /);
  assert.deepEqual(refused, [429, 429]);
  const honest = await (await Visitor.from(HONEST, port)).upgrade();
  echoAll(listener);
  t.diagnostic(`round trip of an honest client in the same queue: ${await honest.roundTrip()}`);
  for (const { socket } of [...greedy, honest]) socket.destroy();
});

test("a text is no list of addresses", async () => {
  const exempt = { exemptAddresses: "10.0.0.1" as never };
  const message = /exemptAddresses "10\.0\.0\.1" is not a list of addresses/;
  await assert.rejects(listen(ANY_PORT, exempt), { code: "invalid_argument", message });
  assert.throws(() => new Upgrader(exempt), { code: "invalid_argument", message });
});

test("limits that are none are refused before a port is taken", async () => {
  for (const options of [
    { maxConnectionsPerAddress: 0 },
    { maxHalfOpenPerAddress: 1.5 },
    { maxHandshakesPerAddress: Number.NaN },
    { exemptAddresses: ["localhost"] },
    { handshakeTimeoutMs: Number.NaN },
    { handshakeTimeoutMs: -1 },
    { handshakeTimeoutMs: 0 },
    { closeTimeoutMs: 0 },
  ]) {
    await assert.rejects(listen(ANY_PORT, options), { code: "invalid_argument" }, JSON.stringify(options));
    assert.throws(() => new Upgrader(options), { code: "invalid_argument" }, JSON.stringify(options));
  }
});
