// Counts the descriptors of this process, so nothing else may open any here.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { accepting, RawPeer } from "./peers.ts";
import { frameFrom } from "./recorder.ts";

const COUNT = 20;
const descriptors = (): number => readdirSync("/dev/fd").length;

test("abort right after close, while the peer closes too, leaves no descriptor open", async () => {
  await using server = await accepting();
  void (async () => {
    for await (const conn of server.listener) {
      conn.serve({
        message() {
          void conn.close();
          queueMicrotask(() => conn.abort());
        },
      });
    }
  })();
  const messageAndClose = Buffer.concat([
    frameFrom("client", 0x81, "x"),
    frameFrom("client", 0x88, Uint8Array.of(3, 232)),
  ]);
  const before = descriptors();
  for (let round = 0; round < COUNT; round++) {
    const { socket } = await RawPeer.upgraded(server.port);
    socket.on("error", () => undefined).resume();
    const closed = once(socket, "close");
    socket.end(messageAndClose);
    await closed;
  }
  // The last ones may still be on their way; those that leak stay for good. Fewer is right, too: what Node
  // opened to load this file may be closed by now.
  for (let tries = 0; tries < 3000 && descriptors() > before; tries++) await wait(10);
  assert.ok(descriptors() <= before, `${descriptors()} descriptors are open, ${before} were`);
});
