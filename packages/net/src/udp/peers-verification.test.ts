// Who has proved its address, and what nobody gets before: bytes, places, and the time of others.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { NetError } from "../contracts/error.ts";
import { type MessageConn, PreparedMessage } from "../contracts/message-conn.ts";
import { open, record } from "../../test/fake-packets.ts";

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
