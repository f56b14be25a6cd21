// `onRefuse` is told of each connection that came to no WebSocket, with the reason, in the form of
// `@zocalo/net`.
import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { connect } from "node:net";
import { test } from "node:test";
import * as net from "@zocalo/net";
import { dial, listen, type ListenOptions, type WebSocketRefusal } from "../src/index.ts";
import { selfSigned } from "./certificate.ts";
import { ANY_PORT, upgradeRequest } from "./peers.ts";

/** A listener, and what it refuses, one after the other. */
async function door(options: ListenOptions) {
  const told: WebSocketRefusal[] = [];
  let wake: () => void = () => undefined;
  const onRefuse = (refusal: WebSocketRefusal): void => {
    told.push(refusal);
    wake();
  };
  const listener = await listen(ANY_PORT, { ...options, onRefuse });
  const next = async (): Promise<WebSocketRefusal> => {
    const refusal = told.shift();
    if (refusal !== undefined) return refusal;
    await new Promise<void>((resolve) => (wake = resolve));
    return next();
  };
  return { listener, port: listener.addr.port, next, [Symbol.asyncDispose]: () => listener.abort() };
}

for (const [limits, reason, status] of [
  [{ maxPending: 1 }, "max_pending", 503],
  [{ maxConnections: 1 }, "max_connections", 503],
  [{ maxPending: 2, exemptAddresses: [] }, "max_pending_per_address", 429],
  [{ maxConnectionsPerAddress: 1, exemptAddresses: [] }, "max_connections_per_address", 429],
] as const) {
  test(`one past ${JSON.stringify(limits)} is told as ${reason}, and answered with ${status}`, async () => {
    await using server = await door(limits);
    const first = await dial(`ws://127.0.0.1:${server.port}`);
    await assert.rejects(dial(`ws://127.0.0.1:${server.port}/past`), { code: "refused", status });
    const { reason: why, error, request, remoteAddr } = await server.next();
    assert.equal(why, reason);
    assert.match(String(error?.message), new RegExp(`refused with ${status}`));
    assert.equal(request?.url, "/past");
    assert.ok(remoteAddr !== undefined && "host" in remoteAddr);
    assert.equal(remoteAddr.host, "127.0.0.1");
    first.abort();
  });
}

test("a request that is not let in is told as upgrade, one whose peer has left as gone", async () => {
  let ask: (request: IncomingMessage) => void = () => undefined;
  let decide: (() => void) | undefined;
  const asked = new Promise<IncomingMessage>((resolve) => (ask = resolve));
  await using server = await door({
    authorize(request) {
      if (request.url !== "/slow") return { status: 401, reason: "who are you?" };
      ask(request);
      return new Promise((resolve) => (decide = () => resolve(undefined)));
    },
  });
  await assert.rejects(dial(`ws://127.0.0.1:${server.port}`), { status: 401 });
  const { reason, error } = await server.next();
  assert.equal(reason, "upgrade");
  assert.match(String(error?.message), /401: who are you\?/);
  const socket = connect(server.port, "127.0.0.1");
  socket.write(upgradeRequest().replace("GET / ", "GET /slow "));
  const { socket: accepted } = await asked;
  const gone = new Promise((resolve) => accepted.on("close", resolve));
  socket.resetAndDestroy();
  await gone;
  decide?.();
  assert.equal((await server.next()).reason, "gone");
});

for (const [limits, reason] of [
  [{ maxConnections: 1 }, "max_connections"],
  [{ maxPending: 1 }, "max_pending"],
  [{ maxPending: 2, exemptAddresses: [] }, "max_pending_per_address"],
] as const) {
  test(`${reason} is told, too, where the limit is reached while authorize takes its time`, async () => {
    const waiting: (() => void)[] = [];
    await using server = await door({
      ...limits,
      authorize: () =>
        new Promise<void>((resolve) => {
          waiting.push(resolve);
          if (waiting.length === 2) for (const letIn of waiting) letIn();
        }),
    });
    const url = `ws://127.0.0.1:${server.port}`;
    const dialed = await Promise.allSettled([dial(url), dial(url)]);
    assert.equal((await server.next()).reason, reason);
    assert.deepEqual(dialed.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
  });
}

test("a request that is let in when its listener is closed is told as upgrade", async () => {
  await using server = await door({
    authorize: async () => {
      await new Promise((resolve) => setImmediate(resolve));
      await server.listener.close();
    },
  });
  const dialing = dial(`ws://127.0.0.1:${server.port}`);
  await assert.rejects(dialing, { code: "refused", status: 503 });
  assert.equal((await server.next()).reason, "upgrade");
});

for (const way of ["at once", "later"]) {
  test(`a request whose socket authorize destroys ${way} is told as gone`, async () => {
    const pipe = net.listenPipe();
    const tcp = await net.listen("tcp", ANY_PORT);
    for (const [over, connect] of [
      [pipe, () => pipe.dial()],
      [tcp, () => net.dial("tcp", String(tcp.addr))],
    ] as const) {
      let told: (reason: string) => void = () => undefined;
      const refused = new Promise<string>((resolve) => (told = resolve));
      await using listener = await listen(over as net.Listener<net.Conn>, {
        authorize(request) {
          request.socket.destroy();
          return way === "at once" ? undefined : Promise.resolve();
        },
        onRefuse: ({ reason }) => told(reason),
      });
      const accepted = listener.accept().then(
        () => "accepted",
        () => "closed",
      );
      await assert.rejects(dial("ws://localhost/", { conn: await connect() }));
      assert.equal(await Promise.race([accepted, refused]), "gone");
    }
  });
}

test("a failed handshake, and who is past a limit before it asks, have no request", async () => {
  const { cert, key } = selfSigned("IP:127.0.0.1");
  await using secure = await door({ tls: { cert, key } });
  await assert.rejects(dial(`wss://127.0.0.1:${secure.port}`));
  const { reason, error, request } = await secure.next();
  assert.deepEqual([reason, error?.code, request], ["handshake", "tls", undefined]);
  for (const [options, expected] of [
    [{ maxHalfOpenPerAddress: 1 }, "max_half_open_per_address"],
    [{ maxHandshakesPerAddress: 1, tls: { cert, key } }, "max_handshakes_per_address"],
  ] as const) {
    await using server = await door({ ...options, exemptAddresses: [] });
    const silent = [connect(server.port, "127.0.0.1"), connect(server.port, "127.0.0.1")];
    for (const socket of silent) socket.on("error", () => undefined);
    const told = await server.next();
    assert.deepEqual([told.reason, told.error, told.request], [expected, undefined, undefined]);
    for (const socket of silent) socket.destroy();
  }
});
