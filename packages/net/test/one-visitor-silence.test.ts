// One visitor says nothing, or too little at a time; each time is tried at the limit and one past it, with an
// honest client beside it.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { connect as connectSecurely } from "node:tls";
import { takeRounds } from "@zocalo/integrity";
import { type CloseInfo, type Conn, lines, listen } from "@zocalo/net";
import { checkPeriodMs } from "@zocalo/net/transport";
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
