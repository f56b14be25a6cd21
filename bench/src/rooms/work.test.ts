import assert from "node:assert/strict";
import { test } from "node:test";
import { tablesOf, type Work } from "./work.ts";

const late = { p50: 0.1, p99: 1, worst: 2 };
const server = {
  ticks: 30_000,
  timed: 30_000,
  rooms: 50,
  late,
  control: late,
  received: 0,
  sent: 0,
  refused: 0,
  heapBytes: 0,
};
const sound: Work = {
  name: "50 rooms",
  server,
  control: server,
  serverShare: 0.6,
  controlShare: 0.01,
  loadShares: [0.3, 0.6],
  bytesDown: 800,
  bytesUp: 600,
  due: 30_000,
  ticked: 1,
  timed: 0.97,
  told: 1,
  answered: 1,
};

test("rooms at work are published where nearly all was done", () => {
  const tables = tablesOf([sound]);
  assert.equal(tables["rooms-late"]?.rows[1]?.values["50 rooms"], 1);
  assert.equal(tables["rooms-cpu"]?.rows[0]?.values["50 rooms"], 60);
  assert.equal(tables["rooms-traffic"]?.rows[0]?.values["50 rooms"], 800);
});

const busy: readonly (readonly [string, Partial<Work>])[] = [
  ["ticks were left out", { ticked: 0.969 }],
  ["of some ticks nobody knows how late they were", { timed: 0.969 }],
  ["snapshots were lost", { told: 0.969 }],
  ["inputs were not made", { answered: 0.969 }],
  ["a process of clients had no time to spare", { loadShares: [0.3, 0.601] }],
];
for (const [why, other] of busy) {
  test(`rooms at work are not published where ${why}`, () => {
    const tables = tablesOf([{ ...sound, ...other }]);
    const column = "50 rooms: NOT PUBLISHED";
    for (const { columns } of Object.values(tables)) assert.deepEqual(columns, [column]);
    for (const name of ["rooms-late", "rooms-traffic"]) {
      for (const { values } of tables[name]?.rows ?? []) assert.equal(values[column], undefined);
    }
    const [ofServer, ofEmpty] = tables["rooms-cpu"]?.rows ?? [];
    assert.equal(ofServer?.values[column], undefined);
    assert.equal(ofEmpty?.values[column], 1);
    assert.match(tables["rooms-done"]?.notes?.[0] ?? "", /are not published\.$/);
  });
}
