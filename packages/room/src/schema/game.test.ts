import assert from "node:assert/strict";
import { test } from "node:test";
import { angle, bool, defineGame, int, oneOf, reference, text, vector } from "../index.ts";

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
