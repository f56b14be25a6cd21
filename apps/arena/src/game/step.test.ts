import assert from "node:assert/strict";
import { test } from "node:test";
import { Field, OPEN } from "../../test/field.ts";
import { LocalMatch } from "./local-match.ts";
import { matchOf } from "./movement.ts";
import { NUMBERS, ticks } from "./numbers.ts";
import { join, leader } from "./players.ts";

const { match: flow } = NUMBERS;

test("a match counts down, lasts two minutes, shows its result, and goes on at the other map", () => {
  const match = new LocalMatch(1);
  const seen: [string, string, number][] = [];
  let since = 0;
  for (let tick = 0; seen.length < 7; tick++) {
    const { phase, map } = matchOf(match.world);
    match.tick(new Map());
    if (matchOf(match.world).phase === phase) continue;
    seen.push([phase, map, tick + 1 - since]);
    since = tick + 1;
  }
  const round = (map: string): [string, string, number][] => [
    ["countdown", map, ticks(flow.countdown)],
    ["play", map, ticks(flow.lasts)],
    ["over", map, ticks(flow.pauseAfter)],
  ];
  assert.deepEqual(seen, [
    ...round("zocalo"),
    ...round("mercado"),
    ["countdown", "zocalo", ticks(flow.countdown)],
  ]);
});

test("the next match begins from nothing", () => {
  const field = new Field();
  const [ana] = field.put("sun", OPEN);
  Object.assign(ana, { sweets: 3, points: 9, hitsMade: 4, hits: 1, kite: 9, bag: 9 });
  field.world.add("sweet", { at: OPEN, to: OPEN });
  field.match.sun = 9;
  field.match.left = 1;
  field.run(1);
  assert.equal(field.match.phase, "over");
  field.until(() => field.match.phase === "countdown");
  const { sweets, points, hitsMade, hits, kite, bag } = ana;
  assert.deepEqual([sweets, points, hitsMade, hits, kite, bag], [0, 0, 0, 0, 0, 0]);
  assert.deepEqual(
    [field.match.sun, field.match.moon, field.count("sweet"), field.count("egg")],
    [0, 0, 0, 0],
  );
  assert.ok(ana.at.x < 10);
});

test("when it is over nothing counts any more, but one may walk", () => {
  const field = new Field();
  const [ana, input] = field.put("sun", { x: 5.2, y: 12 });
  ana.sweets = 5;
  field.match.left = 1;
  field.run(1);
  input.move = { x: -1, y: 0 };
  input.throws = true;
  field.run(30);
  assert.ok(ana.at.x < 5);
  assert.deepEqual([field.match.sun, field.count("egg")], [0, 0]);
});

test("who comes joins the smaller team, at a starting place of their own", () => {
  const match = new LocalMatch(1);
  const all = Array.from({ length: 10 }, (_, i) => join(match.world, { name: `${i}` }));
  assert.equal(all.filter(({ team }) => team === "sun").length, 5);
  assert.equal(new Set(all.map(({ at }) => `${at.x} ${at.y}`)).size, 10);
});

test("who has more leads; of two who have the same nobody does", () => {
  assert.equal(leader({ sun: 3, moon: 2 }), "sun");
  assert.equal(leader({ sun: 3, moon: 4 }), "moon");
  assert.equal(leader({ sun: 3, moon: 3 }), undefined);
});
