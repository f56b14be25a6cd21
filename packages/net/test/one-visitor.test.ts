// One visitor takes all it can get; an honest client beside it notices nothing. Each limit is tried at the
// limit and one past it.
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { connect, type Socket } from "node:net";
import { after, test } from "node:test";
import { connect as connectSecurely } from "node:tls";
import { TestCertificates, takeRounds } from "@zocalo/integrity";
import { type CloseInfo, type Conn, lines, type Listener, listen, type Refusal } from "@zocalo/net";
import { checkPeriodMs } from "@zocalo/net/transport";

const certificates = new TestCertificates();
after(() => certificates.remove());
const { cert, key } = certificates.issue("local", ["localhost", "127.0.0.1"]);
const trust = { ca: certificates.ca.cert };

/** Two addresses of this machine. `exemptAddresses: []` makes them visitors as any other. */
const GREEDY = "127.0.0.2";
const HONEST = "127.0.0.1";
const exemptAddresses: readonly string[] = [];

/**
 * The checks of a connection come every `checkPeriodMs` of it; it begins to count at the first and so is over
 * at the fifth.
 */
const SILENCE_MS = 400_000;
const CHECKS_SURVIVED = 4;
/**
 * Where no check is to come. Of another period, since the timer of one that is not taken over outlives its
 * test.
 */
const LONG_SILENCE_MS = 500_000;

function portOf(listener: Pick<Listener, "addr">): number {
  const { addr } = listener;
  if (!("port" in addr)) throw new Error("no port");
  return addr.port;
}

/** Connected, or refused already: a reset may be here before the connection is known to be made. */
async function connectFrom(localAddress: string, port: number): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", localAddress });
  socket.on("error", () => undefined);
  await new Promise<void>((resolve) => {
    socket.once("connect", () => resolve());
    socket.once("close", () => resolve());
  });
  return socket;
}

/** Not by `once`, which a reset would reject. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.resume().on("close", () => resolve());
  });
}

/** An echo there and back, in milliseconds on a clock that tests do not take away. */
async function roundTrip(socket: Socket, text = "hola"): Promise<string> {
  const startedAt = process.hrtime.bigint();
  socket.write(text);
  const [bytes] = (await once(socket, "data")) as [Buffer];
  assert.equal(String(bytes), text);
  return `${(Number(process.hrtime.bigint() - startedAt) / 1e6).toFixed(2)} ms`;
}

/** Echoes on each connection; tells "end" when one is over. */
function echoAll(listener: Listener<Conn>): EventEmitter {
  const ends = new EventEmitter();
  void (async () => {
    for await (const conn of listener) {
      conn.serve({ data: (bytes) => conn.write(bytes), close: () => void ends.emit("end") });
    }
  })();
  return ends;
}

/** Writes down who was refused, and why. */
function refusals() {
  const log: string[] = [];
  const onRefuse = ({ reason, remoteAddr }: Refusal): void => {
    const host = remoteAddr !== undefined && "host" in remoteAddr ? remoteAddr.host : remoteAddr?.network;
    log.push(`${reason} ${host}`);
  };
  return { log, onRefuse };
}

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

test("a hello that comes a byte at a time, each in time, is cut all the same", async (t) => {
  const { log, onRefuse } = refusals();
  const listener = await listen("tls", "127.0.0.1:0", { cert, key, handshakeTimeoutMs: 400, onRefuse });
  echoAll(listener);
  const port = portOf(listener);
  const slow = await connectFrom(HONEST, port);
  // A record, and in it a ClientHello, that announce more than ever comes (RFC 8446 4, 5.1).
  const hello = Buffer.concat([Buffer.from("160301271401002710", "hex"), Buffer.alloc(8000)]);
  let at = 0;
  const sending = setInterval(() => {
    slow.write(hello.subarray(at, at + 1));
    at++;
  }, 10);
  const honest = connectSecurely({ port, host: "127.0.0.1", ...trust });
  t.diagnostic(`first round trip of an honest client beside it: ${await roundTrip(honest)}`);
  await closed(slow);
  clearInterval(sending);
  assert.deepEqual(log, [`handshake ${HONEST}`]);
  assert.ok(at < hello.length);
  honest.destroy();
  await listener.abort();
});

test("a PROXY header that comes a byte at a time, each in time, is cut all the same", async (t) => {
  const { log, onRefuse } = refusals();
  const listener = await listen("tcp", "127.0.0.1:0", {
    proxyProtocol: { trusted: ["127.0.0.1"], timeoutMs: 200 },
    onRefuse,
  });
  echoAll(listener);
  const slow = await connectFrom(HONEST, portOf(listener));
  const header = `PROXY UNKNOWN ${"x".repeat(91)}`;
  let at = 0;
  const sending = setInterval(() => {
    slow.write(header.charAt(at));
    at++;
  }, 10);
  const honest = await connectFrom(GREEDY, portOf(listener));
  t.diagnostic(`round trip of an honest client beside it: ${await roundTrip(honest)}`);
  await closed(slow);
  clearInterval(sending);
  assert.deepEqual(log, [`handshake ${HONEST}`]);
  await roundTrip(honest);
  honest.destroy();
  await listener.abort();
});

test("one past maxHalfOpenPerAddress is closed, until one of the silent says something", async (t) => {
  const { log, onRefuse } = refusals();
  const options = {
    firstByteTimeoutMs: LONG_SILENCE_MS,
    maxHalfOpenPerAddress: 2,
    exemptAddresses,
    onRefuse,
  };
  const listener = await listen("tcp", "127.0.0.1:0", options);
  const ends = echoAll(listener);
  const port = portOf(listener);
  const silent = [await connectFrom(GREEDY, port), await connectFrom(GREEDY, port)];
  await closed(await connectFrom(GREEDY, port));
  assert.deepEqual(log, [`max_half_open_per_address ${GREEDY}`], "one past it, and none at it");
  const honest = await connectFrom(HONEST, port);
  t.diagnostic(`round trip of an honest client beside it: ${await roundTrip(honest)}`);

  await roundTrip(silent[0] as Socket);
  const next = await connectFrom(GREEDY, port);
  const ended = once(ends, "end");
  silent[1]?.destroy();
  await ended;
  const last = await connectFrom(GREEDY, port);
  await roundTrip(last, "one has spoken, another has left");
  await roundTrip(next);
  assert.equal(log.length, 1);
  for (const socket of [...silent, honest, next, last]) socket.destroy();
  await listener.abort();
});

for (const network of ["tcp", "tls"] as const) {
  test(`over ${network} a client that says nothing is cut, and one that has said something is not`, async (t) => {
    const check = takeRounds(t, checkPeriodMs(SILENCE_MS));
    const identity = network === "tls" ? { cert, key } : {};
    const options = { ...identity, firstByteTimeoutMs: SILENCE_MS };
    const listener = await listen(network as "tls", "127.0.0.1:0", options);
    const client = async (): Promise<[Socket, Conn]> => {
      const accepting = listener.accept();
      const target = { port: portOf(listener), host: "127.0.0.1" };
      const socket = network === "tls" ? connectSecurely({ ...target, ...trust }) : connect(target);
      socket.on("error", () => undefined);
      await once(socket, network === "tls" ? "secureConnect" : "connect");
      return [socket, await accepting];
    };
    const [silent, toSilent] = await client();
    const [honest, toHonest] = await client();
    toHonest.serve({ data: (bytes) => toHonest.write(bytes) });
    await roundTrip(honest);
    const reading = toSilent.read();
    let isOver = false;
    void reading.catch(() => (isOver = true));
    for (let checks = 0; checks < CHECKS_SURVIVED; checks++) await check();
    assert.equal(isOver, false, "at the limit");
    await check();
    await assert.rejects(reading, {
      code: "timeout",
      reason: `the peer has said nothing for ${SILENCE_MS} ms`,
    });
    await closed(silent);
    t.diagnostic(`round trip of an honest client beside it: ${await roundTrip(honest)}`);
    honest.destroy();
    await listener.abort();
  });
}

test("what came before anybody read, and an end, count as a word", async (t) => {
  const check = takeRounds(t, checkPeriodMs(SILENCE_MS));
  const listener = await listen("tcp", "127.0.0.1:0", { firstByteTimeoutMs: SILENCE_MS });
  const early = await connectFrom(HONEST, portOf(listener));
  const toEarly = await listener.accept();
  early.write("early");
  const ended = await connectFrom(HONEST, portOf(listener));
  const toEnded = await listener.accept();
  ended.end();
  for (let checks = 0; checks < 2 * CHECKS_SURVIVED; checks++) await check();
  assert.equal(String(await toEarly.read()), "early");
  assert.equal(await toEnded.read(), null);
  await toEnded.write(Buffer.from("still here"));
  assert.equal(String((await once(ended, "data"))[0]), "still here");
  early.destroy();
  ended.destroy();
  await listener.abort();
});

test("half a line is cut with 1008, however often a byte is added, and whole lines are not", async (t) => {
  const check = takeRounds(t, checkPeriodMs(SILENCE_MS));
  const listener = lines(await listen("tcp", "127.0.0.1:0"), { messageTimeoutMs: SILENCE_MS });
  const client = async (): Promise<[Socket, Promise<CloseInfo>]> => {
    const accepting = listener.accept();
    const socket = await connectFrom(HONEST, portOf(listener));
    const conn = await accepting;
    const over = new Promise<CloseInfo>((resolve) => {
      conn.serve({ message: (message) => void conn.trySend(message), close: resolve });
    });
    return [socket, over];
  };
  const [greedy, over] = await client();
  const [honest] = await client();
  let info: CloseInfo | undefined;
  void over.then((told) => (info = told));
  await roundTrip(greedy, "whole\n");
  // Behind a whole line, so that the server surely has it when the line comes back.
  greedy.write("whole\nhalf a li");
  await once(greedy, "data");
  for (let checks = 0; checks < CHECKS_SURVIVED; checks++) {
    await check();
    greedy.write("i");
    await roundTrip(honest, "hola\n");
  }
  assert.equal(info, undefined, "at the limit");
  await check();
  const { code, wasClean, error } = await over;
  assert.deepEqual([code, wasClean, (error as { code?: string }).code], [1008, false, "timeout"]);
  await closed(greedy);
  t.diagnostic(`round trip of an honest client beside it: ${await roundTrip(honest, "hola\n")}`);
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
