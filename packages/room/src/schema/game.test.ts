import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { defineGame as defineUnchecked } from "../client.ts";
import {
  angle,
  bool,
  defineGame,
  type Fields,
  int,
  type Kinds,
  number,
  oneOf,
  reference,
  RoomError,
  text,
  vector,
} from "../index.ts";

const place = vector(2, { min: 0, max: 100, precision: 0.01, moves: true });

const game = defineGame({
  version: 1,
  ticksPerSecond: 30,
  kinds: {
    player: { at: place, aim: angle(10), health: int(0, 100), team: oneOf("sun", "moon"), name: text(16) },
    shot: { at: place, by: reference() },
  },
  input: { move: vector(2, { min: -1, max: 1, precision: 0.01 }), aim: angle(10), fire: bool() },
  apply(player, input, world) {
    player.at.x += input.move.x;
    player.at.y += input.move.y;
    if (input.fire) world.add("shot", { at: player.at, by: player });
  },
});

test("a value is quantised once, when it is written", () => {
  const ana = game.world().add("player", { at: [3, 4], team: "moon", name: "Ana" });
  ana.at.x = 5.26901;
  assert.deepEqual([ana.at.x, ana.at.y, ana.team, ana.name, ana.kind], [5.27, 4, "moon", "Ana", "player"]);
});

test("a game applies an input that came as cells", () => {
  const world = game.world();
  const ana = world.add("player", { at: [3, 4] });
  const cells = new Int32Array(game.input.cells.length);
  game.input.toCells({ move: { x: 0.501, y: -7 }, fire: true }, cells, 0);
  game.apply?.(ana, game.input.fromCells(cells, 0), world);
  assert.deepEqual([ana.at.x, ana.at.y], [3.5, 3]);
  const [shot] = world.all("shot");
  assert.equal(shot?.by, ana);
});

describe("inputs", () => {
  test("what is left out has its initial value, whatever the cells were before", () => {
    const cells = new Int32Array(9).fill(77);
    game.input.toCells({ fire: true }, cells, 3);
    assert.deepEqual(game.input.fromCells(cells, 3), { move: { x: 0, y: 0 }, aim: 0, fire: true });
    assert.deepEqual([...cells.subarray(0, 3), ...cells.subarray(7)], [77, 77, 77, 77, 77]);
  });

  test("an input may be read into one that was read before", () => {
    const cells = new Int32Array(4);
    const first = game.input.fromCells(cells, 0);
    const { move } = first;
    game.input.toCells({ move: [0.25, -0.5], aim: 1, fire: true }, cells, 0);
    assert.equal(game.input.fromCells(cells, 0, first), first);
    assert.equal(first.move, move);
    assert.deepEqual([move.x, move.y, first.fire], [0.25, -0.5, true]);
  });

  test("an input that was read is the same cells again", () => {
    const number = fc.double({ noNaN: true, noDefaultInfinity: true });
    const inputs = fc.record({ move: fc.record({ x: number, y: number }), aim: number, fire: fc.boolean() });
    fc.assert(
      fc.property(inputs, (input) => {
        const cells = new Int32Array(4);
        const again = new Int32Array(4);
        game.input.toCells(input, cells, 0);
        game.input.toCells(game.input.fromCells(cells, 0), again, 0);
        assert.deepEqual(again, cells);
      }),
      { seed: 20_261_130 },
    );
  });

  test("a refused value is shown in its place", () => {
    assert.throws(
      () => game.input.toCells({ aim: NaN }, new Int32Array(4), 0),
      (error) =>
        error instanceof RoomError &&
        error.message === "input.aim is NaN; allowed: finite numbers, in radians",
    );
  });
});

describe("the hash", () => {
  const { definition } = game;
  const { player, shot } = definition.kinds;
  const hashOf = (change: object): number =>
    defineGame<Kinds, Fields, string>({ ...definition, apply: () => {}, ...change }).layout.hash;

  test("is the same for the same definition, on both sides, and an unsigned 32-bit integer", () => {
    assert.equal(hashOf({}), game.layout.hash);
    assert.equal(defineUnchecked(definition).layout.hash, game.layout.hash);
    assert.equal(game.layout.hash, game.layout.hash >>> 0);
  });

  test("is another one for whatever both sides have to agree on", () => {
    const range = { min: 0, max: 100, precision: 0.01, moves: true };
    const kind = (change: object) => ({ kinds: { player: { ...player, ...change }, shot } });
    const changes: Record<string, object> = {
      version: { version: 2 },
      ticks: { ticksPerSecond: 20 },
      players: { player: "shot" },
      "order of kinds": { kinds: { shot, player } },
      "name of a kind": { kinds: { player, bullet: shot } },
      "one kind less": { kinds: { player } },
      "order of fields": { kinds: { player, shot: { by: shot.by, at: shot.at } } },
      "name of a field": { kinds: { player, shot: { at: shot.at, from: shot.by } } },
      "one field more": kind({ score: int(0, 1) }),
      min: kind({ at: vector(2, { ...range, min: -1 }) }),
      max: kind({ at: vector(2, { ...range, max: 101 }) }),
      precision: kind({ at: vector(2, { ...range, precision: 0.02 }) }),
      moves: kind({ at: vector(2, { ...range, moves: false }) }),
      size: kind({ at: vector(3, range) }),
      "bits of an angle": kind({ aim: angle(11) }),
      "an angle that moves": kind({ aim: angle(10, { moves: true }) }),
      "range of an integer": kind({ health: int(0, 101) }),
      "number in place of an integer": kind({ health: number({ min: 0, max: 100, precision: 1 }) }),
      "order of names": kind({ team: oneOf("moon", "sun") }),
      "one name more": kind({ team: oneOf("sun", "moon", "mars") }),
      "bytes of a text": kind({ name: text(15) }),
      "a field of the input": { input: { ...definition.input, aim: angle(9) } },
      "order of the input": { input: { fire: bool(), aim: angle(10), move: definition.input.move } },
    };
    const hashes = Object.values(changes).map(hashOf);
    assert.equal(new Set([game.layout.hash, ...hashes]).size, hashes.length + 1);
  });

  test("does not change with weights, which are the server's alone", () => {
    assert.equal(hashOf({ weights: { shot: 2 } }), game.layout.hash);
  });
});

test("a layout has the cells of each kind in order, and a stride for the widest", () => {
  const { kinds, stride } = game.layout;
  assert.deepEqual(
    kinds.map(({ name, cells, weight }) => [name, cells.length, weight]),
    [
      ["player", 11, 1],
      ["shot", 3, 1],
    ],
  );
  assert.equal(stride, 11);
  assert.deepEqual(kinds[0]?.cells.slice(0, 4), [
    { min: 0, max: 10_000, wraps: false, moves: true, refers: false },
    { min: 0, max: 10_000, wraps: false, moves: true, refers: false },
    { min: -512, max: 511, wraps: true, moves: false, refers: false },
    { min: 0, max: 100, wraps: false, moves: false, refers: false },
  ]);
  assert.deepEqual(kinds[1]?.cells[2], { min: 0, max: 65_535, wraps: false, moves: false, refers: true });
});
