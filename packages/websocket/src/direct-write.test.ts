import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { canWriteDirectly, writeDirectly } from "./direct-write.ts";

test("bytes and text leave at once, in order with what the stream writes", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const accepted = once(server, "connection");
  const peer = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const [socket] = (await accepted) as [Socket];
  assert.equal(canWriteDirectly(socket), true);
  let taken = 0;
  writeDirectly(socket, "ñ1", (error) => {
    assert.ok(!error);
    taken++;
  });
  writeDirectly(socket, Buffer.from("2"), () => taken++);
  assert.equal(taken, 2);
  assert.equal(socket.writableLength, 0);
  socket.end("3");
  const chunks: Buffer[] = [];
  for await (const chunk of peer) chunks.push(chunk as Buffer);
  assert.equal(Buffer.concat(chunks).toString("latin1"), "ñ123");
  server.close();
});

test("streams of another kind, and sockets whose writing somebody has replaced, are left alone", () => {
  assert.equal(canWriteDirectly(new PassThrough()), false);
  const socket = connect({ port: 1, host: "127.0.0.1", lookup: () => undefined });
  socket.on("error", () => undefined);
  Reflect.set(socket, "_write", () => undefined);
  assert.equal(canWriteDirectly(socket), false);
  socket.destroy();
});
