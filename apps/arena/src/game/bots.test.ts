import assert from "node:assert/strict";
import { test } from "node:test";
import { Field, OPEN } from "../../test/field.ts";
import { TEMPERAMENTS, temperamentOf, think } from "./bots.ts";
import type { Player } from "./kinds.ts";
import { noInput } from "./local-match.ts";
import { MAPS } from "./maps.ts";
import { walkingSpeed } from "./movement.ts";
import { NUMBERS } from "./numbers.ts";

const [home] = MAPS[0].baskets;

/** Lets a player be moved by what a bot would do. */
function hand(field: Field, bot: Player): void {
  bot.isBot = true;
  field.inputs.delete(bot);
}

function bot(look = 0, at = OPEN): { field: Field; ana: Player } {
  const field = new Field();
  const [ana] = field.put("sun", at);
  ana.look = look;
  hand(field, ana);
  return { field, ana };
}

test("each of the three temperaments has its looks", () => {
  assert.deepEqual(
    [0, 1, 2, 3].map((look) => temperamentOf({ look }).name),
    [...TEMPERAMENTS.map(({ name }) => name), "golosa"],
  );
});

for (const [look, { name }] of TEMPERAMENTS.entries()) {
  test(`a ${name} brings home what it carries`, () => {
    const { field, ana } = bot(look);
    ana.sweets = 7;
    field.until(() => field.match.sun === 7);
  });

  test(`a ${name} alone breaks the piñata, gathers and scores`, () => {
    const { field } = bot(look, home);
    field.until(() => field.match.sun > 5);
  });

  test(`a ${name} hits who stands before it`, () => {
    const { field, ana } = bot(look);
    const [omar] = field.put("moon", { x: 14.5, y: 7 });
    field.until(() => omar.hits > 0 || ana.hitsMade > 0);
  });
}

test("it leads: who runs across is aimed at ahead of them", () => {
  const { field, ana } = bot(1, { x: 20, y: 3 });
  const [omar] = field.put("moon", { x: 20, y: 7 });
  omar.speed = { x: 6, y: 0 };
  const input = noInput();
  let sum = 0;
  for (let i = 0; i < 40; i++) {
    think(ana, field.world, input);
    sum += input.aim;
    field.match.tick += 8;
  }
  assert.ok(sum / 40 < Math.PI / 2 - 0.1, "to the right of where omar is");
});

test("it does not throw through walls", () => {
  const { field, ana } = bot(1, { x: 9.5, y: 12 });
  field.put("moon", { x: 14.5, y: 12 });
  const input = noInput();
  for (let i = 0; i < 40; i++) {
    think(ana, field.world, input);
    assert.equal(input.throws, false);
    field.match.tick += 8;
  }
});

test("it flees when it carries and was hit", () => {
  const { field, ana } = bot(1);
  field.put("moon", { x: OPEN.x + 5, y: OPEN.y });
  ana.sweets = 2;
  ana.hits = 1;
  const input = noInput();
  think(ana, field.world, input);
  assert.ok(input.move.x < 0);
});

test("it does nothing that a player could not do", () => {
  const { field, ana } = bot(2);
  for (let i = 0; i < 600; i++) {
    const { x, y } = ana.at;
    const before = Math.max(walkingSpeed(ana), Math.hypot(ana.speed.x, ana.speed.y));
    field.run(1);
    const most = ana.dash > 0 ? NUMBERS.dash.at : Math.max(before, walkingSpeed(ana)) + 0.1;
    assert.ok(Math.hypot(ana.at.x - x, ana.at.y - y) * NUMBERS.ticksPerSecond <= most + 0.1);
  }
});
