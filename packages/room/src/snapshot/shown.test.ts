import assert from "node:assert/strict";
import { test } from "node:test";
import { cell, layoutOf, TestRows } from "../../test/any-world.ts";
import { defineGame } from "../schema/check.ts";
import { int } from "../schema/numbers.ts";
import { changesBetween } from "./changes.ts";
import { SnapshotReader } from "./reader.ts";
import { Snapshots } from "./snapshots.ts";

test("an entity of another kind that a world which went back has in its place is another one", () => {
  const { world, snapshots, step, reader } = newRoom();
  const past = game.world();
  past.copyFrom(world);
  const custom = snapshots.view();
  world.add("player", { health: 900, score: 77_777 });
  custom.show(0);
  step();
  world.copyFrom(past);
  world.add("shot", { power: 3 });
  assert.equal(custom.isShown(0), false);
  const news = step();
  assert.ok(news.ok);
  const { entered, left } = changesBetween(news.before, news.frame);
  assert.deepEqual([entered, left], [[0], [0]]);
  const { newest } = reader;
  assert.deepEqual([newest?.kinds[0], newest?.cells[0]], [2, 3]);
  assert.deepEqual([snapshots.everything.idOf(0), custom.idOf(0)], [0, -1]);
  custom.show(0);
  step();
  assert.equal(custom.idOf(0), 0);
});

test("nobody is to be shown in a slot that is free, and a slot is a whole number", () => {
  const rows = new TestRows(layoutOf([{ name: "leaf", weight: 1, cells: [cell(0, 9)] }]));
  const view = new Snapshots(rows).view();
  view.show(rows.add(0, []));
  assert.equal(view.isShown(0), true);
  rows.remove(0);
  assert.equal(view.isShown(0), false);
  rows.add(0, []);
  rows.add(0, []);
  for (const slot of [0.5, Number.NaN, -1, 2, 4, 99]) {
    assert.throws(() => view.show(slot), /no entity is in slot/);
    view.hide(slot);
    assert.deepEqual([view.isShown(slot), view.idOf(slot)], [false, -1]);
  }
});

const game = defineGame({
  version: 1,
  ticksPerSecond: 30,
  kinds: { player: { health: int(0, 1_000), score: int(0, 100_000) }, shot: { power: int(0, 3) } },
  input: { fire: int(0, 1) },
});

function newRoom() {
  const world = game.world();
  const snapshots = new Snapshots(world);
  const receiver = snapshots.everything.receiver();
  const reader = new SnapshotReader(game.layout);
  const out = new Uint8Array(1_150);
  let tick = 0;
  const step = () => {
    snapshots.commit(tick++);
    const news = reader.read(out.subarray(0, receiver.encode(out)));
    receiver.acknowledge(reader.acknowledgement.tick, reader.acknowledgement.bits);
    return news;
  };
  return { world, snapshots, step, reader };
}
