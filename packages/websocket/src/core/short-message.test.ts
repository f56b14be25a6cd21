import assert from "node:assert/strict";
import { test } from "node:test";
import {
  areAscii,
  SHORT_ASCII_BYTES,
  shortAsciiText,
  shortTextOf,
  unmaskAside,
  unmasked,
  unmaskedCopy,
} from "./short-message.ts";

const KEY = [0x8f, 0x2e, 0x3d, 0xcc];

/** `message` behind its mask, `offset` bytes into some memory. */
function masked(message: Uint8Array, offset: number): { view: DataView; at: number } {
  const bytes = Buffer.alloc(offset + KEY.length + message.length, 0xff);
  const at = offset + KEY.length;
  bytes.set(KEY, offset);
  for (let i = 0; i < message.length; i++) bytes[at + i] = (message[i] ?? 0) ^ (KEY[i & 3] ?? 0);
  return { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), at };
}

test("each length is unmasked from each place", () => {
  const copies: { copy: Uint8Array; message: Uint8Array }[] = [];
  for (let offset = 0; offset < 8; offset++) {
    for (let length = 0; length <= 125; length++) {
      const message = Uint8Array.from({ length }, (_, i) => i * 37 + offset);
      const { view, at } = masked(message, offset);
      unmaskAside(view, at, length);
      assert.deepEqual(new Uint8Array(unmasked.subarray(0, length)), message);
      copies.push({ copy: unmaskedCopy(view, at, length), message });
    }
  }
  // None lies where another does.
  for (const { copy, message } of copies) assert.deepEqual(copy, message);
});

test("one byte of 128 and more, wherever it is, is not ASCII", () => {
  for (let length = 1; length <= 20; length++) {
    for (let wrong = 0; wrong < length; wrong++) {
      for (const byte of [0x7f, 0x80, 0xff]) {
        const message = new Uint8Array(length).fill(0x7f);
        message[wrong] = byte;
        const { view, at } = masked(message, length & 7);
        assert.equal(unmaskAside(view, at, length), byte < 0x80);
        assert.equal(areAscii(message, 0, length), byte < 0x80);
      }
    }
  }
});

test("each short text has all its characters, in order, from where it begins", () => {
  const bytes = Buffer.from("\0\u007f0123456789abcdefghijklmnopqrstuvwxyz");
  for (let at = 0; at <= 16; at++) {
    for (let length = 0; length <= SHORT_ASCII_BYTES; length++) {
      const text = bytes.toString("latin1", at, at + length);
      assert.equal(shortAsciiText(bytes, at, length), text);
      assert.equal(shortTextOf(bytes, at, length, true), text);
    }
  }
});
