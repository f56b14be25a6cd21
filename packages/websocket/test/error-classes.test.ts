// Two classes whose names are easily taken for each other: what this package throws, and the browser's.
import assert from "node:assert/strict";
import { test } from "node:test";
import { NetError } from "@zocalo/net";
import * as face from "../src/index.ts";
import { dial, WebSocketError, WebSocketNetError, WebSocketStream } from "../src/index.ts";
import { rejection } from "./websocket-stream-ends.ts";

/** Nobody listens there. */
const NOWHERE = "ws://127.0.0.1:1";

test("what dial rejects with is a NetError, and not the browser's WebSocketError", async () => {
  const error = await rejection(dial(NOWHERE));
  assert.ok(error instanceof NetError && error instanceof WebSocketNetError);
  assert.ok(!(error instanceof WebSocketError) && !(error instanceof DOMException));
  assert.deepEqual([error.name, error.code, error.network], ["NetError", "connect_failed", "websocket"]);
});

test("what WebSocketStream rejects with is a DOMException, and the NetError is its cause", async () => {
  const error = await rejection(new WebSocketStream(NOWHERE).opened);
  assert.ok(error instanceof WebSocketError && error instanceof DOMException);
  assert.ok(!(error instanceof NetError));
  assert.equal(error.name, "WebSocketError");
  assert.ok(error.cause instanceof WebSocketNetError);
});

test("the face has both by the names that they say, and no third", () => {
  const errors = Object.keys(face).filter((name) => name.endsWith("Error"));
  assert.deepEqual(errors.sort(), ["WebSocketError", "WebSocketNetError"]);
  assert.deepEqual([WebSocketError.name, WebSocketNetError.name], errors);
});
