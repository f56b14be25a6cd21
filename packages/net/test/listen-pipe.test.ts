import assert from "node:assert/strict";
import { test } from "node:test";
import { listenPipe } from "../src/index.ts";

test("a listener in memory accepts who dials, before and after accept is called", async () => {
  await using listener = listenPipe();
  const early = await listener.dial();
  const accepting = [listener.accept(), listener.accept()];
  const late = await listener.dial();
  const servers = await Promise.all(accepting);
  for (const [index, client] of [early, late].entries()) {
    await client.write(Buffer.from(`hola ${index}`));
    assert.equal(String(await servers[index]?.read()), `hola ${index}`);
    assert.equal(String(client.remoteAddr), "pipe");
  }
  await Promise.all([early.close(), late.close(), ...servers.map((conn) => conn.close())]);
});

test("one past maxPending is refused, and the next is let in when one was accepted", async () => {
  await using listener = listenPipe({ maxPending: 2 });
  const clients = [await listener.dial(), await listener.dial()];
  await assert.rejects(listener.dial(), { code: "refused", message: "dial pipe pipe: connection refused" });
  const server = await listener.accept();
  clients.push(await listener.dial());
  for (const conn of [...clients, server]) conn.abort();
});

test("one past maxConnections is refused until one has ended", async () => {
  await using listener = listenPipe({ maxConnections: 1 });
  const client = await listener.dial();
  const server = await listener.accept();
  await assert.rejects(listener.dial(), { code: "refused" });
  await Promise.all([client.close(), server.close()]);
  for (;;) {
    const next = await listener.dial().catch(() => undefined);
    next?.abort();
    if (next !== undefined) break;
    await new Promise((resolve) => setImmediate(resolve)); // The end of both is told in a later turn.
  }
});

test("a listener that is closed refuses, and cuts who waits", async () => {
  const listener = listenPipe();
  const client = await listener.dial();
  await listener.close();
  await assert.rejects(client.readFull(1));
  await assert.rejects(listener.dial(), { code: "refused" });
  await assert.rejects(listener.accept(), { code: "closed" });
});

test("drain waits for the connections that are open", async () => {
  const listener = listenPipe();
  const client = await listener.dial();
  const server = await listener.accept();
  let isDrained = false;
  const draining = listener.drain(Date.now() + 60_000).then(() => (isDrained = true));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isDrained, false);
  await Promise.all([client.close(), server.close()]);
  await draining;
});

test("options and signals are checked", async () => {
  await using listener = listenPipe();
  const code = "invalid_argument";
  assert.throws(() => listenPipe({ maxPending: 0 }), { code });
  assert.throws(() => listenPipe({ maxConnections: 1.5 }), { code });
  assert.throws(() => listenPipe({ backlog: 1 } as object), { code, message: /has no option "backlog"/ });
  await assert.rejects(listener.dial({ signal: AbortSignal.abort() }), { code: "canceled" });
  await assert.rejects(listener.dial({ signal: 1 as unknown as AbortSignal }), { code });
});
