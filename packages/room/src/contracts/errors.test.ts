import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { shown } from "./errors.ts";

test("a value is shown on one line, short, and without anything that a terminal obeys", () => {
  assert.equal(shown("\u001b[2J\n\u202eabc\u009b"), String.raw`"\u001b[2J\n\u{202e}abc\u{9b}"`);
  assert.equal(shown("á".repeat(99)), `"${"á".repeat(40)}"`);
  assert.deepEqual([NaN, -0, 7n, null, undefined, true].map(shown), [
    "NaN",
    "0",
    "7",
    "null",
    "undefined",
    "true",
  ]);
  assert.deepEqual([{}, [], () => 7, Symbol("7")].map(shown), [
    "an object",
    "an object",
    "a function",
    "a symbol",
  ]);
  fc.assert(
    fc.property(fc.anything(), (value) => {
      assert.doesNotMatch(shown(value), /[\p{C}\p{Zl}\p{Zp}]/u);
    }),
    { seed: 20_261_130 },
  );
});

test("to show a value calls nothing of its own", () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const trap = (): never => assert.fail("it was called");
  const hostile = { toString: trap, valueOf: trap, toJSON: trap, [Symbol.toPrimitive]: trap };
  assert.deepEqual([proxy, hostile].map(shown), ["an object", "an object"]);
});
