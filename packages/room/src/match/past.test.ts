import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Random } from "@zocalo/integrity";
import { RoomError } from "../contracts/errors.ts";
import type { Rows } from "../contracts/rows.ts";
import { reference } from "../schema/choices.ts";
import { defineGame } from "../schema/game.ts";
import { angle, int } from "../schema/numbers.ts";
import { vector } from "../schema/vector.ts";
import { Snapshots } from "../snapshot/snapshots.ts";
import { TickRows } from "../snapshot/tick-rows.ts";
import { DisplayFrame, interpolate } from "../timing/interpolation.ts";
import { MAX_TIMES, Past } from "./past.ts";

const at = vector(2, { min: 0, max: 100, precision: 0.01, moves: true });
const game = defineGame({
  version: 1,
  ticksPerSecond: 20,
  kinds: {
    player: { at, aim: angle(8, { moves: true }), health: int(0, 100) },
    shot: { at, by: reference() },
  },
  input: { move: at },
});

function room(maxRewindMs?: number) {
  const world = game.world();
  const snapshots = new Snapshots(world);
  const past = new Past(game, world, snapshots, maxRewindMs === undefined ? {} : { maxRewindMs });
  return { world, snapshots, past };
}

/** What is to be seen of rows: by slot, the kind, which entity, and the cells. */
function seen(rows: Rows<Int32Array | Float64Array>): unknown[] {
  const all: unknown[] = [];
  for (let slot = 0; slot < rows.end; slot++) {
    if (rows.kinds[slot] === 0) continue;
    const cells = Array.from(game.layout.kinds[(rows.kinds[slot] ?? 0) - 1]?.cells ?? [], (_, index) =>
      rows.cells.at(slot * game.layout.stride + index),
    );
    all.push([slot, rows.kinds[slot], rows.generations[slot], cells]);
  }
  return all;
}

test("any time is what lay between copies of the world, however it went", () => {
  const property = (seed: number, firstTick: number, maxRewindMs: number): void => {
    const random = new Random(seed);
    const { world, snapshots, past } = room(maxRewindMs);
    const copies = new Map<number, TickRows>();
    for (let tick = firstTick; tick < firstTick + 90; tick++) {
      for (const kind of ["player", "shot"] as const) {
        for (const entity of world.all(kind)) {
          if (random.chance(0.1)) world.remove(entity);
          else if (random.chance(0.7)) entity.at.x += random.int(-3, 3);
          if (entity.isAlive && entity.kind === "player") entity.aim += random.int(-1, 1);
        }
      }
      if (random.chance(0.5)) {
        const by = world.add("player", { at: [random.int(0, 100), 3], health: random.int(0, 100) });
        if (random.chance(0.5)) world.add("shot", { at: by.at, by });
      }
      snapshots.commit(tick);
      const copy = new TickRows(game.layout);
      copy.fit(tick, world.end);
      copy.kinds.set(world.kinds.subarray(0, world.end));
      copy.generations.set(world.generations.subarray(0, world.end));
      copy.cells.set(world.cells.subarray(0, world.end * game.layout.stride));
      copies.set(tick, copy);
      for (let i = 0; i < 6; i++) {
        const asked = tick + random.int(-160, 16) / 16;
        const time = Math.max(firstTick, tick - past.maxRewindTicks, Math.min(tick, asked));
        const from = copies.get(Math.floor(time)) ?? assert.fail();
        const expected = new DisplayFrame(game.layout);
        interpolate(from, copies.get(Math.floor(time) + 1) ?? from, time - Math.floor(time), expected);
        assert.deepEqual(seen(past.at(asked).rows), seen(expected), `${asked} of ${tick}`);
        if (Number.isInteger(time)) assert.deepEqual(seen(past.at(asked).rows), seen(from));
      }
    }
  };
  fc.assert(
    fc.property(
      fc.integer({ min: 0 }),
      fc.constantFrom(0, 1, 4_294_000_000),
      fc.constantFrom(0, 250, 330, 3_000),
      property,
    ),
    { seed: 20_261_130, numRuns: 30 },
  );
});

test("half way between two ticks what moves is half way, and what does not is as it was", () => {
  const { world, snapshots, past } = room();
  const ana = world.add("player", { at: [10, 20], health: 100 });
  snapshots.commit(7);
  ana.at.x = 12;
  ana.health = 40;
  snapshots.commit(8);
  const [was] = past.at(7.5).all("player");
  assert.equal(was?.at.x.toFixed(6), "11.000000");
  assert.equal(was?.health, 100);
  assert.equal(past.present(was ?? assert.fail()), ana);
});

test("the time is clamped: not before the limit, not before the first tick, not after the last", () => {
  const { world, snapshots, past } = room(250);
  assert.equal(past.maxRewindTicks, 5);
  const xs = (): number[] =>
    [Number.NaN, Number.POSITIVE_INFINITY, 1e9, Number.NEGATIVE_INFINITY, -3].map((time) => {
      const [player] = past.at(time).all("player");
      return player?.at.x ?? -1;
    });
  assert.deepEqual(xs(), [-1, -1, -1, -1, -1], "nothing was committed");
  const ana = world.add("player", { at: [0, 0] });
  for (let tick = 1; tick <= 3; tick++) {
    ana.at.x = tick;
    snapshots.commit(tick);
  }
  assert.deepEqual(xs(), [3, 3, 3, 1, 1]);
  for (let tick = 4; tick <= 90; tick++) {
    ana.at.x = tick;
    snapshots.commit(tick);
  }
  assert.deepEqual(xs(), [90, 90, 90, 85, 85]);
});

test("who was not there is absent, and who was there is found again, but not who took that slot", () => {
  const { world, snapshots, past } = room();
  const shot = world.add("shot", { at: [1, 1] });
  snapshots.commit(1);
  world.remove(shot);
  snapshots.commit(2);
  const ana = world.add("player", { at: [5, 5] });
  assert.equal(ana.slot, shot.slot);
  snapshots.commit(3);
  const [was] = past.at(1).all("shot");
  assert.ok(was);
  assert.equal(past.present(was), undefined);
  assert.deepEqual([...past.at(1).all("player")], []);
  assert.equal(past.at(2).get(0), undefined);
  const [is] = past.at(3).all("player");
  assert.equal(past.present(is ?? assert.fail()), ana);
});

test("the same time within a tick is the same frame, and others are kept until 64 were asked for", () => {
  const { world, snapshots, past } = room(3_000);
  const ana = world.add("player");
  for (let tick = 0; tick < 60; tick++) {
    ana.at.x = tick;
    snapshots.commit(tick);
  }
  const first = past.at(40);
  const frames = new Set([first]);
  for (let i = 1; i < MAX_TIMES; i++) frames.add(past.at(40 + i / 16));
  assert.equal(frames.size, MAX_TIMES);
  assert.equal(past.at(40), first);
  assert.equal([...first.all("player")][0]?.at.x, 40);
  const next = past.at(30);
  assert.equal(next, first, "its memory is used again");
  assert.equal([...next.all("player")][0]?.at.x, 30);
  snapshots.commit(60);
  assert.ok(frames.has(past.at(59)));
  assert.equal([...past.at(59).all("player")][0]?.at.x, 59);
});

test("what is given of a tick is a copy: to write it changes no tick", () => {
  const { world, snapshots } = room();
  const ana = world.add("player", { at: [1, 2] });
  snapshots.commit(4);
  const rows = snapshots.rowsAt(4) ?? assert.fail();
  rows.cells.fill(0);
  rows.kinds.fill(0);
  assert.deepEqual(game.frame(snapshots.rowsAt(4) ?? assert.fail()).get(ana.slot)?.at.x, 1);
  assert.equal(snapshots.oldest, 4);
  for (const tick of [-1, 3, 5, 4.5, Number.NaN]) assert.equal(snapshots.rowsAt(tick, rows), undefined);
  for (let tick = 5; tick < 100; tick++) snapshots.commit(tick);
  assert.equal(snapshots.oldest, 36);
  assert.equal(snapshots.rowsAt(35), undefined);
  assert.equal(snapshots.rowsAt(36, rows), rows);
  assert.equal(rows.tick, 36);
});

test("a limit that is not remembered is refused", () => {
  for (const maxRewindMs of [-1, 3_101, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(
      () => room(maxRewindMs),
      (error) =>
        error instanceof RoomError && error.message === `maxRewindMs is ${maxRewindMs}; allowed: 0 to 3100`,
    );
  }
  assert.equal(room(3_100).past.maxRewindTicks, 62);
});
