import assert from "node:assert/strict";
import { test } from "node:test";
import { systemRandom } from "./random.ts";

test("of the system's random bytes none is given twice, and none lies in memory of others", () => {
  const seen = new Set<string>();
  for (let length = 16; length < 1_016; length++) {
    const bytes = systemRandom(length);
    assert.equal(bytes.length, length);
    for (let at = 0; at + 16 <= length; at += 16)
      seen.add(Buffer.from(bytes.subarray(at, at + 16)).toString("hex"));
    if (length < 32) assert.equal(bytes.buffer.byteLength, length);
  }
  let count = 0;
  for (let length = 16; length < 1_016; length++) count += Math.floor(length / 16);
  assert.equal(seen.size, count);
  for (const length of [0, 4_095, 4_096, 4_097, 65_536]) assert.equal(systemRandom(length).length, length);
});
