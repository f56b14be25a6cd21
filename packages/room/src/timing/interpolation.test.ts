import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "@zocalo/integrity";
import type { Cell } from "../contracts/layout.ts";
import { type Entry, rowsOf, testLayout } from "../../test/time/rows.ts";
import { difference, intoRange } from "../schema/cells.ts";
import { DisplayFrame, interpolate } from "./interpolation.ts";

const at: Cell = { min: 0, max: 1_000, wraps: false, moves: true, refers: false };
const aim: Cell = { min: -128, max: 127, wraps: true, moves: true, refers: false };
const health: Cell = { min: 0, max: 100, wraps: false, moves: false, refers: false };
const layout = testLayout([at, aim, health], [at]);

function shown(from: Entry[], to: Entry[], share: number): Entry[] {
  const into = new DisplayFrame(layout);
  interpolate(rowsOf(layout, from), rowsOf(layout, to), share, into);
  return Array.from({ length: into.end }, (_, slot) => ({
    kind: into.kinds[slot] ?? 0,
    generation: into.generations[slot] ?? 0,
    cells: [...into.cells.subarray(slot * layout.stride, (slot + 1) * layout.stride)],
  }));
}

test("cells that move are on the way, those that wrap by the shorter way, and the others switch at the end", () => {
  const from = [{ kind: 1, generation: 1, cells: [100, 120, 50] }];
  const to = [{ kind: 1, generation: 1, cells: [200, -126, 40] }];
  assert.deepEqual(shown(from, to, 0)[0]?.cells, [100, 120, 50]);
  assert.deepEqual(shown(from, to, 0.25)[0]?.cells, [125, 122.5, 50]);
  assert.deepEqual(shown(from, to, 0.9)[0]?.cells, [190, -127, 50]);
  assert.deepEqual(shown(from, to, 1)[0]?.cells, [200, -126, 40]);
});

test("past the newer frame what moves goes on as far as its range, and the others stay", () => {
  const from = [{ kind: 1, generation: 1, cells: [100, 100, 50] }];
  const to = [{ kind: 1, generation: 1, cells: [600, 120, 40] }];
  assert.deepEqual(shown(from, to, 1.5)[0]?.cells, [850, -126, 40]);
  assert.deepEqual(shown(from, to, 2)[0]?.cells, [1_000, -116, 40]);
});

test("another generation or kind in a slot is another entity, and who is there switches at the end", () => {
  const from = [
    { kind: 1, generation: 1, cells: [0, 0, 1] },
    { kind: 1, generation: 4, cells: [0, 0, 2] },
    { kind: 1, generation: 9, cells: [0, 0, 3] },
  ];
  const to = [
    { kind: 1, generation: 2, cells: [1_000, 0, 5] },
    { kind: 2, generation: 4, cells: [1_000, 0, 0] },
    { kind: 0, generation: 9, cells: [0, 0, 0] },
    { kind: 2, generation: 1, cells: [500, 0, 0] },
  ];
  assert.deepEqual(shown(from, to, 0.5), from);
  const after = shown(from, to, 1);
  assert.deepEqual(after.slice(0, 2), to.slice(0, 2));
  assert.equal(after[2]?.kind, 0);
  assert.deepEqual(after[3], to[3]);
  // New ones have no way that they went.
  assert.deepEqual(shown(from, to, 1.5).slice(0, 2), to.slice(0, 2));
});

test("a frame is filled again and again, with more slots and with fewer", () => {
  const into = new DisplayFrame(layout);
  const random = new Random(2);
  for (let round = 0; round < 200; round++) {
    const entries = Array.from({ length: random.int(0, 40) }, () => ({
      kind: random.int(0, 2),
      generation: random.int(0, 3),
      cells: [random.int(0, 1_000), 0, 0],
    }));
    const rows = rowsOf(layout, entries);
    interpolate(rows, rows, random.next() * 2, into);
    assert.equal(into.end, entries.length);
    for (const [slot, entry] of entries.entries()) {
      assert.equal(into.kinds[slot], entry.kind);
      if (entry.kind > 0) assert.equal(into.cells[slot * layout.stride], entry.cells[0]);
    }
  }
});

test("for any two values of a cell: within its range, between them, and from one to the other", () => {
  const random = new Random(5);
  for (let n = 0; n < 20_000; n++) {
    const min = random.int(-(2 ** 31), 2 ** 31 - 1);
    const max = random.int(min, 2 ** 31 - 1);
    const cell = { min, max, wraps: random.chance(0.5), moves: true, refers: false };
    const a = random.int(min, max);
    const b = random.int(min, max);
    const way = difference(cell, a, b);
    const span = max - min + 1;
    if (cell.wraps) assert.ok(Math.abs(way) <= span / 2);
    assert.equal(intoRange(cell, a + way), b);
    const between = intoRange(cell, a + way * random.next());
    assert.ok(between >= min && between < max + 1);
  }
});
