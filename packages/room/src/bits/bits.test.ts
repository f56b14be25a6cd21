import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readMarks, widthOf, writeMarks } from "./marks.ts";
import { BitReader } from "./reader.ts";
import { readGamma, readRice, unzigzag, writeGamma, writeRice, zigzag } from "./rice.ts";
import { BitWriter } from "./writer.ts";

const uint32 = fc.oneof(fc.nat(40), fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.constant(2 ** 32 - 1));

function newWriter(): BitWriter {
  const out = new BitWriter();
  out.reset(5_000);
  return out;
}

/** What was written, for reading. */
function read(out: BitWriter): BitReader {
  out.finish();
  assert.equal(out.overflowed, false);
  return new BitReader(out.bytes.subarray(0, out.length));
}

test("numbers of any width come back, one after the other", () => {
  const numbers = fc.array(
    fc
      .integer({ min: 0, max: 32 })
      .chain((width) => fc.tuple(fc.constant(width), fc.integer({ min: 0, max: 2 ** width - 1 }))),
  );
  fc.assert(
    fc.property(numbers, (all) => {
      const out = newWriter();
      for (const [width, value] of all) out.write(value, width);
      const reader = read(out);
      for (const [width, value] of all) assert.equal(reader.read(width), value);
      assert.ok(reader.isAtEnd && !reader.isPast);
    }),
    { seed: 1 },
  );
});

test("Rice's and gamma codes come back for any number and any k", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(uint32, fc.nat(28))), (all) => {
      const out = newWriter();
      for (const [value, k] of all) {
        writeRice(out, value, k);
        writeGamma(out, Math.min(value, 2 ** 32 - 2));
      }
      const reader = read(out);
      for (const [value, k] of all) {
        assert.equal(readRice(reader, k), value);
        assert.equal(readGamma(reader), Math.min(value, 2 ** 32 - 2));
      }
      assert.ok(reader.isAtEnd);
    }),
    { seed: 1 },
  );
});

test("differences come back from zigzag", () => {
  fc.assert(
    fc.property(fc.integer(), (difference) => assert.equal(unzigzag(zigzag(difference)), difference)),
    { seed: 1 },
  );
  assert.deepEqual([0, -1, 1, -2].map(zigzag), [0, 1, 2, 3]);
});

test("which are marked comes back, and costs little where few are, or all but a few", () => {
  fc.assert(
    fc.property(
      fc.nat(300),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
      (total, share, draws) => {
        const marked: number[] = [];
        for (let i = 0; i < total; i++) if ((draws.next().value as number) < share) marked.push(i);
        const out = newWriter();
        writeMarks(out, total, Int32Array.from(marked), marked.length);
        const reader = read(out);
        const found = new Int32Array(total);
        assert.equal(readMarks(reader, total, found), marked.length);
        assert.deepEqual([...found.subarray(0, marked.length)], marked);
        const few = Math.min(marked.length, total - marked.length);
        assert.ok(out.length * 8 <= 8 + widthOf(total) + few * (5 + widthOf(total)));
      },
    ),
    { seed: 1 },
  );
});

test("a writer that is full says so, and writes nothing past its limit", () => {
  const out = newWriter();
  out.reset(5);
  for (let i = 0; i < 5; i++) out.write(0xff, 8);
  out.finish();
  assert.equal(out.overflowed, false);
  assert.equal(out.length, 5);
  out.reset(5);
  for (let i = 0; i < 6; i++) out.write(0xaa, 8);
  out.finish();
  assert.equal(out.overflowed, true);
  assert.ok(out.length <= 5);
  out.reset(6);
  for (let i = 0; i < 6; i++) out.write(i, 8);
  out.finish();
  assert.deepEqual([...out.bytes.subarray(0, out.length)], [0, 1, 2, 3, 4, 5]);
});

test("past the end there are zeros, and the reader says so", () => {
  const reader = new BitReader(Uint8Array.of(0xff));
  assert.equal(reader.read(16), 0xff00);
  assert.equal(reader.isPast, true);
  assert.equal(reader.isAtEnd, false);
  assert.equal(readRice(reader, 3) >= 0, true);
});
