import assert from "node:assert/strict";
import { test } from "node:test";
import { Field, OPEN } from "../../test/field.ts";
import { MAPS } from "./maps.ts";
import { NUMBERS, ticks } from "./numbers.ts";
import { leave } from "./players.ts";
import { countSweets, lies } from "./sweets.ts";

const { sweets, match: flow } = NUMBERS;
const [home] = MAPS[0].baskets;

test("who walks over a sweet carries it, up to eight", () => {
  const field = new Field();
  for (let i = 0; i < 10; i++) field.world.add("sweet", { at: OPEN, to: OPEN });
  const [ana] = field.put("sun", OPEN);
  field.run(1);
  assert.deepEqual([ana.sweets, field.count("sweet")], [sweets.carried, 2]);
});

test("a sweet that flies is nobody's yet", () => {
  const field = new Field();
  const sweet = field.world.add("sweet", { at: OPEN, to: { x: OPEN.x + 3, y: OPEN.y } });
  const [ana] = field.put("sun", { x: OPEN.x + 3, y: OPEN.y });
  field.run(5);
  assert.deepEqual([ana.sweets, lies(sweet)], [0, false]);
  field.until(() => ana.sweets === 1);
});

test("the nearest of two takes it", () => {
  const field = new Field();
  const [ana] = field.put("sun", { x: OPEN.x - 0.6, y: OPEN.y });
  const [omar] = field.put("moon", { x: OPEN.x + 0.3, y: OPEN.y });
  field.world.add("sweet", { at: OPEN, to: OPEN });
  field.run(1);
  assert.deepEqual([ana.sweets, omar.sweets], [0, 1]);
});

test("at one's own basket one sweet after the other becomes a point, at the other one none", () => {
  const field = new Field();
  const [ana] = field.put("sun", home);
  const [omar] = field.put("moon", home);
  ana.sweets = 3;
  omar.sweets = 3;
  field.run(ticks(sweets.handedIn));
  assert.deepEqual([ana.sweets, ana.points, field.match.sun], [2, 1, 1]);
  field.until(() => ana.sweets === 0);
  assert.deepEqual([ana.points, field.match.sun, omar.sweets, field.match.moon], [3, 3, 3, 0]);
});

test("in the last twenty seconds a sweet counts two", () => {
  const field = new Field();
  const [ana] = field.put("sun", home);
  ana.sweets = 2;
  field.match.left = ticks(flow.doubleIn);
  field.until(() => ana.sweets === 0);
  assert.deepEqual([ana.points, field.match.sun], [4, 4]);
});

test("a dash takes one sweet from a rival, once", () => {
  const field = new Field();
  const [ana, input] = field.put("sun", { x: OPEN.x - 1.2, y: OPEN.y });
  const [omar] = field.put("moon", OPEN);
  omar.sweets = 3;
  input.move = { x: 1, y: 0 };
  input.dashes = true;
  field.run(ticks(NUMBERS.dash.lasts));
  assert.deepEqual([ana.sweets, omar.sweets], [1, 2]);
  assert.ok(omar.dazed > 0);
});

test("nobody robs one's own team, or who is safe", () => {
  const field = new Field();
  const [, input] = field.put("sun", { x: OPEN.x - 1.2, y: OPEN.y });
  const [mate] = field.put("sun", OPEN);
  const [omar] = field.put("moon", OPEN);
  mate.sweets = 1;
  omar.sweets = 1;
  omar.safe = ticks(1);
  input.move = { x: 1, y: 0 };
  input.dashes = true;
  field.run(ticks(NUMBERS.dash.lasts));
  assert.deepEqual([mate.sweets, omar.sweets], [1, 1]);
});

test("who leaves leaves what they carry", () => {
  const field = new Field();
  const [ana] = field.put("sun", OPEN);
  ana.sweets = 4;
  field.inputs.delete(ana);
  leave(field.world, ana, field.random);
  assert.deepEqual([countSweets(field.world), field.count("sweet"), ana.isAlive], [4, 4, false]);
});

test("a bag and a kite are picked up, work for a while, and come back", () => {
  const field = new Field();
  for (const treat of field.world.all("treat")) {
    const [ana] = field.put("sun", treat.at);
    field.run(1);
    assert.ok(ana[treat.what] > 0, treat.what);
    assert.ok(treat.back > 0);
    ana.at = { x: 3, y: 3 };
    field.until(() => ana[treat.what] === 0);
    field.until(() => treat.back === 0);
  }
});
