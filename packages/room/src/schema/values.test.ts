import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  angle,
  bool,
  type Field,
  int,
  number,
  oneOf,
  type Quaternion,
  quaternion,
  text,
  vector,
} from "../index.ts";

const SEED = { seed: 20_261_130, numRuns: 2_000 };
const FULL_TURN = 2 * Math.PI;

/** What nobody expects of a number. */
const odd = fc.oneof(
  fc.constantFrom(
    NaN,
    Infinity,
    -Infinity,
    -0,
    Number.MAX_VALUE,
    -Number.MAX_VALUE,
    Number.MIN_VALUE,
    2 ** 53,
  ),
  fc.double(),
  fc.integer(),
);

/** What nobody expects at all. */
const anything: fc.Arbitrary<unknown> = fc.oneof(
  odd,
  fc.anything(),
  fc.constantFrom(
    null,
    undefined,
    "7",
    7n,
    Symbol("7"),
    () => 7,
    new Date(7),
    [7],
    { x: 7 },
    [7, NaN],
    [1, 2, 3, 4],
  ),
  fc.constant(new Proxy({}, { get: () => 1e300 })),
  fc.constant(new Proxy([], { get: () => NaN })),
  fc.constant({ valueOf: () => 7, toString: () => "sun", length: 2 }),
);

/** A range that holds 32-bit integers, and its precision. */
const ranges = fc
  .tuple(
    fc.constantFrom(1, 0.5, 0.1, 0.01, 0.001, 1 / 3, 1 / 64, 0.07, 3, 250),
    fc.integer({ min: -1_000_000, max: 1_000_000 }),
    fc.integer({ min: 1, max: 1_000_000 }),
    fc.double({ min: 0, max: 1, noNaN: true }),
  )
  .map(([precision, from, steps, share]) => ({
    min: from * precision + share * precision,
    max: (from + steps) * precision + 2 * share * precision,
    precision,
  }));

function written(field: Field, value: unknown): Int32Array {
  const cells = new Int32Array(field.cells.length);
  assert.equal(field.write(value, cells, 0), undefined);
  return cells;
}

function quantised<F extends Field>(field: F, value: unknown): ReturnType<F["read"]> {
  return field.read(written(field, value), 0) as ReturnType<F["read"]>;
}

function apart(a: number, b: number): number {
  const difference = Math.abs(a - b) % FULL_TURN;
  return Math.min(difference, FULL_TURN - difference);
}

describe("numbers", () => {
  test("a value in the range moves by half a precision at most, and then stays", () => {
    fc.assert(
      fc.property(ranges, fc.double({ min: 0, max: 1, noNaN: true }), (range, share) => {
        const field = number(range);
        const value = range.min + (range.max - range.min) * share;
        const read = quantised(field, value);
        // What doubles lose of a millionth part of a cell.
        assert.ok(Math.abs(read - value) <= range.precision * 0.500_001, `${value} ${read}`);
        assert.ok(read >= range.min && read <= range.max);
        assert.deepEqual(written(field, read), written(field, value));
      }),
      SEED,
    );
  });

  test("a value outside the range becomes its end", () => {
    const field = number({ min: -1, max: 0.25, precision: 0.1 });
    const ends = [-1.1, -Infinity, -Number.MAX_VALUE, 0.26, 7, Infinity].map((value) =>
      quantised(field, value),
    );
    assert.deepEqual(ends, [-1, -1, -1, 0.25, 0.25, 0.25]);
  });

  test("what is written with few digits is read with few digits", () => {
    const tenths = number({ min: -100, max: 100, precision: 0.1 });
    for (let cell = -1_000; cell <= 1_000; cell++) {
      const value = Number(`${cell}e-1`);
      assert.equal(quantised(tenths, value), value);
    }
    assert.equal(quantised(number({ min: 0, max: 100, precision: 5 }), 12.6), 15);
  });

  test("0 stays 0, whatever the range, and -0 becomes it", () => {
    const field = number({ min: -Math.PI, max: Math.PI, precision: 0.01 });
    assert.ok(Object.is(quantised(field, 0), 0));
    assert.ok(Object.is(quantised(field, -0), 0));
  });

  test("integers are rounded and clamped, up to the ends of 32 bits", () => {
    const field = int(-(2 ** 31), 2 ** 31 - 1);
    const values = [2.5, -2.5, 2 ** 31, -(2 ** 40), 2 ** 31 - 1].map((value) => quantised(field, value));
    assert.deepEqual(values, [3, -2, 2 ** 31 - 1, -(2 ** 31), 2 ** 31 - 1]);
  });

  test("NaN and what is no number are refused", () => {
    const field = number({ min: 0, max: 1, precision: 0.1 });
    for (const value of [NaN, "0", null, undefined, 0n, {}, new Date(), []] as number[]) {
      const cells = new Int32Array([7]);
      assert.equal(field.write(value, cells, 0), "numbers from 0 to 1");
      assert.equal(cells[0], 7);
    }
  });
});

describe("angles", () => {
  test("an angle moves by π / 2^bits at most, and then stays", () => {
    const values = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 24 }), values, (bits, value) => {
        const field = angle(bits);
        const read = quantised(field, value);
        assert.ok(apart(read, value) <= Math.PI / 2 ** bits + 1e-9, `${value} ${read}`);
        assert.ok(read >= -Math.PI && read < Math.PI);
        assert.deepEqual(written(field, read), written(field, value));
      }),
      SEED,
    );
  });

  test("a turn more is the same direction, and half a turn is -π", () => {
    const field = angle(8);
    assert.equal(quantised(field, 1 + 3 * FULL_TURN), quantised(field, 1));
    assert.deepEqual([quantised(field, Math.PI), quantised(field, -Math.PI)], [-Math.PI, -Math.PI]);
  });

  test("an angle that is not finite is refused", () => {
    for (const value of [NaN, Infinity, -Infinity]) {
      assert.equal(angle(8).write(value, new Int32Array(1), 0), "finite numbers, in radians");
    }
  });
});

describe("quaternions", () => {
  const part = fc.oneof(fc.double({ min: -1, max: 1, noNaN: true }), fc.constantFrom(0, 1, -1, 0.5));
  const rotations = fc
    .tuple(part, part, part, part, fc.constantFrom(1, 1e-200, 1e200))
    .filter((parts) => parts.slice(0, 4).some((each) => Math.abs(each) > 1e-3))
    .map(
      ([x, y, z, w, length]): Quaternion => ({ x: x * length, y: y * length, z: z * length, w: w * length }),
    );

  function radiansApart(a: Quaternion, b: Quaternion): number {
    const most = Math.max(Math.abs(a.x), Math.abs(a.y), Math.abs(a.z), Math.abs(a.w));
    const [x, y, z, w] = [a.x / most, a.y / most, a.z / most, a.w / most];
    const length = Math.hypot(x, y, z, w);
    const product = (x * b.x + y * b.y + z * b.z + w * b.w) / length;
    const sign = product < 0 ? -1 : 1;
    // By the chord: the arc cosine of what is about 1 says little.
    const chord = Math.hypot(
      x / length - sign * b.x,
      y / length - sign * b.y,
      z / length - sign * b.z,
      w / length - sign * b.w,
    );
    return 4 * Math.asin(Math.min(1, chord / 2));
  }

  test("a rotation moves by less than 6 / 2^bits radians, and then stays", () => {
    fc.assert(
      fc.property(fc.integer({ min: 6, max: 20 }), rotations, (bits, value) => {
        const field = quaternion(bits);
        const read = quantised(field, value);
        const radians = radiansApart(value, read);
        assert.ok(radians < 6 / 2 ** bits, `${radians * 2 ** bits}`);
        assert.ok(Math.abs(Math.hypot(read.x, read.y, read.z, read.w) - 1) < 1e-12);
        assert.deepEqual(written(field, read), written(field, value));
      }),
      { ...SEED, numRuns: 10_000 },
    );
  });

  test("of whatever cells there are, what is read is of length 1, and written again is what it was", () => {
    const inRange = fc.integer({ min: -511, max: 511 });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3 }), inRange, inRange, inRange, (largest, a, b, c) => {
        const field = quaternion(10);
        const read = field.read(new Int32Array([largest, a, b, c]), 0);
        assert.ok(Math.abs(Math.hypot(read.x, read.y, read.z, read.w) - 1) < 1e-12);
        const again = quantised(field, read);
        assert.deepEqual(written(field, again), written(field, read));
      }),
      SEED,
    );
  });

  test("it is no rotation at first, and one of length 0, or with a number that is not finite, is refused", () => {
    const field = quaternion(10);
    assert.deepEqual(quantised(field, field.initial), { x: 0, y: 0, z: 0, w: 1 });
    assert.deepEqual([...written(field, field.initial)], [0, 0, 0, 0]);
    for (const value of [
      [0, 0, 0, 0],
      [1, 0, 0, NaN],
      [Infinity, 0, 0, 1],
      [1, 0, 0],
    ]) {
      assert.equal(
        typeof field.write(value as [number, number, number, number], new Int32Array(4), 0),
        "string",
      );
    }
  });
});

test("no value takes a cell out of its range, or leaves cells half written", () => {
  const fields: Field[] = [
    bool(),
    int(-3, 9),
    int(-(2 ** 31), 2 ** 31 - 1),
    number({ min: 0.05, max: 7.77, precision: 0.1, moves: true }),
    vector(2, { min: -1, max: 1, precision: 0.01 }),
    vector(3, { min: 5, max: 9, precision: 0.5 }),
    angle(2),
    angle(24),
    quaternion(6),
    quaternion(20),
    oneOf("sun", "moon", "__proto__"),
    text(1),
    text(16),
  ];
  const values = fc.oneof(
    anything,
    fc.tuple(odd, odd),
    fc.record({ x: odd, y: odd, z: odd, w: odd }),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.constantFrom(...fields), values, (field, value) => {
      const cells = new Int32Array(field.cells.length).fill(1);
      const before = [...cells];
      const allowed = field.write(value, cells, 0);
      if (allowed !== undefined) return assert.deepEqual([...cells], before);
      for (const [index, { min, max }] of field.cells.entries()) {
        const cell = cells[index] ?? NaN;
        assert.ok(cell >= min && cell <= max, `${field.type} ${cell}`);
      }
    }),
    { ...SEED, numRuns: 20_000 },
  );
});
