// One visitor takes all it can get; an honest client beside it notices nothing. Each limit is tried at the
// limit and one past it.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import {
  attach,
  listen,
  type Refusal,
  Upgrader,
  WebSocketNetError,
  type WebSocketRefusal,
} from "../src/index.ts";
import { listenByHttp } from "./both-ways.ts";
import { ANY_PORT, httpServer, portOf, upgradeRequest } from "./peers.ts";
import { frameFrom } from "./recorder.ts";
import { echoAll, exemptAddresses, GREEDY, HONEST, Visitor } from "./visitor.ts";

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
