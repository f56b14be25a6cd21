// Keepalive beside much that waits: who takes a byte is alive.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Duplex } from "node:stream";
import { before, test } from "node:test";
import { Upgrader } from "../src/index.ts";
import { trialsOver } from "@zocalo/net/transport";
import { accepting, ended, upgradeRequest } from "./peers.ts";
import { limits, MIB, unread } from "./much-to-send.ts";

before(trialsOver);

/** Takes `bytes` every 10 ms, and says nothing. */
async function slowTaker(
  to: { readonly port: number } | { readonly path: string },
  bytes: number,
): Promise<{ socket: Socket; taken(): number; stop(): void }> {
  const socket = "path" in to ? connect(to.path) : connect({ ...to, host: "127.0.0.1" });
  socket.on("error", () => undefined);
  socket.on("readable", () => undefined);
  socket.write(upgradeRequest());
  let taken = 0;
  const timer = setInterval(() => {
    for (let due = bytes; due > 0; ) {
      const chunk = socket.read(Math.min(due, socket.readableLength)) as Buffer | null;
      if (chunk === null) break;
      taken += chunk.length;
      due -= chunk.length;
    }
  }, 10);
  await once(socket, "connect");
  return { socket, taken: () => taken, stop: () => clearInterval(timer) };
}

test("a peer that slowly takes what it is sent, and says nothing, is alive", async () => {
  await using server = await accepting({
    ...limits,
    pingIntervalMs: 1000,
    pongTimeoutMs: 1000,
    writeTimeoutMs: Infinity,
  });
  const accepted = server.listener.accept();
  const peer = await slowTaker(server, 65_536);
  const conn = await accepted;
  let isOver = false;
  const end = ended(conn).finally(() => {
    isOver = true;
  });
  const size = 24 * MIB;
  void conn.send(new Uint8Array(size));
  while (peer.taken() < size && !isOver) await new Promise((resolve) => setTimeout(resolve, 10));
  // It stops, and is found.
  peer.stop();
  assert.equal(isOver, false);
  assert.equal(((await end).error as { code?: string }).code, "timeout");
  peer.socket.destroy();
});

test("so is one where nobody knows what it has acknowledged: what leaves the queue counts", async () => {
  const path = join(await mkdtemp(join(tmpdir(), "zocalo-")), "socket");
  const http = createServer().listen(path);
  await once(http, "listening");
  const upgrader = new Upgrader({
    ...limits,
    pingIntervalMs: 1000,
    pongTimeoutMs: 1000,
    writeTimeoutMs: Infinity,
  });
  const upgraded = once(http, "upgrade") as Promise<[IncomingMessage, Duplex, Buffer]>;
  const peer = await slowTaker({ path }, 65_536);
  const conn = await upgrader.upgrade(...(await upgraded));
  let isOver = false;
  const end = ended(conn).finally(() => {
    isOver = true;
  });
  const size = 24 * MIB;
  void conn.send(new Uint8Array(size));
  while (peer.taken() < size && !isOver) await new Promise((resolve) => setTimeout(resolve, 10));
  peer.stop();
  assert.equal(isOver, false);
  assert.equal(((await end).error as { code?: string }).code, "timeout");
  peer.socket.destroy();
  http.close();
  await rm(dirname(path), { recursive: true });
});

test("a peer that takes nothing and says nothing is found, though much waits for it", async () => {
  await using both = await unread({
    ...limits,
    pingIntervalMs: 50,
    pongTimeoutMs: 50,
    writeTimeoutMs: Infinity,
  });
  both.conn.trySend(new Uint8Array(32 * MIB));
  const info = await ended(both.conn);
  assert.equal((info.error as { code?: string }).code, "timeout");
});
