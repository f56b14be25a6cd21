// A peer that begins a message and sends just enough to be alive.
import assert from "node:assert/strict";
import { test } from "node:test";
import { takeRounds } from "@zocalo/integrity";
import { checkPeriodMs } from "@zocalo/net/transport";
import type { ConnOptions } from "../src/index.ts";
import { accepting, ended, RawPeer } from "./peers.ts";
import { frameFrom } from "./recorder.ts";

/**
 * Sends `bytes` one at a time, and the last one again and again, until the server has ended the connection.
 */
async function trickled(options: ConnOptions, bytes: Buffer, end: Buffer = bytes.subarray(-1)) {
  await using server = await accepting(options);
  const accepted = server.listener.accept();
  const peer = await RawPeer.upgraded(server.port);
  const conn = await accepted;
  let at = 0;
  const sending = setInterval(() => {
    peer.write(at < bytes.length ? bytes.subarray(at, at + 1) : end);
    at++;
  }, 2);
  const info = await ended(conn);
  clearInterval(sending);
  peer.socket.destroy();
  return info;
}

const timeout = { messageTimeoutMs: 40, closeTimeoutMs: 50 };
const ping = frameFrom("client", 0x89, "p");

for (const [name, bytes, end] of [
  ["a message that goes on byte by byte", frameFrom("client", 0x82, "x".repeat(60_000)), undefined],
  ["pings between the fragments of one that never ends", frameFrom("client", 0x02, "begun"), ping],
  ["empty fragments without end", frameFrom("client", 0x01, ""), frameFrom("client", 0x00, "")],
] as const) {
  test(`${name} is cut off with 1008`, async () => {
    const info = await trickled(timeout, bytes, end);
    assert.equal(info.wasClean, false);
    assert.equal(info.code, 1008);
    assert.equal((info.error as { code?: string } | undefined)?.code, "timeout");
  });
}

test("a peer whose reads always end within a message, but each of which is completed, stays", async (t) => {
  const messageTimeoutMs = 400_000;
  const check = takeRounds(t, checkPeriodMs(messageTimeoutMs));
  await using server = await accepting({ messageTimeoutMs });
  const accepted = server.listener.accept();
  const peer = await RawPeer.upgraded(server.port);
  const conn = await accepted;
  const message = frameFrom("client", 0x81, "hola");
  // Each write ends one message and begins the next.
  const shifted = Buffer.concat([message.subarray(3), message.subarray(0, 3)]);
  peer.write(message.subarray(0, 3));
  for (let checks = 0; checks < 20; checks++) {
    peer.write(shifted);
    assert.equal(await conn.receive(), "hola");
    await check();
  }
  assert.equal(conn.trySend("still here"), "sent");
  // It stops in the middle of one.
  const told = assert.rejects(conn.receive(), { code: "timeout" });
  for (let checks = 0; checks < 6; checks++) await check();
  peer.socket.destroy();
  await told;
});
