import assert from "node:assert/strict";
import { test } from "node:test";
import { applyMask, rotateMask } from "./mask.ts";

const key = 0xa1b2_c3d4 | 0;
const keyBytes = [0xd4, 0xc3, 0xb2, 0xa1];

/** Byte by byte, as RFC 6455 §5.3 has it. */
function masked(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return bytes.map((byte, i) =>
    i >= start && i < end ? byte ^ (keyBytes[(i - start) & 3] as number) : byte,
  );
}

test("any stretch of any view is masked, and nothing beside it", () => {
  const memory = Uint8Array.from({ length: 400 }, (_, i) => (i * 37) & 255);
  for (let offset = 0; offset < 9; offset++) {
    for (const [start, length] of Array.from({ length: 40 }, (_, i) => [i % 11, (i * 29) % 331] as const)) {
      const copy = memory.slice();
      const view = copy.subarray(offset);
      applyMask(view, start, start + length, key);
      assert.deepEqual(copy, masked(memory, offset + start, offset + start + length));
    }
  }
});

test("memory of any size is masked, to its last byte", () => {
  for (const size of [1, 95, 96, 97, 1023, 262_144, 262_145, 300_007]) {
    const memory = new Uint8Array(size).fill(0x61);
    const expected = masked(memory, 0, size);
    applyMask(memory, 0, size, key);
    assert.deepEqual(memory, expected);
  }
});

test("masking in two parts is masking at once", () => {
  for (const cut of [0, 1, 2, 3, 4, 101, 250]) {
    const memory = new Uint8Array(251).fill(0x61);
    applyMask(memory, 0, cut, key);
    applyMask(memory, cut, 251, rotateMask(key, cut));
    assert.deepEqual(memory, masked(new Uint8Array(251).fill(0x61), 0, 251));
  }
});
