import assert from "node:assert/strict";
import { test } from "node:test";
import { cell, layoutOf, randomOf, TestRows } from "../../test/any-world.ts";
import { SnapshotReader } from "./reader.ts";
import { Snapshots } from "./snapshots.ts";

const TICKS = 200;
const WARM = 20;
/** Ticks until the server hears of what was sent: for every other client one more. */
const ROUND_TRIP = 5;

/** How many different snapshots a tick has among so many clients that lose 5 %, all of which are read. */
function differentAmong(clients: number): number {
  const random = randomOf(clients);
  const layout = layoutOf([{ name: "walker", weight: 1, cells: [cell(0, 65_535, { moves: true })] }]);
  const rows = new TestRows(layout);
  for (let i = 0; i < 20; i++) rows.add(0, [30_000]);
  const snapshots = new Snapshots(rows);
  const all = Array.from({ length: clients }, () => ({
    receiver: snapshots.everything.receiver(),
    reader: new SnapshotReader(layout),
    said: [] as { tick: number; bits: number }[],
  }));
  const out = new Uint8Array(1_150);
  let different = 0;
  for (let tick = 0; tick < TICKS; tick++) {
    for (let slot = 0; slot < 20; slot++)
      rows.set(slot, 0, rows.get(slot, 0) + slot - 10 + Math.floor(3 * random()));
    snapshots.commit(tick);
    const seen = new Set<string>();
    for (const [index, { receiver, reader, said }] of all.entries()) {
      const heard = said[tick - ROUND_TRIP - (index % 2)];
      if (heard !== undefined) receiver.acknowledge(heard.tick, heard.bits);
      const bytes = out.subarray(0, receiver.encode(out));
      seen.add(bytes.toString());
      if (random() >= 0.05) assert.ok(reader.read(bytes).ok);
      said.push({ ...reader.acknowledgement });
    }
    if (tick >= WARM) different += seen.size;
  }
  return different / (TICKS - WARM);
}

test("among a hundred clients that lose 5 % a handful of snapshots is written", () => {
  const many = differentAmong(100);
  assert.ok(many < 3.2, `${many} a tick`);
  // A few have each its own: shorter ones.
  const few = differentAmong(10);
  assert.ok(few > 2.2, `${few} a tick`);
});
