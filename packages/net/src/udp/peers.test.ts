import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { listenPacket } from "./listen-packet.ts";
import { PreparedMessage } from "../contracts/message-conn.ts";
import { defaultPeersOptions, peers } from "./peers.ts";
import { FakePackets, open, record } from "../../test/fake-packets.ts";
import { isCode } from "../../test/fake-conn.ts";

test("each source address is one connection, and each datagram one message", async () => {
  const { packets, listener } = open();
  packets.from("198.51.100.1:1", "a1", "a2");
  packets.from("198.51.100.1:2", "b1");
  packets.from("198.51.100.1:1", "a3");
  const a = await listener.accept();
  const b = await listener.accept();
  assert.equal(String(a.peer.addr), "198.51.100.1:1");
  assert.equal(a.peer.transport, "udp");
  assert.equal(String(a.localAddr), "192.0.2.1:7001");
  assert.deepEqual([await a.receive(), await a.receive(), await a.receive()], ["a1", "a2", "a3"]);
  assert.equal(await b.receive(), "b1");
  assert.equal(listener.unverifiedPeers, 2);
  await listener.abort();
});

test("what is no message is refused by a rejection, and by trySend without one", async () => {
  const { packets, listener } = open();
  packets.from("198.51.100.1:1", "12345");
  const conn = await listener.accept();
  const log = record(conn);
  const broken = new PreparedMessage("x");
  Object.defineProperty(broken, "message", {
    get() {
      throw new TypeError("oops");
    },
  });
  for (const [bad, code] of [
    [null, "invalid_argument"],
    [undefined, "invalid_argument"],
    [5, "invalid_argument"],
    [[1], "invalid_argument"],
    [new PreparedMessage(null as never), "invalid_argument"],
    [broken, "unknown"],
  ] as const) {
    await assert.rejects(conn.send(bad as never), isCode(code));
    assert.equal(conn.trySend(bad as never), "refused");
  }
  assert.deepEqual(packets.sent, []);
  packets.from("198.51.100.1:1", "6");
  assert.deepEqual(log, ["12345", "6"], "no drain is owed for it");
  await listener.abort();
});

test("a peer that is not heard ends with 1001; any datagram renews it", async () => {
  const { packets, clock, listener } = open();
  packets.from("198.51.100.1:1", "a");
  packets.from("198.51.100.1:2", "b");
  const a = await listener.accept();
  const b = await listener.accept();
  assert.equal(a.idleTimeoutMs, 60_000);
  const logs = [record(a), record(b)];
  clock.pass(30_000);
  packets.from("198.51.100.1:2", "b again");
  clock.pass(29_999);
  await turn();
  assert.deepEqual(logs, [["a"], ["b", "b again"]]);
  clock.pass(1);
  assert.deepEqual(logs, [
    ["a", "(close 1001)"],
    ["b", "b again"],
  ]);
  assert.equal(a.trySend(""), "refused");
  clock.pass(30_000);
  assert.deepEqual(logs[1], ["b", "b again", "(close 1001)"]);
  assert.equal(listener.unverifiedPeers, 0);
  assert.equal(clock.timers, 0);
  await listener.close();
});

test("after this process stood still, what peers have said meanwhile is read before they are judged", async () => {
  const { packets, clock, listener } = open();
  packets.from("198.51.100.1:1", "a");
  packets.from("198.51.100.1:2", "b");
  const logs = [record(await listener.accept()), record(await listener.accept())];
  clock.standStill(75_000);
  packets.from("198.51.100.1:2", "b waited in the socket");
  clock.pass(999);
  await turn();
  assert.deepEqual(logs, [["a"], ["b", "b waited in the socket"]]);
  clock.pass(1);
  assert.deepEqual(logs, [
    ["a", "(close 1001)"],
    ["b", "b waited in the socket"],
  ]);
  await listener.abort();
});

test("a peer that comes back after its end is a new one", async () => {
  const { packets, clock, listener } = open();
  packets.from("127.0.0.1:1", "a");
  const first = await listener.accept();
  clock.pass(60_000);
  assert.equal(await first.receive(), "a");
  assert.equal(await first.receive(), null);
  packets.from("127.0.0.1:1", "b");
  const second = await listener.accept();
  assert.equal(await second.receive(), "b");
  await second.close(1000);
  packets.from("127.0.0.1:1", "c");
  assert.equal(await (await listener.accept()).receive(), "c");
  await listener.abort();
});

test("what a peer's application does not take is dropped and counted, at 64 datagrams or 64 KiB", async () => {
  const { packets, listener } = open();
  for (let i = 0; i < 64; i++) packets.from("127.0.0.1:1", String(i));
  assert.equal(listener.dropped, 0);
  packets.from("127.0.0.1:1", "one more");
  assert.equal(listener.dropped, 1);
  const conn = await listener.accept();
  for (let i = 0; i < 64; i++) assert.equal(await conn.receive(), String(i));
  packets.from("127.0.0.1:1", "room again");
  assert.equal(await conn.receive(), "room again");

  packets.from("127.0.0.1:2", "x".repeat(65_507), "y".repeat(29));
  assert.equal(listener.dropped, 1);
  packets.from("127.0.0.1:2", "z");
  assert.equal(listener.dropped, 2);
  assert.equal(defaultPeersOptions.receiveLimitBytes, 65_536);
  assert.equal(defaultPeersOptions.receiveLimitMessages, 64);
  await listener.abort();
});

test("datagrams that are too large or not text are dropped and counted, without a peer being made", async () => {
  const { packets, listener } = open({ maxMessageBytes: 10 });
  packets.from("127.0.0.1:1", "x".repeat(11), Buffer.of(0xff), Buffer.of(0xed, 0xa0, 0x80));
  assert.deepEqual([listener.dropped, listener.verifiedPeers], [3, 0]);
  packets.from("127.0.0.1:1", "x".repeat(10));
  assert.equal((await (await listener.accept()).receive())?.length, 10);
  await listener.abort();
});

test("binary messages are taken as they are", async () => {
  const { packets, listener } = open({ messages: "binary" });
  packets.from("127.0.0.1:1", Buffer.of(0xff, 0x00));
  assert.deepEqual(await (await listener.accept()).receive(), Buffer.of(0xff, 0x00));
  await listener.abort();
});

test("a message over maxSendBytes is refused, one at it leaves", async () => {
  const { packets, listener } = open({ maxSendBytes: 4 });
  packets.from("127.0.0.1:1", "x");
  const conn = await listener.accept();
  assert.equal(conn.maxSendBytes, 4);
  assert.equal(conn.trySend("four"), "sent");
  assert.equal(conn.trySend("fives"), "refused");
  await assert.rejects(conn.send("fives"), isCode("too_large"));
  assert.equal(defaultPeersOptions.maxSendBytes, 65_507);
  await listener.abort();
});

test("with newlines each text ends with one, and there is one byte less for it", async () => {
  const { packets, listener } = open({ maxSendBytes: 4, newlines: true });
  packets.from("127.0.0.1:1", "x");
  const conn = await listener.accept();
  assert.equal(conn.maxSendBytes, 3);
  assert.equal(conn.trySend("two"), "sent");
  assert.equal(conn.trySend("four"), "refused");
  assert.equal(conn.trySend(Buffer.from("four")), "sent");
  assert.deepEqual(packets.sent, ["127.0.0.1:1 two\n", "127.0.0.1:1 four"]);
  await listener.abort();
});

test("when the system's buffer is full a message is refused, and drain comes with the next sign of life", async () => {
  const { packets, listener } = open();
  packets.from("127.0.0.1:1", "x");
  const conn = await listener.accept();
  const log = record(conn);
  packets.isFull = true;
  assert.equal(conn.trySend("y"), "refused");
  await assert.rejects(conn.send("y"), isCode("no_room"));
  packets.isFull = false;
  await turn();
  packets.from("127.0.0.1:1", "z");
  assert.deepEqual(log, ["x", "(drain)", "z"]);
  await listener.abort();
});

test("closing and aborting a connection ends it at once", async () => {
  const { packets, listener } = open();
  packets.from("127.0.0.1:1", "a");
  packets.from("127.0.0.1:2", "b");
  const a = await listener.accept();
  const b = await listener.accept();
  const log = record(a);
  await turn();
  await a.close(1000, "bye");
  await turn();
  assert.deepEqual(log, ["a", "(close 1000)"]);
  await assert.rejects(a.send("x"), isCode("closed"));
  b.abort();
  await assert.rejects(b.receive(), isCode("closed"));
  assert.equal(listener.verifiedPeers, 0);
  await listener.close();
  assert.equal(packets.isClosed, true);
});

test("a handler that throws ends its own connection with 1011 and no other", async () => {
  const { packets, listener } = open();
  packets.from("127.0.0.1:1", "a");
  packets.from("127.0.0.1:2", "b");
  const logA = record(await listener.accept(), () => {
    throw new Error("oops");
  });
  const logB = record(await listener.accept());
  await turn();
  assert.deepEqual(logA, ["a", "(close 1011 unclean)"]);
  packets.from("127.0.0.1:2", "b2");
  assert.deepEqual(logB, ["b", "b2"]);
  await listener.abort();
});

test("a closed listener takes no new peers, serves the old ones, and closes the socket after the last", async () => {
  const { packets, clock, listener } = open();
  packets.from("127.0.0.1:1", "a");
  const conn = await listener.accept();
  packets.from("127.0.0.1:2", "never accepted");
  await listener.close();
  packets.from("127.0.0.1:3", "late");
  packets.from("127.0.0.1:1", "b");
  assert.deepEqual([await conn.receive(), await conn.receive()], ["a", "b"]);
  assert.equal(listener.verifiedPeers, 1);
  assert.equal(packets.isClosed, false);
  await conn.close();
  assert.equal(packets.isClosed, true);
  assert.equal(clock.timers, 0);
  await assert.rejects(listener.accept(), isCode("closed"));
  for await (const other of listener) other.abort();
});

test("drain waits for the peers, abort does not", async () => {
  const { packets, listener } = open();
  packets.from("127.0.0.1:1", "a");
  const conn = await listener.accept();
  const draining = listener.drain(null);
  await assert.rejects(listener.drain(null, { signal: AbortSignal.abort() }), { code: "canceled" });
  await conn.close(1001);
  await draining;
  assert.equal(packets.isClosed, true);

  const other = open();
  other.packets.from("127.0.0.1:1", "a");
  const cut = await other.listener.accept();
  await other.listener.abort();
  await assert.rejects(async () => {
    for await (const message of cut) assert.equal(message, "a");
  }, isCode("closed"));
  assert.equal(other.packets.isClosed, true);
});

test("a socket that breaks ends all its peers with 1006", async () => {
  const { packets, listener } = open();
  packets.from("127.0.0.1:1", "a");
  const log = record(await listener.accept());
  const accepting = listener.accept();
  await turn();
  await packets.close(new Error("the card burned"));
  assert.deepEqual(log, ["a", "(close 1006 unclean)"]);
  await assert.rejects(accepting, /the card burned/);
});

test("limits that are not positive numbers are refused by name", () => {
  const packets = new FakePackets();
  assert.throws(() => peers(packets, { maxPeers: 0 }), /maxPeers 0 is not a whole number of at least 1/);
  assert.throws(() => peers(packets, { idleTimeoutMs: Number.NaN }), isCode("invalid_argument"));
});

test("over real sockets: two clients, one server, IPv4 and IPv6", async () => {
  const listener = peers(await listenPacket("udp", ":0"));
  const { port } = listener.addr;
  const serving = (async () => {
    for await (const conn of listener) {
      conn.serve({ message: (message) => void conn.trySend(`re: ${String(message)}`) });
    }
  })();
  for (const host of ["127.0.0.1", "[::1]"]) {
    const client = await listenPacket("udp", `${host}:0`);
    await client.send(Buffer.from("hola"), `${host}:${port}`);
    assert.equal(Buffer.from((await client.receive()).bytes).toString(), "re: hola");
    await client.close();
  }
  assert.equal(listener.verifiedPeers, 2);
  await listener.abort();
  await serving;
});
