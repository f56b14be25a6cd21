import assert from "node:assert/strict";
import { test } from "node:test";
import type { CloseInfo, Message } from "@zocalo/net";
import { dial, WebSocketNetError } from "../src/index.ts";
import { accepting, ended } from "./peers.ts";
import { frameFrom, hex, Recorder } from "./recorder.ts";
import { pair, rawPair } from "./conn-pairs.ts";

test("a clean close ends iteration on both sides", async () => {
  await using both = await pair();
  const got: Message[] = [];
  const looped = (async () => {
    for await (const message of both.server) got.push(message);
  })();
  await both.client.send("last");
  await both.client.close(1000, "done");
  await looped;
  assert.deepEqual(got, ["last"]);
  assert.equal(await both.client.receive(), null);
  assert.equal(both.client.trySend("x"), "refused");
  await assert.rejects(both.client.send("x"), { code: "closed" });
  await both.client.close();
});

test("the handler hears how it ended, last and once", async () => {
  await using both = await pair();
  const got: Message[] = [];
  const info = ended(both.server, got);
  await both.client.send("a");
  await both.client.close(3001, "razón");
  assert.deepEqual(await info, { code: 3001, reason: "razón", wasClean: true });
  assert.deepEqual(got, ["a"]);
});

test("a connection that just breaks throws an error with both sides' close frames, after what had come", async () => {
  await using both = await rawPair();
  both.peer.write(frameFrom("client", 0x81, "a"));
  both.peer.socket.end();
  assert.equal(await both.server.receive(), "a");
  await assert.rejects(both.server.receive(), {
    code: "abnormal_closure",
    sent: undefined,
    received: undefined,
  });
});

test("a protocol error closes with its code, throws here, and ends TCP", async () => {
  await using both = await rawPair();
  both.peer.write(Buffer.concat([frameFrom("client", 0x81, "a"), frameFrom("client", 0x83)]));
  assert.equal(await both.server.receive(), "a");
  const client = new Recorder("client").feed(await both.peer.rest());
  assert.equal(client.core.receivedClose?.code, 1002);
  await assert.rejects(both.server.receive(), (error: WebSocketNetError) => {
    assert.equal(error.code, "bad_frame");
    assert.equal(error.sent?.code, 1002);
    return true;
  });
});

test("a close that is not answered is bounded in time", async () => {
  await using both = await rawPair({ closeTimeoutMs: 20 });
  const info = ended(both.server);
  await both.server.close(1001);
  assert.equal((await info).code, 1006);
  assert.equal(((await info).error as WebSocketNetError).code, "timeout");
  assert.equal(((await info).error as WebSocketNetError).sent?.code, 1001);
});

test("a peer that closes and then keeps TCP open is cut off", async () => {
  await using both = await rawPair({ closeTimeoutMs: 20 });
  both.peer.socket.allowHalfOpen = true;
  both.peer.write(frameFrom("client", 0x88, hex("03e8")));
  assert.deepEqual(await ended(both.server), { code: 1000, reason: "", wasClean: true });
});

test("closing while the application is far behind still completes the handshake", async () => {
  await using both = await pair({ receiveHighWaterBytes: 1 });
  for (let i = 0; i < 200; i++) await both.client.send("x".repeat(10_000));
  await both.server.close(1001, "bye");
  assert.deepEqual(await ended(both.client), { code: 1001, reason: "bye", wasClean: true });
});

test("abort cuts at once: the peer sees a broken connection, pending calls reject", async () => {
  await using both = await pair();
  const pending = assert.rejects(both.server.receive(), { code: "closed" });
  both.server.abort();
  await pending;
  await assert.rejects(both.client.receive(), { code: "abnormal_closure" });
});

test("bad close codes and reasons are refused", async () => {
  await using both = await pair();
  for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 1000.5, Number.NaN]) {
    await assert.rejects(both.client.close(code), { code: "invalid_argument" });
  }
  await assert.rejects(both.client.close(1000, "x".repeat(124)), /124 bytes is longer than 123/);
  await both.client.close(1000, "x".repeat(123));
});

test("a handler that throws closes with 1011 and harms nobody else", async () => {
  await using server = await accepting();
  const accepted = server.listener.accept();
  const client = await dial(server.url);
  const conn = await accepted;
  const info = new Promise<CloseInfo>((resolve) => {
    conn.serve({
      message() {
        throw new Error("boom");
      },
      close: resolve,
    });
  });
  await client.send("x");
  assert.equal((await ended(client)).code, 1011);
  assert.equal((await info).wasClean, false);
  assert.equal(server.listener.addr.network, "tcp");
});

test("drain sends 1001 and waits; then nothing more is accepted", async () => {
  await using server = await accepting();
  const accepted = server.listener.accept();
  const client = await dial(server.url);
  await accepted;
  const drained = server.listener.drain(Date.now() + 60_000);
  const signal = AbortSignal.abort();
  await assert.rejects(server.listener.drain(null, { signal }), { code: "canceled" });
  const [info] = await Promise.all([ended(client), drained]);
  assert.deepEqual(info, { code: 1001, reason: "going away", wasClean: true });
  await assert.rejects(dial(server.url), { code: "connect_failed" });
  await assert.rejects(server.listener.accept(), { code: "closed" });
});
