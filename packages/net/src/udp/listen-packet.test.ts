import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { ipAddr } from "../contracts/addr.ts";
import { NetError } from "../contracts/error.ts";
import { defaultPacketLimits, listenPacket } from "./listen-packet.ts";
import type { Packet } from "../contracts/packet-conn.ts";

const isCode = (code: string) => (error: unknown) => error instanceof NetError && error.code === code;
const text = (packet: Packet) => Buffer.from(packet.bytes).toString();

async function pair() {
  const a = await listenPacket("udp", "127.0.0.1:0");
  const b = await listenPacket("udp", "127.0.0.1:0");
  return { a, b, close: () => Promise.all([a.close(), b.close()]) };
}

test("a datagram arrives whole with its sender, and an answer goes back to it", async () => {
  const { a, b, close } = await pair();
  await a.send(Buffer.from("hola"), b.localAddr);
  const packet = await b.receive();
  assert.equal(text(packet), "hola");
  assert.equal(String(packet.addr), String(a.localAddr));
  await b.send(Buffer.from("qué tal"), packet.addr);
  assert.equal(text(await a.receive()), "qué tal");
  await a.send(new Uint8Array(0), String(b.localAddr));
  assert.equal((await b.receive()).bytes.length, 0);
  await close();
});

test("addresses print as Go does, and the port the system chose is known", async () => {
  const conn = await listenPacket("udp4", "127.0.0.1:0");
  assert.match(String(conn.localAddr), /^127\.0\.0\.1:[1-9]\d*$/);
  assert.equal(conn.localAddr.network, "udp");
  await conn.close();
});

test("udp on every address speaks IPv4 and IPv6", async () => {
  const server = await listenPacket("udp", ":0");
  const four = await listenPacket("udp4", "127.0.0.1:0");
  const six = await listenPacket("udp6", "[::1]:0");
  for (const client of [four, six]) {
    await client.send(Buffer.from("ping"), ipAddr("udp", client.localAddr.host, server.localAddr.port));
    const packet = await server.receive();
    assert.equal(String(packet.addr), String(client.localAddr));
    await server.send(packet.bytes, packet.addr);
    assert.equal(text(await client.receive()), "ping");
    await server.send(Buffer.from("by text"), String(client.localAddr));
    assert.equal(text(await client.receive()), "by text");
  }
  await Promise.all([server.close(), four.close(), six.close()]);
});

test("a host name is looked up", async () => {
  const { a, b, close } = await pair();
  await a.send(Buffer.from("x"), `localhost:${b.localAddr.port}`);
  assert.equal(text(await b.receive()), "x");
  await assert.rejects(a.send(Buffer.from("x"), "no-such-host.invalid:1"), NetError);
  await close();
});

test("iteration takes one datagram after the other and ends quietly on close", async () => {
  const { a, b, close } = await pair();
  const seen: string[] = [];
  const iterating = (async () => {
    for await (const packet of b) {
      seen.push(text(packet));
      if (seen.length === 2) void b.close();
    }
  })();
  await a.send(Buffer.from("1"), b.localAddr);
  await a.send(Buffer.from("2"), b.localAddr);
  await iterating;
  assert.deepEqual(seen, ["1", "2"]);
  await close();
});

test("a handler gets what came before and after, and waits its promise out", async () => {
  const { a, b, close } = await pair();
  await a.send(Buffer.from("1"), b.localAddr);
  const log: string[] = [];
  let release: (() => void) | undefined;
  const gotTwo = new Promise<void>((resolve) => {
    b.serve({
      message: async (packet) => {
        log.push(text(packet));
        if (log.length === 1) await new Promise<void>((go) => (release = go));
        if (log.length === 2) resolve();
      },
      close: (error) => void log.push(`close ${String(error)}`),
    });
  });
  await a.send(Buffer.from("2"), b.localAddr);
  while (release === undefined) await turn();
  assert.deepEqual(log, ["1"]);
  release();
  await gotTwo;
  await b.close();
  assert.deepEqual(log, ["1", "2", "close undefined"]);
  await close();
});

test("a handler that throws closes the socket", async () => {
  const { a, b, close } = await pair();
  const closed = new Promise<Error | undefined>((resolve) => {
    b.serve({
      message() {
        throw new Error("oops");
      },
      close: resolve,
    });
  });
  await a.send(Buffer.from("1"), b.localAddr);
  assert.equal((await closed)?.message, "oops");
  await assert.rejects(b.send(Buffer.from("x"), a.localAddr), isCode("closed"));
  await close();
});

test("at the limit of the queue nothing is dropped, past it each datagram is counted", async () => {
  const receiver = await listenPacket("udp", "127.0.0.1:0", { receiveLimitDatagrams: 3 });
  const sender = await listenPacket("udp", "127.0.0.1:0");
  for (const name of ["1", "2", "3"]) await sender.send(Buffer.from(name), receiver.localAddr);
  // Whatever is sent after the queue was full is seen by the socket before the counter moves.
  while (receiver.dropped === 0) {
    await sender.send(Buffer.from("too many"), receiver.localAddr);
    await turn();
  }
  const seen: string[] = [];
  for (let i = 0; i < 3; i++) seen.push(text(await receiver.receive()));
  assert.deepEqual(seen, ["1", "2", "3"]);
  await sender.send(Buffer.from("room again"), receiver.localAddr);
  let next = text(await receiver.receive());
  while (next === "too many") next = text(await receiver.receive());
  assert.equal(next, "room again");
  await Promise.all([receiver.close(), sender.close()]);
});

test("bytes are limited too", async () => {
  const receiver = await listenPacket("udp", "127.0.0.1:0", { receiveLimitBytes: 2_000 });
  const sender = await listenPacket("udp", "127.0.0.1:0");
  await sender.send(Buffer.alloc(1_999), receiver.localAddr);
  await sender.send(Buffer.alloc(1), receiver.localAddr);
  while (receiver.dropped === 0) {
    await sender.send(Buffer.alloc(2), receiver.localAddr);
    await turn();
  }
  assert.equal((await receiver.receive()).bytes.length, 1_999);
  assert.equal((await receiver.receive()).bytes.length, 1);
  assert.deepEqual(defaultPacketLimits, {
    receiveLimitDatagrams: 1_024,
    receiveLimitBytes: 1_048_576,
    sendLimitBytes: 1_048_576,
  });
  await Promise.all([receiver.close(), sender.close()]);
});

test("a canceled or timed-out receive loses no datagram", async () => {
  const { a, b, close } = await pair();
  const controller = new AbortController();
  const canceled = b.receive({ signal: controller.signal });
  controller.abort();
  await assert.rejects(canceled, isCode("canceled"));
  const late = b.receive();
  b.setReadDeadline(Date.now() + 1);
  await assert.rejects(late, (error: unknown) => error instanceof NetError && error.timeout);
  await assert.rejects(b.receive(), isCode("timeout"), "and later ones too");
  b.setReadDeadline(null);
  await a.send(Buffer.from("kept"), b.localAddr);
  assert.equal(text(await b.receive()), "kept");
  await close();
});

test("a write deadline in the past and an aborted signal refuse a send", async () => {
  const { a, b, close } = await pair();
  a.setWriteDeadline(0);
  await assert.rejects(a.send(Buffer.from("x"), b.localAddr), isCode("timeout"));
  a.setDeadline(null);
  await assert.rejects(
    a.send(Buffer.from("x"), b.localAddr, { signal: AbortSignal.abort() }),
    isCode("canceled"),
  );
  await a.send(Buffer.from("x"), b.localAddr);
  assert.equal(text(await b.receive()), "x");
  await close();
});

test("close unblocks everything, and a second close waits for the first", async () => {
  const { a, b, close } = await pair();
  const receiving = b.receive();
  const closing = b.close();
  assert.equal(b.close(), closing);
  await assert.rejects(receiving, isCode("closed"));
  await closing;
  await assert.rejects(b.receive(), isCode("closed"));
  await assert.rejects(b.send(Buffer.from("x"), a.localAddr), isCode("closed"));
  assert.equal(b.trySend(Buffer.from("x"), a.localAddr), "refused");
  b.setDeadline(Date.now());
  await close();
});

test("trySend tells what it can: sent, or refused when it is too large or nobody can be there", async () => {
  const { a, b, close } = await pair();
  assert.equal(a.trySend(Buffer.from("quick"), b.localAddr), "sent");
  assert.equal(text(await b.receive()), "quick");
  assert.equal(a.trySend(Buffer.alloc(65_507), b.localAddr), "sent");
  assert.equal((await b.receive()).bytes.length, 65_507);
  assert.equal(a.trySend(Buffer.alloc(65_508), b.localAddr), "refused");
  assert.equal(a.trySend(Buffer.from("x"), ipAddr("udp", "127.0.0.1", 0)), "refused");
  await close();
});

test("a datagram that is too large is a typed error with both addresses", async () => {
  const { a, b, close } = await pair();
  await assert.rejects(a.send(Buffer.alloc(65_508), b.localAddr), (error: unknown) => {
    assert.ok(error instanceof NetError);
    assert.equal(error.code, "too_large");
    assert.equal(error.message, `write udp ${String(a.localAddr)}->${String(b.localAddr)}: message too long`);
    return true;
  });
  await a.send(Buffer.from("still works"), b.localAddr);
  assert.equal(text(await b.receive()), "still works");
  await close();
});

test("only the bytes of a view leave", async () => {
  const { a, b, close } = await pair();
  const memory = Buffer.from("secret yes secret");
  await a.send(memory.subarray(7, 10), b.localAddr);
  a.trySend(new Uint8Array(memory.buffer, memory.byteOffset + 7, 3), b.localAddr);
  assert.equal(text(await b.receive()), "yes");
  assert.equal(text(await b.receive()), "yes");
  await close();
});

test("what cannot be bound is a typed error", async () => {
  const taken = createSocket("udp4");
  taken.bind(0, "127.0.0.1");
  await once(taken, "listening");
  const port = taken.address().port;
  await assert.rejects(listenPacket("udp", `127.0.0.1:${port}`), (error: unknown) => {
    assert.ok(error instanceof NetError);
    assert.equal(error.code, "address_in_use");
    assert.equal(error.message, `listen udp 127.0.0.1:${port}: address already in use`);
    return true;
  });
  taken.close();
  await assert.rejects(listenPacket("udp", "203.0.113.7:0"), isCode("address_not_available"));
  await assert.rejects(listenPacket("udp", "nonsense"), isCode("invalid_address"));
  await assert.rejects(listenPacket("udp", "no-such-host.invalid:0"), NetError);
  const network: string = "tcp";
  await assert.rejects(listenPacket(network as "udp", ":0"), isCode("invalid_argument"));
  await assert.rejects(listenPacket("udp", ":0", { receiveLimitDatagrams: 0 }), isCode("invalid_argument"));
  await assert.rejects(listenPacket("udp", ":0", { receiveLimitBytes: 1.5 }), isCode("invalid_argument"));
  await assert.rejects(listenPacket("udp", ":0", { signal: AbortSignal.abort() }), isCode("canceled"));
});

test("sending to port 0 is refused with a reason", async () => {
  const { a, close } = await pair();
  await assert.rejects(a.send(Buffer.from("x"), "127.0.0.1:0"), isCode("invalid_argument"));
  await assert.rejects(a.send(Buffer.from("x"), "nonsense"), isCode("invalid_address"));
  await close();
});

test("calls that nobody waits for end no process when they fail", async () => {
  const packets = await listenPacket("udp4", "127.0.0.1:0");
  const forged = ipAddr("udp", "127.0.0.1", 0); // A source address may have port 0, and an echo sends there.
  const bytes = new Uint8Array(1);
  void packets.send(bytes, forged);
  void packets.sendBatch([{ bytes, addr: forged }]);
  void packets.send(bytes, "no address");
  void packets.send(bytes, "127.0.0.1:9", { signal: AbortSignal.abort() });
  void packets.receive({ signal: AbortSignal.abort() });
  packets.setDeadline(1);
  void packets.receive();
  void packets[Symbol.asyncIterator]().next();
  void packets.send(bytes, packets.localAddr);
  packets.setDeadline(null);
  void packets.receive();
  void packets.close();
  void packets.receive();
  void packets.send(bytes, packets.localAddr);
  void packets.sendBatch([{ bytes, addr: packets.localAddr }]);
  void packets.flush();
  await turn();
  await turn(); // An unhandled rejection would have failed this test.
  await packets.close();
});

test("what is no address, or no datagram with one, is refused as an argument", async () => {
  const { a, close } = await pair();
  for (const odd of [null, undefined, {}, 7]) {
    await assert.rejects(a.send("x", odd as string), isCode("invalid_argument"));
  }
  for (const odd of [null, undefined, 7]) {
    const batch = [odd as unknown as { bytes: string; addr: typeof a.localAddr }];
    assert.throws(() => a.trySendBatch(batch), isCode("invalid_argument"));
    await assert.rejects(a.sendBatch(batch), isCode("invalid_argument"));
  }
  await close();
});
