// What is not a snapshot, or is one that cannot be used, changes nothing and is counted.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BitWriter } from "../src/bits/writer.ts";
import { writeGamma } from "../src/bits/rice.ts";
import { InputReport } from "../src/input/report.ts";
import { SnapshotReader } from "../src/snapshot/reader.ts";
import { Snapshots } from "../src/snapshot/snapshots.ts";
import { mixedLayout, randomOf } from "./any-world.ts";
import { knownIn, RandomWorld } from "./play.ts";

const MAX_ENTITIES = 64;
const FIRST = 70;

/** The snapshots of a short history, each against the one before but two; some of them parts. */
function history(seed: number, budgetBytes: number): Uint8Array[] {
  const world = new RandomWorld(randomOf(seed));
  for (let i = 0; i < 20; i++) world.add();
  const snapshots = new Snapshots(world.rows);
  const receiver = snapshots.everything.receiver({ budgetBytes });
  const out = new Uint8Array(budgetBytes);
  const all: Uint8Array[] = [];
  const report = Object.assign(new InputReport(), { taken: FIRST, came: FIRST, applied: 5 });
  for (let tick = FIRST; tick < FIRST + 24; tick++) {
    world.step(0.2, 24);
    snapshots.commit(tick);
    all.push(out.slice(0, receiver.encode(out, tick % 2 === 0 ? report : undefined)));
    if (tick > FIRST + 2) receiver.acknowledge(tick - 2, 0xffff_ffff);
  }
  return all;
}

/** A reader that has read these. */
function readerOf(snapshots: readonly Uint8Array[]): SnapshotReader {
  const reader = new SnapshotReader(mixedLayout, { maxEntities: MAX_ENTITIES });
  for (const bytes of snapshots) assert.equal(reader.read(bytes).ok, true);
  return reader;
}

/** All that a reader knows. */
function state(reader: SnapshotReader): unknown {
  const frames: unknown[] = [];
  for (let tick = FIRST - 5; tick < FIRST + 60; tick++) {
    const frame = reader.frame(tick);
    frames.push(frame && [frame.tick, frame.isWhole, [...knownIn(frame)], [...frame.generations]]);
  }
  return { frames, acknowledgement: { ...reader.acknowledgement } };
}

/**
 * Gives a reader something. It refuses it, has counted that, and is as before; or it is a snapshot in good
 * order, as some flipped ones are: who may have flipped it is the lanes' concern, which seal.
 */
function give(reader: SnapshotReader, bytes: Uint8Array, before: unknown): boolean {
  const counted = { ...reader.unusable };
  const copy = bytes.slice();
  const news = reader.read(bytes);
  assert.deepEqual(bytes, copy);
  if (!news.ok) {
    counted[news.reason]++;
    assert.deepEqual(reader.unusable, counted);
    assert.deepEqual(state(reader), before);
    return false;
  }
  assert.deepEqual(reader.unusable, counted);
  const { newest } = reader;
  assert.ok(newest && newest.end <= MAX_ENTITIES && newest.kinds.length <= 2 * MAX_ENTITIES);
  for (const { kind, cells } of knownIn(newest).values()) {
    const layout = mixedLayout.kinds[kind - 1];
    assert.ok(layout);
    cells.forEach((value, index) => {
      const cell = layout.cells[index];
      assert.ok(cell && value >= cell.min && value <= cell.max);
    });
  }
  return true;
}

const anyHistory = fc.tuple(fc.nat(30), fc.constantFrom(1_150, 200, 104), fc.integer({ min: 1, max: 23 }));

test("a snapshot cut short anywhere changes nothing", () => {
  fc.assert(
    fc.property(anyHistory, ([seed, budget, at]) => {
      const all = history(seed, budget);
      const reader = readerOf(all.slice(0, at));
      const next = all[at] as Uint8Array;
      const before = state(reader);
      for (let length = 0; length < next.length; length++) {
        assert.equal(give(reader, next.subarray(0, length), before), false);
      }
      assert.equal(reader.unusable.malformed, next.length);
      for (const bytes of all.slice(at)) assert.equal(reader.read(bytes).ok, true);
    }),
    { seed: 1, numRuns: 30 },
  );
});

test("what comes twice or late changes nothing", () => {
  const all = history(1, 200);
  const reader = readerOf(all);
  const before = state(reader);
  for (const bytes of all) assert.deepEqual(reader.read(bytes), { ok: false, reason: "late" });
  assert.equal(reader.unusable.late, all.length);
  assert.deepEqual(state(reader), before);
});

test("a base that never came is told", () => {
  const all = history(2, 1_150);
  const reader = readerOf(all.slice(0, 2));
  assert.deepEqual(reader.read(all[12] as Uint8Array), { ok: false, reason: "base_unknown" });
  assert.equal(reader.unusable.base_unknown, 1);
});

test("flipped, random, longer and crafted ones are refused or in good order", () => {
  let refused = 0;
  let taken = 0;
  fc.assert(
    fc.property(anyHistory, fc.integer(), ([seed, budget, at], mischief) => {
      const all = history(seed, budget);
      const random = randomOf(mischief);
      const below = (count: number): number => Math.floor(random() * count);
      let reader = readerOf(all.slice(0, at));
      let before = state(reader);
      for (let i = 0; i < 40; i++) {
        let bytes: Uint8Array = Uint8Array.from(all[at] as Uint8Array);
        const what = below(4);
        if (what === 0) for (let n = 1 + below(3); n > 0; n--) flip(bytes, below(bytes.length * 8));
        else if (what === 1) bytes = Uint8Array.from({ length: below(60) }, () => below(256));
        else if (what === 2) bytes = Uint8Array.from([...bytes, ...new Uint8Array(1 + below(3))]);
        else bytes = crafted(FIRST + at, random);
        if (!give(reader, bytes, before)) {
          refused++;
          continue;
        }
        taken++;
        reader = readerOf(all.slice(0, at));
        before = state(reader);
      }
      assert.equal(give(reader, all[at] as Uint8Array, before), true);
    }),
    { seed: 1, numRuns: 60 },
  );
  assert.ok(refused > 1_000 && taken > 10, `${refused} refused, ${taken} taken`);
});

test("a thousand bytes make a reader keep no more than its limit", () => {
  const reader = new SnapshotReader(mixedLayout, { maxEntities: MAX_ENTITIES });
  const out = new BitWriter();
  // As many walls as there can be in 1,000 bytes, each with its number, and cells that are all the same.
  out.reset(1_000);
  for (let i = 0; i < 600; i++) {
    out.write(1, 1);
    writeGamma(out, 0);
    out.write(2, 2);
    out.write(0, 8);
  }
  out.write(0, 1);
  out.write(0b11, 2);
  out.write(0, 32);
  out.finish();
  const bytes = Uint8Array.from([1, 0, 0, 0, 0, ...out.bytes.subarray(0, out.length)]);
  assert.deepEqual(reader.read(bytes), { ok: false, reason: "malformed" });
  assert.equal(reader.newest, undefined);
});

function flip(bytes: Uint8Array, bit: number): void {
  bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
}

/** A header of the next tick, and after it numbers that are as large as they can be told. */
function crafted(tick: number, random: () => number): Uint8Array {
  const out = new BitWriter();
  out.reset(200);
  for (let n = 1 + random() * 20; n > 0; n--) {
    if (random() < 0.5) writeGamma(out, Math.floor(2 ** (random() * 32)) - 1);
    else out.write(random() < 0.5 ? 0x7fff_ffff : 0, 31);
  }
  out.finish();
  const first = random() < 0.5 ? 0x80 : 1 + Math.floor(random() * 6);
  return Uint8Array.from([tick & 0xff, tick >> 8, first, ...out.bytes.subarray(0, out.length)]);
}
