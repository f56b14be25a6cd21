import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fitsInBytes, utf8Length } from "./utf8.ts";

test("counts as the platform does, lone surrogates included", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "binary" }),
      fc.array(fc.integer({ min: 0, max: 0xffff })),
      (text, units) => {
        for (const sample of [text, String.fromCharCode(...units)]) {
          assert.equal(utf8Length(sample), Buffer.byteLength(sample));
        }
      },
    ),
  );
});

test("a text fits at its length, and not in one byte less", () => {
  for (const text of ["abc", "ñandú", "😀😀", "€"]) {
    const bytes = Buffer.byteLength(text);
    assert.equal(fitsInBytes(text, bytes), true);
    assert.equal(fitsInBytes(text, bytes - 1), false);
  }
});
