import assert from "node:assert/strict";
import { test } from "node:test";
import { SHORT_ASCII_BYTES, shortAsciiText } from "./short-message.ts";

test("each short text has all its characters, in order, from where it begins", () => {
  const bytes = Buffer.from("\0\u007f0123456789abcdefghijklmnopqrstuvwxyz");
  for (let at = 0; at <= 16; at++) {
    for (let length = 0; length <= SHORT_ASCII_BYTES; length++) {
      assert.equal(shortAsciiText(bytes, at, length), bytes.toString("latin1", at, at + length));
    }
  }
});
