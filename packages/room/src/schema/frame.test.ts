import assert from "node:assert/strict";
import { test } from "node:test";
import { angle, defineGame, int, oneOf, reference, RoomError, text, vector } from "../index.ts";

const game = defineGame({
  version: 1,
  ticksPerSecond: 30,
  kinds: {
    player: {
      at: vector(2, { min: 0, max: 100, precision: 0.01, moves: true }),
      aim: angle(8, { moves: true }),
      health: int(0, 100),
      team: oneOf("sun", "moon"),
      name: text(8),
      rival: reference(),
    },
  },
  input: { health: int(0, 1) },
});

/** Rows as they are shown between two ticks, of this world. */
function shownOf(world: ReturnType<typeof game.world>) {
  const { layout, end, kinds, generations, cells } = world;
  return {
    layout,
    end,
    kinds: kinds.slice(),
    generations: generations.slice(),
    cells: Float64Array.from(cells),
  };
}

function twoPlayers() {
  const world = game.world();
  const ana = world.add("player", { at: [1, 2], team: "moon", name: "Ana", health: 7 });
  const ben = world.add("player", { at: [3, 4], rival: ana });
  return { world, ana, ben };
}

test("what is between two ticks reads with its fractions, by the same names", () => {
  const { world, ben } = twoPlayers();
  const rows = shownOf(world);
  rows.cells[0] = 150.5;
  const frame = game.frame(rows);
  const [first, second] = frame.all("player");
  assert.deepEqual(
    [first?.at.x, first?.at.y, first?.team, first?.name, first?.health, first?.kind],
    [1.505, 2, "moon", "Ana", 7, "player"],
  );
  assert.equal(frame.get(ben.slot), second);
  assert.equal(second?.rival, first);
});

test("what is past the end of a range is read at its end, and of an angle on the other side", () => {
  const { world } = twoPlayers();
  const rows = shownOf(world);
  rows.cells[0] = 10_003.5;
  rows.cells[2] = 127.75;
  rows.cells[layoutOf("aim") + game.layout.stride] = 128;
  const [first, second] = game.frame(rows).all("player");
  assert.deepEqual([first?.at.x, second?.aim], [100, -Math.PI]);
  assert.ok((first?.aim ?? 0) < Math.PI);
});

test("it follows its rows: who is gone there is gone here, and rows past the end are none", () => {
  const { world, ben } = twoPlayers();
  const rows = shownOf(world);
  const frame = game.frame(rows);
  const second = frame.get(ben.slot);
  rows.end = 1;
  assert.deepEqual(
    [second?.isAlive, frame.get(ben.slot), [...frame.all("player")].length],
    [false, undefined, 1],
  );
  rows.end = 2;
  assert.equal(second?.isAlive, true);
  rows.generations[ben.slot] = 9;
  assert.equal(second?.isAlive, false);
  assert.notEqual(frame.get(ben.slot), second);
});

test("it is read, not written, also where its rows are a world's", () => {
  const { world } = twoPlayers();
  for (const rows of [world, shownOf(world)]) {
    const first = game.frame(rows).get(0);
    const writable = first as unknown as ReturnType<typeof world.add<"player">>;
    const isReadOnly = (error: unknown) => error instanceof RoomError && error.code === "read_only";
    assert.throws(() => (writable.health = 1), isReadOnly);
    assert.throws(() => (writable.at.x = 1), isReadOnly);
    assert.throws(() => (writable.rival = undefined), isReadOnly);
    assert.equal(first?.health, 7);
  }
});

test("an entity of a frame is none of the world", () => {
  const { world, ben } = twoPlayers();
  const shown = game.frame(world).get(0) as unknown as typeof ben;
  assert.throws(() => (ben.rival = shown), /player\.rival is an object; allowed: entities of the same world/);
});

function layoutOf(name: "aim"): number {
  return Object.keys(game.definition.kinds.player).indexOf(name) + 1;
}
