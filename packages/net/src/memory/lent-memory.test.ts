import assert from "node:assert/strict";
import { test } from "node:test";
import { isLentMemory, lend } from "./lent-memory.ts";
import { ownCopy } from "./own-memory.ts";

const memory = (): Uint8Array => new Uint8Array(new ArrayBuffer(100));

test("bytes are lent until the handler returns or throws, and so is every view of their memory", () => {
  const bytes = memory().subarray(10, 20);
  lend(bytes, { data: (given) => assert.ok(isLentMemory(new Uint8Array(given.buffer, 50))) });
  assert.equal(isLentMemory(bytes), false);
  const fail = (): never => {
    assert.ok(isLentMemory(bytes));
    throw new Error("oops");
  };
  assert.throws(() => lend(bytes, { data: fail }), /oops/);
  assert.equal(isLentMemory(bytes), false);
});

test("what is lent is so in a loan that begins meanwhile, too, and after it", () => {
  const outer = memory();
  const inner = memory();
  const innermost = memory();
  const lentNow = (): boolean[] => [outer, inner, innermost, ownCopy(outer)].map(isLentMemory);
  lend(outer, {
    data() {
      lend(inner, {
        data() {
          lend(innermost, { data: () => assert.deepEqual(lentNow(), [true, true, true, false]) });
          assert.deepEqual(lentNow(), [true, true, false, false]);
        },
      });
      assert.deepEqual(lentNow(), [true, false, false, false]);
    },
  });
  assert.deepEqual(lentNow(), [false, false, false, false]);
});
