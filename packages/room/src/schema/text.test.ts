import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { text } from "../index.ts";

const SEED = { seed: 20_261_130, numRuns: 2_000 };
const bytesOf = (value: string): number => Buffer.byteLength(value);

function stored(maxBytes: number, value: string): string {
  const field = text(maxBytes);
  const cells = new Int32Array(field.cells.length);
  assert.equal(field.write(value, cells, 0), undefined);
  return field.read(cells, 0);
}

test("what fits is what was written", () => {
  for (const value of [
    "",
    "Ana",
    "Zócalo",
    "日本語",
    "👩‍🚀",
    "\ufeffa byte order mark first",
    "\u0001\u007f",
  ]) {
    assert.equal(stored(32, value), value);
  }
});

test("what is longer is cut before the first character that does not fit", () => {
  assert.equal(stored(4, "abcdef"), "abcd");
  assert.equal(stored(4, "abcé"), "abc");
  assert.equal(stored(5, "abcé"), "abcé");
  assert.equal(stored(6, "abc😀d"), "abc");
  assert.equal(stored(7, "abc😀d"), "abc😀");
  assert.equal(stored(1, "é"), "");
});

test("half of a pair, and U+0000, become U+FFFD", () => {
  assert.equal(stored(16, "a\ud800b"), "a\ufffdb");
  assert.equal(stored(16, "\udc00"), "\ufffd");
  assert.equal(stored(16, "a\0b"), "a\ufffdb");
  assert.equal(stored(4, "ab\ud83d"), "ab");
});

test("any text is the longest start that fits, as the platform's own encoder has it", () => {
  const texts = fc.oneof(
    fc.string({ unit: "binary", maxLength: 40 }),
    fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 192 }), texts, (maxBytes, value) => {
      const target = new Uint8Array(maxBytes);
      const { written } = new TextEncoder().encodeInto(value.replaceAll("\0", "\ufffd"), target);
      const expected = new TextDecoder("utf-8", { ignoreBOM: true }).decode(target.subarray(0, written));
      const read = stored(maxBytes, value);
      assert.equal(read, expected);
      assert.ok(bytesOf(read) <= maxBytes);
      assert.equal(stored(maxBytes, read), read);
    }),
    SEED,
  );
});

test("whatever cells there are, they read as text", () => {
  const field = text(6);
  const cell = fc.integer({ min: 0, max: 0xff_ffff });
  fc.assert(
    fc.property(cell, cell, (a, b) => {
      assert.doesNotMatch(field.read(new Int32Array([a, b]), 0), /\p{Surrogate}/u);
    }),
    SEED,
  );
});
