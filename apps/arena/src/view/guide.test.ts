import assert from "node:assert/strict";
import { test } from "node:test";
import { game } from "../game/game.ts";
import { Practice } from "../play/practice.ts";
import { goalOf } from "./guide.ts";

/** A match in the page, whose rows can be set. */
function shown(change: (practice: Practice) => void) {
  const practice = new Practice(3, "Ana");
  change(practice);
  practice.advance({ now: 0, seconds: 0, isPaused: true, fill: () => {} }, () => {});
  const { me } = practice;
  assert.ok(me !== undefined);
  const between = game.frame(practice.world);
  const seen = between.get(me.slot);
  assert.ok(seen?.kind === "player");
  return goalOf(between, seen);
}

function carry(practice: Practice, sweets: number): void {
  for (const player of practice.world.all("player"))
    if (player.slot === practice.me?.slot) player.sweets = sweets;
}

function burst(practice: Practice): void {
  for (const pinata of practice.world.all("pinata")) pinata.back = 100;
}

test("one is sent to the piñata, while there is none to the nearest sweet, and home with three", () => {
  const near = { x: 6, y: 8 };
  const scatter = ({ world }: Practice): void => {
    world.add("sweet", { at: { x: 30, y: 20 }, to: { x: 30, y: 20 } });
    world.add("sweet", { at: near, to: near });
  };
  assert.equal(shown(() => {})?.what, "pinata");
  assert.equal(shown(scatter)?.what, "pinata");
  const goal = shown((practice) => {
    burst(practice);
    scatter(practice);
  });
  assert.equal(goal?.what, "sweet");
  assert.ok(goal !== undefined && Math.abs(goal.at.x - near.x) < 0.01);
  assert.equal(shown((practice) => carry(practice, 3))?.what, "basket");
  assert.equal(shown(burst), undefined, "there is nothing to go to");
  const few = shown((practice) => {
    burst(practice);
    carry(practice, 1);
  });
  assert.equal(few?.what, "basket");
});
