// Under a budget everybody has their turn.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { InputReport } from "../src/input/report.ts";
import { changesBetween } from "../src/snapshot/changes.ts";
import { SnapshotReader } from "../src/snapshot/reader.ts";
import { Snapshots, type SnapshotView } from "../src/snapshot/snapshots.ts";
import { cell, layoutOf, randomOf, TestRows } from "./any-world.ts";

const BUDGET = 200;
const ENTITIES = 300;
/** What moves each tick by a number that nobody could foretell, twice as urgent and usual. */
const restless = [cell(0, 1_000_000), cell(0, 1_000_000)];
const layout = layoutOf([
  { name: "hero", weight: 2, cells: restless },
  { name: "leaf", weight: 1, cells: restless },
]);

interface Room {
  readonly view: SnapshotView;
  readonly rows: TestRows;
  readonly reader: SnapshotReader;
  /** One tick on, over a way that loses so much each way. Returns what came of it. */
  step(loss: number): ReturnType<SnapshotReader["read"]> | undefined;
}

function newRoom(seed: number): Room {
  const random = randomOf(seed);
  const rows = new TestRows(layout);
  for (let i = 0; i < ENTITIES; i++) rows.add(i % 2, [i, i]);
  const snapshots = new Snapshots(rows);
  const receiver = snapshots.everything.receiver({ budgetBytes: BUDGET });
  const reader = new SnapshotReader(layout);
  const out = new Uint8Array(BUDGET);
  let tick = 0;
  // The longest there is.
  const report = new InputReport();
  const acknowledgements: { tick: number; bits: number }[] = [];
  return {
    view: snapshots.everything,
    rows,
    reader,
    step: (loss) => {
      snapshots.commit(tick++);
      report.taken = report.came = report.cameAt = tick - 1;
      const length = receiver.encode(out, report);
      assert.ok(length > 0 && length <= BUDGET);
      const news = random() < loss ? undefined : reader.read(out.subarray(0, length));
      if (reader.newest && random() >= loss) acknowledgements.push({ ...reader.acknowledgement });
      // It takes three ticks back.
      const heard = acknowledgements.length > 3 ? acknowledgements.shift() : undefined;
      if (heard) receiver.acknowledge(heard.tick, heard.bits);
      return news;
    },
  };
}

test("everything is told in a bounded number of ticks, though all changes in each", () => {
  const random = randomOf(9);
  const room = newRoom(1);
  const { rows, reader } = room;
  const last = new Map<number, number>();
  const waits: number[][] = [[], []];
  for (let tick = 0; tick < 1_500; tick++) {
    for (let slot = 0; slot < ENTITIES; slot++) rows.set(slot, 0, Math.floor(random() * 1_000_001));
    room.step(0);
    const { newest } = reader;
    assert.ok(newest);
    // In a room that shows all from its beginning ids are slots.
    for (let id = 0; id < ENTITIES; id++) {
      if (newest.kinds[id] === 0 || newest.cells[id * 2] !== rows.get(id, 0)) continue;
      waits[id % 2]?.push(tick - (last.get(id) ?? 0));
      last.set(id, tick);
    }
  }
  assert.equal(last.size, ENTITIES);
  // 200 bytes hold at least 20 of them, so all have a turn within 15 ticks on average, and those that weigh
  // half as much within twice as many at the most.
  assert.ok(Math.max(...(waits[1] ?? [])) <= 30, `${Math.max(...(waits[1] ?? []))} ticks`);
  const mean = (numbers: readonly number[] = []): number =>
    numbers.reduce((a, b) => a + b, 0) / numbers.length;
  const ratio = mean(waits[1]) / mean(waits[0]);
  assert.ok(ratio > 1.6 && ratio < 2.4, `who weighs half as much waits ${ratio} times as long`);
});

test("whoever waits is told at last, however much others weigh, and how little itself", () => {
  for (const [heavy, light] of [
    [300, 1],
    [0.003, 0.000_01],
    [1, 1e-300],
  ] as const) {
    const random = randomOf(5);
    const rows = new TestRows(
      layoutOf([
        { name: "hero", weight: heavy, cells: restless },
        { name: "leaf", weight: light, cells: restless },
      ]),
    );
    for (let slot = 0; slot < 110; slot++) rows.add(slot < 100 ? 0 : 1, [slot, 0]);
    const snapshots = new Snapshots(rows);
    const receiver = snapshots.everything.receiver({ budgetBytes: BUDGET });
    const reader = new SnapshotReader(rows.layout);
    const out = new Uint8Array(BUDGET);
    const told = new Int32Array(110);
    for (let tick = 0; tick < 2_000; tick++) {
      for (let slot = 0; slot < 110; slot++) rows.set(slot, 0, Math.floor(random() * 1_000_001));
      snapshots.commit(tick);
      const news = reader.read(out.subarray(0, receiver.encode(out)));
      assert.ok(news.ok);
      const { entered, changed } = changesBetween(news.before, news.frame);
      for (const id of [...entered, ...changed]) told[id] = (told[id] ?? 0) + 1;
      receiver.acknowledge(tick, 0xffff_ffff);
    }
    const heroes = told.subarray(0, 100);
    const leaves = told.subarray(100);
    assert.ok(Math.min(...heroes) * 2 > Math.max(...heroes), `${heroes.join()} of ${heavy}`);
    // Those that weigh 300 times less have a turn in 300; of the last ones nobody lives to see it.
    assert.ok(light === 1e-300 || Math.min(...leaves) >= 2, `${leaves.join()} of ${light}`);
  }
});

test("once nothing changes any more the client has everything, and is told so", () => {
  fc.assert(
    fc.property(fc.integer(), fc.constantFrom(0, 0.1, 0.4), (seed, loss) => {
      const random = randomOf(seed);
      const room = newRoom(seed);
      for (let tick = 0; tick < 40; tick++) {
        for (let slot = 0; slot < ENTITIES; slot++) room.rows.set(slot, 1, Math.floor(random() * 1_000_001));
        if (random() < 0.2) room.rows.remove(Math.floor(random() * ENTITIES));
        room.step(loss);
      }
      let wholes = 0;
      for (let tick = 0; wholes < 3; tick++) {
        assert.ok(tick < 400, "it is told in parts for ever");
        const news = room.step(loss);
        if (news?.ok === true && news.frame.isWhole) wholes++;
      }
      const { newest } = room.reader;
      assert.ok(newest);
      assert.equal(
        newest.kinds.subarray(0, newest.end).filter((kind) => kind !== 0).length,
        room.rows.kinds.subarray(0, ENTITIES).filter((kind) => kind !== 0).length,
      );
      for (let slot = 0; slot < ENTITIES; slot++) {
        const id = room.view.idOf(slot);
        if (id < 0) continue;
        assert.equal(newest.kinds[id], room.rows.kinds[slot]);
        assert.equal(newest.cells[id * 2 + 1], room.rows.get(slot, 1));
      }
    }),
    { seed: 1, numRuns: 20 },
  );
});

test("a budget that could not hold one entity is refused", () => {
  const view = new Snapshots(new TestRows(layout)).everything;
  assert.throws(() => view.receiver({ budgetBytes: 79 }), /budgetBytes is 79; it is from 80 to 65507/);
  view.receiver({ budgetBytes: 80 });
  view.receiver({ budgetBytes: 65_507 });
  assert.throws(() => view.receiver({ budgetBytes: 65_508 }), RangeError);
});
