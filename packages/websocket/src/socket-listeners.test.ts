import assert from "node:assert/strict";
import { once } from "node:events";
import { Duplex } from "node:stream";
import { test } from "node:test";
import { takeUnread } from "./socket-listeners.ts";

test("all that a broken stream has read is taken from it, in how many pieces it may have come", async () => {
  const stream = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  stream.pause();
  for (const piece of ["one", "two", "three"]) stream.push(piece);
  stream.destroy(new Error("broken"));
  await once(stream, "error");
  assert.equal(takeUnread(stream)?.toString(), "onetwothree");
  assert.equal(takeUnread(stream), null);
});
