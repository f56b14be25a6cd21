// What a client is not shown never reaches it: neither what it is, nor that it is.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { SnapshotReader } from "../src/snapshot/reader.ts";
import { Snapshots } from "../src/snapshot/snapshots.ts";
import { mixedLayout, randomOf, TestRows } from "./any-world.ts";
import { RandomWorld } from "./play.ts";

const SHOT = 1;

/**
 * What a client is sent of a view over a history. Beside the entities of the view there are hidden ones, of
 * which the seed `hidden` makes others; what is shown refers to some of them, or to none if there are none.
 */
function sent(seed: number, hidden: number | undefined, budgetBytes: number, ticks: number): Uint8Array[] {
  const random = randomOf(seed);
  const secret = randomOf(hidden ?? 0);
  const rows = new TestRows(mixedLayout);
  const snapshots = new Snapshots(rows);
  const view = snapshots.view();
  const other = snapshots.view();
  const receiver = view.receiver({ budgetBytes });
  const reader = new SnapshotReader(mixedLayout);
  const out = new Uint8Array(budgetBytes);
  const shown: number[] = [];
  const unseen: number[] = [];
  const all: Uint8Array[] = [];
  for (let tick = 0; tick < ticks; tick++) {
    if (hidden !== undefined) {
      for (let i = Math.floor(secret() * 6); i > 0; i--) {
        const slot = rows.add(0, [secret() * 10_000, secret() * 10_000, 0, 0, 0].map(Math.floor));
        unseen.push(slot);
        other.show(slot);
      }
      for (const slot of unseen) rows.set(slot, 0, Math.floor(secret() * 10_000));
      while (unseen.length > 0 && secret() < 0.5) {
        rows.remove(unseen.splice(Math.floor(secret() * unseen.length), 1)[0] as number);
      }
    }
    if (random() < 0.6) {
      const slot = rows.add(SHOT, [Math.floor(random() * 5_000), 0, 0]);
      shown.push(slot);
      view.show(slot);
    }
    for (const slot of shown) rows.set(slot, 0, (rows.get(slot, 0) + 7) % 5_000);
    for (const slot of shown) {
      // It refers to one that is shown, or to one that is not.
      const seen = shown[Math.floor(random() * shown.length)] as number;
      const target = random() < 0.5 ? seen : (unseen[Math.floor(secret() * unseen.length)] ?? -1);
      rows.set(slot, 2, target + 1);
    }
    if (shown.length > 0 && random() < 0.3) {
      const [slot] = shown.splice(Math.floor(random() * shown.length), 1);
      if (random() < 0.5) rows.remove(slot as number);
      else {
        view.hide(slot as number);
        unseen.push(slot as number);
      }
    }
    snapshots.commit(tick);
    const bytes = out.slice(0, receiver.encode(out));
    all.push(bytes);
    if (random() < 0.8) reader.read(bytes);
    const { tick: newest, bits } = reader.acknowledgement;
    if (newest >= 0 && random() < 0.8) receiver.acknowledge(newest, bits);
  }
  return all;
}

test("the bytes of a view are the same whatever else there is", () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.integer(),
      fc.constantFrom(104, 150, 1_150),
      fc.integer({ min: 1, max: 120 }),
      (seed, hidden, budgetBytes, ticks) => {
        assert.deepEqual(sent(seed, hidden, budgetBytes, ticks), sent(seed, undefined, budgetBytes, ticks));
      },
    ),
    { seed: 1, numRuns: 60 },
  );
});

test("who is put into the slot of one that was shown is not shown", () => {
  const rows = new TestRows(mixedLayout);
  const snapshots = new Snapshots(rows);
  const view = snapshots.view();
  const slot = rows.add(SHOT, [1, 2, 0]);
  view.show(slot);
  snapshots.commit(0);
  assert.equal(view.idOf(slot), 0);
  rows.remove(slot);
  assert.equal(rows.add(SHOT, [3, 4, 0]), slot);
  assert.equal(view.isShown(slot), false);
  snapshots.commit(1);
  assert.equal(view.idOf(slot), -1);
  view.show(slot);
  snapshots.commit(2);
  assert.equal(view.idOf(slot), 0);
});

test("hidden and shown again between two ticks is as if nothing had been", () => {
  const world = new RandomWorld(randomOf(3));
  const { rows } = world;
  const snapshots = new Snapshots(rows);
  const view = snapshots.view();
  for (let i = 0; i < 10; i++) view.show(world.add());
  snapshots.commit(0);
  const ids = world.slots().map((slot) => view.idOf(slot));
  for (const slot of world.slots()) {
    view.hide(slot);
    view.show(slot);
  }
  snapshots.commit(1);
  assert.deepEqual(
    world.slots().map((slot) => view.idOf(slot)),
    ids,
  );
});

/** What a client is sent of shots that rest, each of which names what `target` says at a tick. */
function sentOfResting(budgetBytes: number, target: (tick: number, slot: number) => number): string[] {
  const rows = new TestRows(mixedLayout);
  const snapshots = new Snapshots(rows);
  const view = snapshots.view();
  const receiver = view.receiver({ budgetBytes });
  const out = new Uint8Array(budgetBytes);
  for (let i = 0; i < 60; i++) view.show(rows.add(SHOT, [i * 61, i, 0]));
  const hidden = [rows.add(0, []), rows.add(0, []), 99];
  const all: string[] = [];
  for (let tick = 0; tick < 40; tick++) {
    for (let slot = 0; slot < 60; slot++) rows.set(slot, 2, (hidden[target(tick, slot)] ?? -1) + 1);
    snapshots.commit(tick);
    all.push(out.subarray(0, receiver.encode(out)).join());
    receiver.acknowledge(tick, 0xffff_ffff);
  }
  return all;
}

test("who of those that are not shown is referred to leaves no trace, in parts neither", () => {
  for (const budgetBytes of [104, 1_150]) {
    const nobody = sentOfResting(budgetBytes, () => -1);
    assert.deepEqual(
      sentOfResting(budgetBytes, () => 0),
      nobody,
    );
    assert.deepEqual(
      sentOfResting(budgetBytes, (tick, slot) => (tick + slot) % 4),
      nobody,
    );
  }
});
