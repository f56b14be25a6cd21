import assert from "node:assert/strict";
import { test } from "node:test";
import { Field, OPEN } from "../../test/field.ts";
import { noInput } from "./local-match.ts";
import { join } from "./players.ts";
import { LocalMatch } from "./local-match.ts";
import { MAPS } from "./maps.ts";
import { NUMBERS, ticks } from "./numbers.ts";
import { isInside } from "./walls.ts";

/** How far somebody gets in a second who walked a second before. */
function pace(prepare: (field: Field, player: ReturnType<Field["put"]>[0]) => void, x = 1, y = 0): number {
  const field = new Field();
  const [player, input] = field.put("sun", { x: 19, y: 8 });
  prepare(field, player);
  input.move = { x, y };
  field.run(10);
  const before = { x: player.at.x, y: player.at.y };
  field.run(15);
  return 2 * Math.hypot(player.at.x - before.x, player.at.y - before.y);
}

function nearly(actual: number, expected: number, within = 0.1): void {
  assert.ok(Math.abs(actual - expected) <= within, `${actual} is not ${expected}`);
}

test("one walks 6 units a second, diagonally no faster", () => {
  nearly(
    pace(() => {}),
    NUMBERS.player.walksAt,
  );
  nearly(
    pace(() => {}, 1, -1),
    NUMBERS.player.walksAt,
  );
});

test("each sweet slows by a twenty-fifth, a kite makes faster, an egg dazes", () => {
  nearly(
    pace((_, player) => {
      player.sweets = 8;
    }),
    6 * (1 - 8 * 0.04),
  );
  nearly(
    pace((_, player) => {
      player.kite = ticks(5);
    }),
    6 * 1.45,
  );
  const field = new Field();
  const [player, input] = field.put("sun", OPEN);
  input.move = { x: 1, y: 0 };
  field.run(6);
  player.dazed = ticks(0.4);
  field.run(5);
  nearly(player.speed.x, 3);
});

test("full speed is reached within an eighth of a second, and so is rest", () => {
  const field = new Field();
  const [player, input] = field.put("sun", OPEN);
  input.move = { x: 1, y: 0 };
  field.run(1);
  assert.ok(player.speed.x < 3);
  field.run(3);
  nearly(player.speed.x, 6);
  input.move = { x: 0, y: 0 };
  field.run(4);
  nearly(player.speed.x, 0);
});

test("a dash takes a fifth of a second at three times the speed, and another one has to wait", () => {
  const field = new Field();
  const [player, input] = field.put("sun", { x: 14, y: 7 });
  input.move = { x: 1, y: 0 };
  input.dashes = true;
  field.run(ticks(NUMBERS.dash.lasts));
  nearly(player.at.x - 14, NUMBERS.dash.at * NUMBERS.dash.lasts);
  input.move = { x: -1, y: 0 };
  let waited = 0;
  while (player.speed.x > -10) {
    field.run(1);
    waited++;
  }
  nearly(waited + ticks(NUMBERS.dash.lasts), ticks(NUMBERS.dash.cooldown), 1);
});

test("who stands still dashes to where they aim", () => {
  const field = new Field();
  const [player, input] = field.put("sun", OPEN);
  input.aim = -Math.PI / 2;
  input.dashes = true;
  field.run(2);
  nearly(player.at.x, OPEN.x, 0.02);
  assert.ok(player.at.y < OPEN.y - 1);
});

test("nobody moves before the match begins", () => {
  const match = new LocalMatch(1);
  const player = join(match.world, { name: "Ana" });
  const { x, y } = player.at;
  const input = { ...noInput(), move: { x: 1, y: 1 }, throws: true, dashes: true };
  for (let i = 0; i < 30; i++) match.tick(new Map([[player, input]]));
  assert.deepEqual([player.at.x, player.at.y, player.throwWait], [x, y, 0]);
});

test("a wall stops who walks and who dashes, and along it one glides", () => {
  const field = new Field();
  const [player, input] = field.put("sun", { x: 16.5, y: 7.5 });
  input.move = { x: 0.5, y: 1 };
  input.dashes = true;
  for (let i = 0; i < 200; i++) {
    field.run(1);
    assert.ok(!isInside(MAPS[0], player.at, NUMBERS.player.radius, 0.001));
  }
  assert.ok(player.at.x > 17);
});
