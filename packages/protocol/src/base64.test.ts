import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromBase64, toBase64 } from "./base64.ts";

test("base64 is that of RFC 4648, and comes back", () => {
  const short = fc.uint8Array({ maxLength: 100 });
  const long = fc.integer({ min: 8_180, max: 20_000 }).map((length) => new Uint8Array(length).fill(length));
  fc.assert(
    fc.property(fc.oneof({ weight: 9, arbitrary: short }, { weight: 1, arbitrary: long }), (bytes) => {
      const text = toBase64(bytes);
      assert.equal(text, Buffer.from(bytes).toString("base64"));
      assert.deepEqual(fromBase64(text), bytes);
    }),
  );
});

for (const [name, text] of [
  ["without padding", "AA"],
  ["with a line break", "AAAA\nAAA"],
  ["of the alphabet for URLs", "-_-_"],
  ["with padding in the middle", "AA==AAAA"],
  ["with bits that belong to no byte", "AB=="],
  ["that is padding only", "===="],
  ["past ASCII", "éééé"],
] as const) {
  test(`a text ${name} is no base64`, () => assert.equal(fromBase64(text), undefined));
}
