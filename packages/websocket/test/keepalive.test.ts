import assert from "node:assert/strict";
import { test } from "node:test";
import { takeRounds } from "@zocalo/integrity";
import { checkPeriodMs, unacknowledgedBytes } from "@zocalo/net/transport";
import { WebSocketNetError } from "../src/index.ts";
import { accepting, ended, RawPeer } from "./peers.ts";
import { frameFrom, Recorder } from "./recorder.ts";
import { pair, rawPair, standsStill } from "./conn-pairs.ts";

test("a half-open peer is found by keepalive", async () => {
  await using both = await rawPair({ pingIntervalMs: 20, pongTimeoutMs: 20 });
  const info = await ended(both.server);
  assert.equal(info.code, 1006);
  assert.equal((info.error as WebSocketNetError).code, "timeout");
  const client = new Recorder("client").feed(await both.peer.rest());
  assert.equal(client.pings.length, 1);
});

test("a half-open peer is found while the application does not read", async () => {
  await using server = await accepting({ pingIntervalMs: 20, pongTimeoutMs: 20 });
  const accepted = server.listener.accept();
  // With the request: keepalive may be faster than another write.
  const peer = await RawPeer.upgraded(server.port, frameFrom("client", 0x81, "unread"));
  const conn = await accepted;
  await peer.rest();
  assert.equal(await conn.receive(), "unread");
  await assert.rejects(conn.receive(), { code: "timeout" });
});

test("a peer that is held back because the application does not read is not taken for dead", async (t) => {
  const timeMs = 400_000;
  const check = takeRounds(t, checkPeriodMs(timeMs));
  await using both = await pair({ pingIntervalMs: timeMs, pongTimeoutMs: timeMs, receiveHighWaterBytes: 1 });
  let sent = 0;
  const sending = (async () => {
    for (; sent < 100; sent++) await both.client.send("x".repeat(300_000));
  })();
  await standsStill(() => sent);
  assert.ok(sent < 100);
  const { localAddr, peer } = both.server;
  assert.ok("port" in localAddr && "port" in peer.addr);
  const ends = {
    localAddress: localAddr.host,
    localPort: localAddr.port,
    remoteAddress: peer.addr.host,
    remotePort: peer.addr.port,
  };
  // Several times what keepalive waits.
  for (let checks = 0; checks < 30; checks++) {
    await check();
    await unacknowledgedBytes(ends); // Behind the look of the check, if it took one.
  }
  for (let i = 0; i < 100; i++) assert.equal((await both.server.receive())?.length, 300_000);
  await sending;
  await both.client.close();
});

test("a live peer that only answers pings stays, and its round trip is known", async () => {
  await using both = await pair({ pingIntervalMs: 5, pongTimeoutMs: 30_000 });
  while (both.server.roundTripMs === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
  await both.client.send("still here");
  assert.equal(await both.server.receive(), "still here");
});

test("a ping that is never answered rejects when the connection ends", async () => {
  await using both = await rawPair();
  const pinged = both.server.ping();
  await both.peer.take(6);
  both.peer.socket.destroy();
  await assert.rejects(pinged, { code: "closed" });
});
