import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { type IpAddr, ipAddr } from "../contracts/addr.ts";
import { NetError } from "../contracts/error.ts";
import { listenPacket } from "./listen-packet.ts";
import {
  type CloseInfo,
  type Message,
  type MessageConn,
  PreparedMessage,
} from "../contracts/message-conn.ts";
import type { PacketHandler } from "../contracts/packet-conn.ts";
import type { PeerSocket } from "./peer-listener.ts";
import { defaultPeersOptions, peers, type PeersOptions } from "./peers.ts";

/** A datagram socket on which anybody can be the sender. */
class FakePackets implements PeerSocket {
  readonly localAddr = ipAddr("udp", "192.0.2.1", 7001);
  readonly sent: string[] = [];
  isClosed = false;
  isFull = false;
  #handler: PacketHandler | undefined;

  from(host: string, ...messages: (string | Uint8Array)[]): void {
    const [ip = "", port = "1"] = host.split(":");
    for (const message of messages) {
      const addr: IpAddr = ipAddr("udp", ip, Number(port));
      const bytes = typeof message === "string" ? Buffer.from(message) : message;
      void this.#handler?.message({ bytes, addr });
    }
  }

  serve(handler: PacketHandler): void {
    this.#handler = handler;
  }

  trySend(bytes: Uint8Array, addr: IpAddr): "sent" | "refused" {
    if (this.isFull) return "refused";
    this.sent.push(`${String(addr)} ${Buffer.from(bytes).toString()}`);
    return "sent";
  }

  close(error?: Error): Promise<void> {
    if (!this.isClosed) this.#handler?.close?.(error);
    this.isClosed = true;
    return Promise.resolve();
  }
}

/** Time that passes when it is told to. */
class FakeClock {
  time = 1_000_000;
  readonly #timers = new Set<{ at: number; callback: () => void }>();

  now(): number {
    return this.time;
  }

  setTimer(callback: () => void, delayMs: number): () => void {
    const timer = { at: this.time + delayMs, callback };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  get timers(): number {
    return this.#timers.size;
  }

  pass(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const [next] = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.time = next.at;
      next.callback();
    }
    this.time = end;
  }
}

function open(options: PeersOptions = {}) {
  const packets = new FakePackets();
  const clock = new FakeClock();
  return { packets, clock, listener: peers(packets, { clock, ...options }) };
}

/** Serves `conn` and writes down what happens. */
function record(conn: MessageConn, reply?: (message: Message) => void) {
  const log: string[] = [];
  conn.serve({
    message(message) {
      log.push(String(message));
      reply?.(message);
    },
    drain: () => void log.push("(drain)"),
    close: ({ code, wasClean }: CloseInfo) => void log.push(`(close ${code}${wasClean ? "" : " unclean"})`),
  });
  return log;
}

const isCode = (code: string) => (error: unknown) => error instanceof NetError && error.code === code;

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

test("before the address is proved no more bytes leave than came", async () => {
  const { packets, listener } = open();
  packets.from("198.51.100.1:1", "12345");
  const conn = await listener.accept();
  const log = record(conn);
  assert.equal(conn.trySend("123456"), "refused");
  await assert.rejects(conn.send("123456"), (error: unknown) => {
    assert.ok(error instanceof NetError);
    assert.match(
      error.message,
      /^write udp 192\.0\.2\.1:7001->198\.51\.100\.1:1: address not verified: 6 bytes /,
    );
    return error.code === "no_room";
  });
  assert.equal(conn.trySend("123"), "sent");
  await conn.send(new PreparedMessage("12"));
  assert.equal(conn.trySend("1"), "refused", "five came, five left");
  assert.equal(conn.trySend(""), "sent");
  await turn();
  packets.from("198.51.100.1:1", "1");
  assert.deepEqual(log, ["12345", "(drain)", "1"]);
  assert.equal(conn.trySend("1"), "sent");
  assert.deepEqual(
    packets.sent,
    ["123", "12", "", "1"].map((text) => `198.51.100.1:1 ${text}`),
  );
  await listener.abort();
});

test("UTF-8 counts by bytes", async () => {
  const { packets, listener } = open();
  packets.from("198.51.100.1:1", "123");
  const conn = await listener.accept();
  assert.equal(conn.trySend("éé"), "refused");
  assert.equal(conn.trySend("é"), "sent");
  await listener.abort();
});

test("the cookie proves the address, once and for all", async () => {
  const { packets, clock, listener } = open();
  packets.from("198.51.100.1:1", "hi");
  packets.from("198.51.100.2:1", "hi");
  const conn = await listener.accept();
  const other = await listener.accept();
  const log = record(conn);
  const { verification } = conn.peer;
  assert.ok(verification && other.peer.verification);
  assert.equal(verification.verify("x".repeat(16)), false);
  assert.equal(verification.verify(other.peer.verification.cookie), false);
  assert.equal(conn.trySend("longer than what came"), "refused");
  clock.pass(59_000);
  assert.equal(verification.verify(verification.cookie), true);
  assert.equal(conn.peer.verification, undefined);
  assert.equal(verification.verify("anything"), true, "stays verified");
  assert.equal(conn.trySend("longer than what came"), "sent");
  assert.deepEqual([listener.verifiedPeers, listener.unverifiedPeers], [1, 1]);
  await turn();
  assert.deepEqual(log, ["(drain)", "hi"]);
  await listener.abort();
});

test("loopback counts as proved, unless it must not", async () => {
  for (const host of ["127.0.0.1:9", "127.9.9.9:9"]) {
    const { packets, listener } = open();
    packets.from(host, "");
    const conn = await listener.accept();
    assert.equal(conn.peer.verification, undefined);
    assert.equal(conn.trySend("as long as you like"), "sent");
    await listener.abort();
  }
  const { packets, listener } = open({ verifyLoopback: true });
  packets.from("127.0.0.1:9", "x");
  assert.ok((await listener.accept()).peer.verification);
  await listener.abort();
});

test("a flood of forged sources drives out only unverified peers, the longest unheard first", async () => {
  const { packets, listener } = open({ maxUnverifiedPeers: 3 });
  packets.from("198.51.100.1:1", "good");
  const good = await listener.accept();
  const log = record(good);
  assert.ok(good.peer.verification?.verify(good.peer.verification.cookie));

  const forged: string[][] = [];
  for (const port of [1, 2, 3]) {
    packets.from(`203.0.113.9:${port}`, "f");
    forged.push(record(await listener.accept()));
  }
  assert.equal(listener.evicted, 0, "at the limit");
  packets.from("203.0.113.9:1", "again");
  packets.from("203.0.113.9:4", "f");
  await turn();
  assert.equal(listener.evicted, 1, "one past it");
  assert.deepEqual(forged, [["f", "again"], ["f", "(close 1013 unclean)"], ["f"]]);

  for (let port = 1000; port < 3000; port++) packets.from(`203.0.113.9:${port}`, "f");
  assert.equal(listener.unverifiedPeers, 3);
  assert.equal(listener.verifiedPeers, 1);
  packets.from("198.51.100.1:1", "still here");
  await turn();
  assert.deepEqual(log, ["good", "still here"]);
  await listener.abort();
});

test("peers that nobody accepts are limited too", async () => {
  const { packets, listener } = open({ maxPending: 2 });
  for (const port of [1, 2]) packets.from(`198.51.100.1:${port}`, "x");
  assert.equal(listener.dropped, 0);
  packets.from("198.51.100.1:3", "x");
  assert.equal(listener.dropped, 1);
  assert.equal(listener.unverifiedPeers, 2);
  await listener.abort();
});

test("forged sources that nobody accepts do not keep out one that cannot be forged", async () => {
  const { packets, listener } = open({ maxPending: 2 });
  for (const port of [1, 2, 3]) packets.from(`198.51.100.1:${port}`, "x");
  assert.deepEqual([listener.unverifiedPeers, listener.dropped], [2, 1], "at the limit, and one past it");
  packets.from("127.0.0.1:1", "in");
  packets.from("127.0.0.1:2", "in");
  assert.deepEqual([listener.verifiedPeers, listener.dropped], [2, 1], "as many again");
  packets.from("127.0.0.1:3", "out");
  packets.from("198.51.100.1:4", "x");
  assert.deepEqual([listener.verifiedPeers, listener.unverifiedPeers, listener.dropped], [2, 2, 3]);
  await listener.abort();
});

test("one address has so many verified peers and no more, until one has gone", async () => {
  const { packets, listener } = open({ maxPeersPerAddress: 2 });
  const meet = async (from: string): Promise<MessageConn> => {
    packets.from(from, "x");
    return listener.accept();
  };
  const verify = ({ peer: { verification } }: MessageConn): boolean | undefined =>
    verification?.verify(verification.cookie);
  const first = await meet("198.51.100.1:1");
  const second = await meet("198.51.100.1:2");
  const third = await meet("198.51.100.1:3");
  assert.deepEqual([verify(first), verify(second), verify(third)], [true, true, false]);
  assert.equal(verify(await meet("198.51.100.2:1")), true, "another address");
  assert.equal(listener.verifiedPeers, 3);
  await first.close();
  first.abort(); // It is over once, however often it is told.
  assert.equal(verify(third), true);
  assert.equal(verify(await meet("198.51.100.1:4")), false);
  await listener.abort();
});

test("this machine is exempt from the limit per address unless asked", async () => {
  const { packets, listener } = open({ maxPeersPerAddress: 1 });
  packets.from("127.0.0.1:1", "in");
  packets.from("127.0.0.1:2", "in");
  assert.deepEqual([listener.verifiedPeers, listener.dropped], [2, 0]);
  await listener.abort();

  const asked = open({ maxPeersPerAddress: 1, exemptAddresses: [] });
  asked.packets.from("127.0.0.1:1", "in");
  asked.packets.from("127.0.0.1:2", "out");
  asked.packets.from("127.0.0.2:1", "in");
  assert.deepEqual([asked.listener.verifiedPeers, asked.listener.dropped], [2, 1]);
  await asked.listener.abort();
});

test("at the limit of verified peers further ones stay unverified, and loopback ones are not let in", async () => {
  const { packets, listener } = open({ maxPeers: 1 });
  packets.from("127.0.0.1:1", "in");
  packets.from("127.0.0.1:2", "out");
  packets.from("198.51.100.1:1", "x");
  await listener.accept();
  const conn = await listener.accept();
  assert.equal(String(conn.peer.addr), "198.51.100.1:1");
  assert.equal(conn.peer.verification?.verify(conn.peer.verification.cookie), false);
  assert.deepEqual([listener.verifiedPeers, listener.unverifiedPeers, listener.dropped], [1, 1, 1]);
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
