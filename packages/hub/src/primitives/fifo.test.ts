import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fifo } from "./fifo.ts";

test("does what an array does, whatever is done to it", () => {
  const step = fc.oneof(
    fc.record({ push: fc.integer() }),
    fc.constant("shift" as const),
    fc.record({ slice: fc.tuple(fc.nat(20), fc.nat(20)) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const fifo = new Fifo<number>();
      const array: number[] = [];
      for (const one of steps) {
        if (one === "shift") assert.equal(fifo.shift(), array.shift());
        else if ("push" in one) {
          fifo.push(one.push);
          array.push(one.push);
        } else {
          const [index, count] = one.slice;
          assert.deepEqual(fifo.slice(index, count), array.slice(index, index + count));
        }
        assert.equal(fifo.length, array.length);
        assert.equal(fifo.first, array[0]);
      }
    }),
  );
});
