import assert from "node:assert/strict";
import { test } from "node:test";
import type { Message } from "@zocalo/net";
import { WebSocketStream } from "../src/index.ts";
import { accepting, echoAll } from "./peers.ts";

test("messages go through both streams, and closing ends them", async () => {
  await using server = await accepting({ subprotocols: ["a"] });
  void echoAll(server.listener);
  const stream = new WebSocketStream(server.url, { protocols: ["a"] });
  const { readable, writable, protocol } = await stream.opened;
  assert.equal(protocol, "a");
  const writer = writable.getWriter();
  const reader = readable.getReader();
  for (const message of ["uno", new Uint8Array([1, 2]), "tres"] satisfies Message[]) {
    await writer.write(message);
    assert.deepEqual((await reader.read()).value, message);
  }
  stream.close({ closeCode: 3000, reason: "fin" });
  assert.equal((await stream.closed).closeCode, 3000);
  assert.equal((await reader.read()).done, true);
});

test("what is not read stops the server, and nothing is lost", async () => {
  await using server = await accepting();
  const accepted = server.listener.accept();
  const stream = new WebSocketStream(server.url, { readBufferSize: 1000 });
  const { readable } = await stream.opened;
  const conn = await accepted;
  const sending = (async () => {
    for (let i = 0; i < 2000; i++) await conn.send(`${i}`.padEnd(5000));
    await conn.close(1000, "all");
    return "sent";
  })();
  assert.equal(
    await Promise.race([sending, new Promise((resolve) => setTimeout(resolve, 50, "held back"))]),
    "held back",
  );
  let count = 0;
  for await (const message of readable) assert.equal(Number(message), count++);
  assert.equal(count, 2000);
  assert.deepEqual(await stream.closed, { closeCode: 1000, reason: "all" });
  assert.equal(await sending, "sent");
});

test("a broken connection errors the stream and rejects closed", async () => {
  await using server = await accepting();
  const accepted = server.listener.accept();
  const stream = new WebSocketStream(server.url);
  const { readable } = await stream.opened;
  (await accepted).abort();
  await assert.rejects(stream.closed, { code: "abnormal_closure" });
  await assert.rejects(readable.getReader().read(), { code: "abnormal_closure" });
  await assert.rejects(new WebSocketStream("ws://127.0.0.1:1").opened, { code: "connect_failed" });
});
