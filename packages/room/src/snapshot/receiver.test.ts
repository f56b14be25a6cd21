import assert from "node:assert/strict";
import { test } from "node:test";
import { cell, layoutOf, TestRows } from "../../test/any-world.ts";
import { SnapshotReader } from "./reader.ts";
import { Snapshots } from "./snapshots.ts";

const BUDGET = 200;
const layout = layoutOf([{ name: "leaf", weight: 1, cells: [cell(0, 1_000_000)] }]);

/** A room that does not fit into one datagram, so that its clients are told in parts. */
function newRoom(first: number, leaves = 300) {
  const rows = new TestRows(layout);
  for (let i = 0; i < leaves; i++) rows.add(0, [i]);
  const snapshots = new Snapshots(rows);
  const receiver = snapshots.everything.receiver({ budgetBytes: BUDGET });
  const out = new Uint8Array(BUDGET);
  let next = first;
  return {
    receiver,
    reader: new SnapshotReader(layout),
    /** One tick on; all of it is another. */
    tell: (): Uint8Array => {
      for (let slot = 0; slot < leaves; slot++) rows.set(slot, 0, (next * 7_919 + slot * 31) % 1_000_001);
      snapshots.commit(next++);
      return out.slice(0, receiver.encode(out));
    },
  };
}

test("a client that says it has nothing has acknowledged nothing, whatever the tick", () => {
  const { receiver, reader, tell } = newRoom(65_530);
  for (let i = 0; i < 100; i++) {
    tell();
    receiver.acknowledge(reader.acknowledgement.tick, reader.acknowledgement.bits);
    assert.equal(receiver.has(65_535), false);
  }
  const news = reader.read(tell());
  assert.deepEqual([news.ok, news.ok && news.frame.tick], [true, 65_630]);
});

test("after a silence of any length a part is read with its own tick", () => {
  for (const silence of [1, 63, 64, 65, 20_000, 32_767, 32_768, 33_000, 65_535, 65_536, 70_000]) {
    const { receiver, reader, tell } = newRoom(5, 60);
    const first = reader.read(tell());
    assert.ok(first.ok && !first.frame.isWhole);
    receiver.acknowledge(5, 0);
    for (let i = 1; i < silence; i++) tell();
    const news = reader.read(tell());
    assert.deepEqual([silence, news.ok, news.ok && news.frame.tick], [silence, true, 5 + silence]);
  }
});
