// One visitor takes all it can get; an honest client beside it notices nothing. Each limit is tried at the
// limit and one past it.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { connect as connectSecurely } from "node:tls";
import { listen } from "@zocalo/net";
import {
  closed,
  connectFrom,
  echoAll,
  exemptAddresses,
  GREEDY,
  HONEST,
  portOf,
  refusals,
  roundTrip,
} from "./visitors.ts";
import { ca, local } from "./tls-identities.ts";

const { cert, key } = local;
const trust = { ca: ca.cert };

test("one past maxConnectionsPerAddress is closed, and there is room again when one has ended", async (t) => {
  const { log, onRefuse } = refusals();
  const options = { maxConnectionsPerAddress: 3, exemptAddresses, onRefuse };
  const listener = await listen("tcp", "127.0.0.1:0", options);
  const ends = echoAll(listener);
  const port = portOf(listener);
  const greedy = await Promise.all([1, 2, 3].map(() => connectFrom(GREEDY, port)));
  for (const socket of greedy) await roundTrip(socket);
  assert.deepEqual(log, [], "at the limit");

  await closed(await connectFrom(GREEDY, port));
  assert.deepEqual(log, [`max_connections_per_address ${GREEDY}`], "one past it");
  const honest = await connectFrom(HONEST, port);
  t.diagnostic(`round trip of an honest client beside it: ${await roundTrip(honest)}`);

  const ended = once(ends, "end");
  greedy[0]?.destroy();
  await ended;
  const next = await connectFrom(GREEDY, port);
  await roundTrip(next);
  for (const socket of [...greedy, honest, next]) socket.destroy();
  await listener.abort();
});

for (const network of ["tcp", "tls"] as const) {
  test(`over ${network} one address fills half of the queue of an application that accepts slowly, and no more`, async (t) => {
    const { log, onRefuse } = refusals();
    const options = { ...(network === "tls" ? { cert, key } : {}), maxPending: 6, exemptAddresses, onRefuse };
    const listener = await listen(network as "tls", "127.0.0.1:0", options);
    const port = portOf(listener);
    const visit = async (localAddress: string): Promise<Socket> => {
      const below = await connectFrom(localAddress, port);
      if (network === "tcp") return below;
      const socket = connectSecurely({ ...trust, socket: below, host: "127.0.0.1" });
      socket.on("error", () => undefined);
      await once(socket, "secureConnect");
      return socket;
    };
    const greedy: Socket[] = [];
    for (let count = 0; count < 3; count++) greedy.push(await visit(GREEDY));
    const past = await visit(GREEDY);
    await closed(past);
    assert.deepEqual(log, [`max_pending_per_address ${GREEDY}`], "one past it, and none at it");
    const honest = await visit(HONEST);
    const echoed = roundTrip(honest);
    echoAll(listener); // Now it accepts, the honest one last.
    t.diagnostic(`round trip of an honest client in the same queue: ${await echoed}`);
    for (const socket of greedy) await roundTrip(socket);
    const next = await visit(GREEDY);
    await roundTrip(next);
    assert.equal(log.length, 1);
    for (const socket of [...greedy, honest, next]) socket.destroy();
    await listener.abort();
  });
}

test("this machine is exempt unless asked, over TCP and Unix", async () => {
  const { log, onRefuse } = refusals();
  const path = `/tmp/zocalo-visitor-${process.pid}.sock`;
  for (const [network, address] of [
    ["tcp", "127.0.0.1:0"],
    ["unix", path],
  ] as const) {
    for (const asked of [{}, { exemptAddresses }]) {
      log.length = 0;
      const listener = await listen(network as "tcp", address, {
        maxConnectionsPerAddress: 1,
        onRefuse,
        ...asked,
      });
      echoAll(listener);
      const target = network === "tcp" ? { port: portOf(listener), host: "127.0.0.1" } : { path };
      const first = connect(target);
      await roundTrip(first);
      const second = connect(target);
      second.on("error", () => undefined);
      if ("exemptAddresses" in asked) {
        await closed(second);
        assert.deepEqual(log, [`max_connections_per_address ${network === "tcp" ? HONEST : "unix"}`]);
      } else {
        await roundTrip(second);
        assert.deepEqual(log, []);
      }
      first.destroy();
      second.destroy();
      await listener.abort();
    }
  }
});

test("behind a trusted proxy the visitor is who it says, and an IPv6 /64 is one", async (t) => {
  const { log, onRefuse } = refusals();
  const listener = await listen("tcp", "127.0.0.1:0", {
    proxyProtocol: { trusted: ["127.0.0.1"] },
    maxConnectionsPerAddress: 2,
    exemptAddresses,
    onRefuse,
  });
  echoAll(listener);
  const sockets: Socket[] = [];
  const visit = async (family: "TCP4" | "TCP6", host: string): Promise<Socket> => {
    const socket = await connectFrom("127.0.0.1", portOf(listener));
    sockets.push(socket);
    socket.write(`PROXY ${family} ${host} ${family === "TCP4" ? "192.0.2.1" : "2001:db8::1"} 4242 443\r\n`);
    return socket;
  };
  await roundTrip(await visit("TCP6", "2001:db8:1:1::1"));
  await roundTrip(await visit("TCP6", "2001:db8:1:1:ffff::2"));
  await closed(await visit("TCP6", "2001:db8:1:1::3"));
  assert.deepEqual(log, ["max_connections_per_address 2001:db8:1:1::3"]);
  await roundTrip(await visit("TCP6", "2001:db8:1:2::1"));
  await roundTrip(await visit("TCP4", "203.0.113.7"));
  await roundTrip(await visit("TCP4", "203.0.113.7"));
  await closed(await visit("TCP4", "203.0.113.7"));
  const honest = await visit("TCP4", "203.0.113.8");
  t.diagnostic(`round trip of an honest client by the same proxy: ${await roundTrip(honest)}`);
  assert.equal(log.length, 2);
  for (const socket of sockets) socket.destroy();
  await listener.abort();
});

test("handshakes that stop half-way hold a TLS port for nobody else", async (t) => {
  const { log, onRefuse } = refusals();
  const options = { cert, key, maxHandshakesPerAddress: 3, exemptAddresses, onRefuse };
  const listener = await listen("tls", "127.0.0.1:0", options);
  const ends = echoAll(listener);
  const port = portOf(listener);
  const halfHello = Buffer.from([22, 3, 1]);
  const greedy: Socket[] = [];
  for (let i = 0; i < 3; i++) {
    const socket = await connectFrom(GREEDY, port);
    if (i > 0) socket.write(halfHello.subarray(0, i));
    greedy.push(socket);
  }
  await closed(await connectFrom(GREEDY, port));
  assert.deepEqual(log, [`max_handshakes_per_address ${GREEDY}`], "one past it, and none at it");

  const secure = async (localAddress: string): Promise<Socket> => {
    const below = await connectFrom(localAddress, port);
    const socket = connectSecurely({ socket: below, host: "127.0.0.1", ...trust });
    await once(socket, "secureConnect");
    return socket;
  };
  const honest = await secure(HONEST);
  t.diagnostic(`round trip of an honest client beside it: ${await roundTrip(honest)}`);

  const refused = new Promise<void>((resolve) => {
    const poll = (): void => void (log.length > 1 ? resolve() : setImmediate(poll));
    poll();
  });
  greedy[0]?.destroy();
  await refused;
  assert.equal(log[1], `handshake ${GREEDY}`);
  const next = await secure(GREEDY);
  await roundTrip(next);
  const ended = once(ends, "end");
  next.destroy();
  await ended;
  for (const socket of [...greedy, honest]) socket.destroy();
  await listener.abort();
});

test("a handshake that fails gives back the place of its connection", async (t) => {
  const { log, onRefuse } = refusals();
  const options = { cert, key, maxConnectionsPerAddress: 1, exemptAddresses, onRefuse };
  const listener = await listen("tls", "127.0.0.1:0", options);
  echoAll(listener);
  const port = portOf(listener);
  for (let count = 0; count < 3; count++) {
    const stranger = await connectFrom(HONEST, port);
    stranger.write("no TLS at all\r\n\r\n");
    await closed(stranger);
  }
  assert.deepEqual(
    log,
    Array.from({ length: 3 }, () => `handshake ${HONEST}`),
  );
  const honest = connectSecurely({ port, host: "127.0.0.1", ...trust });
  t.diagnostic(`first round trip of an honest client after them: ${await roundTrip(honest)}`);
  honest.destroy();
  await listener.abort();
});

test("limits and durations that are none are refused before anything is bound", async () => {
  const bad = [
    { maxConnectionsPerAddress: 0 },
    { maxHalfOpenPerAddress: 1.5 },
    { maxHandshakesPerAddress: Number.NaN },
    { exemptAddresses: ["localhost"] },
    { firstByteTimeoutMs: 0 },
    { firstByteTimeoutMs: Number.NaN },
  ];
  for (const options of bad) {
    const listening = listen("tcp", "127.0.0.1:0", options);
    await assert.rejects(listening, { code: "invalid_argument" }, JSON.stringify(options));
  }
});
