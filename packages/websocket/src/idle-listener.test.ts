import assert from "node:assert/strict";
import { Socket } from "node:net";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { dropIdleListener } from "./idle-listener.ts";

test("a socket that may be half-open loses Node's own listener for its end, and keeps ours", () => {
  const socket = new Socket({ allowHalfOpen: true });
  const ours = (): void => undefined;
  socket.on("end", ours);
  dropIdleListener(socket);
  assert.deepEqual(socket.listeners("end"), [ours]);
  dropIdleListener(socket);
  assert.deepEqual(socket.listeners("end"), [ours]);
});

test("one that may not be half-open, or is no socket, is left as it was", () => {
  for (const stream of [new Socket(), new PassThrough({ allowHalfOpen: true })]) {
    const before = stream.listeners("end");
    dropIdleListener(stream);
    assert.deepEqual(stream.listeners("end"), before);
  }
});
