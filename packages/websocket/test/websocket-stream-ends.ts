import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { WebSocketError } from "../src/index.ts";
import { rawServer, upgradeAnswer } from "./peers.ts";

/** What a promise rejects with. */
export function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => assert.fail("it resolved"),
    (error: unknown) => error,
  );
}

export function streamErrorOf(error: unknown): WebSocketError {
  assert.ok(error instanceof WebSocketError, String(error));
  return error;
}

/** A server that answers the upgrade and then does what the test says. */
export function upgrading(then: (socket: Socket) => void): ReturnType<typeof rawServer> {
  return rawServer((head, socket) => {
    socket.write(upgradeAnswer(head));
    then(socket);
  });
}
