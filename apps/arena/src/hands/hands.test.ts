import assert from "node:assert/strict";
import { test } from "node:test";
import { noInput } from "../game/local-match.ts";
import type { Memory } from "../play/memory.ts";
import { actionOf, FIRST_BINDINGS, keyName, rebind, recallBindings, rememberBindings } from "./bindings.ts";
import { fillFromPad } from "./gamepad.ts";
import { Hands } from "./hands.ts";
import { STICK_PX, Sticks } from "./sticks.ts";

const ME = { x: 100, y: 100 };

function memory(): Memory {
  const kept = new Map<string, string>();
  return { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => void kept.set(name, value) };
}

test("keys walk, and the mouse aims from where the player is", () => {
  const hands = new Hands(FIRST_BINDINGS);
  const input = noInput();
  hands.keyDown("KeyD");
  hands.keyDown("ArrowUp");
  hands.mouseMove(100, 160);
  hands.fill(input, ME, undefined);
  assert.deepEqual([input.move.x, input.move.y, input.aim], [1, -1, Math.PI / 2]);
  hands.keyUp("KeyD");
  hands.seen();
  hands.fill(input, ME, undefined);
  assert.deepEqual([input.move.x, input.move.y], [0, -1]);
});

test("what was only tapped between two ticks is seen by one of them", () => {
  const hands = new Hands(FIRST_BINDINGS);
  const input = noInput();
  hands.keyDown("Space");
  hands.keyUp("Space");
  hands.mouseButton(true);
  hands.mouseButton(false);
  hands.sticks.dash(1);
  hands.sticks.up(1);
  for (let frame = 0; frame < 3; frame++) hands.fill(input, ME, undefined);
  assert.deepEqual([input.dashes, input.throws], [true, true]);
  hands.seen();
  hands.fill(input, ME, undefined);
  assert.deepEqual([input.dashes, input.throws], [false, false]);
});

test("when the window loses the focus nothing is held any more", () => {
  const hands = new Hands(FIRST_BINDINGS);
  const input = noInput();
  hands.keyDown("KeyW");
  hands.mouseButton(true);
  hands.sticks.down(1, 10, 10, 300);
  hands.sticks.move(1, 40, 10);
  hands.release();
  hands.fill(input, ME, undefined);
  assert.deepEqual([input.move.x, input.move.y, input.throws], [0, 0, false]);
});

test("the left thumb walks; the right one aims, and throws when it goes far", () => {
  const sticks = new Sticks();
  sticks.down(1, 50, 300, 400);
  sticks.move(1, 50 + STICK_PX / 2, 300);
  sticks.down(2, 300, 300, 400);
  sticks.move(2, 300, 300 - STICK_PX * 0.3);
  const input = noInput();
  assert.equal(sticks.fill(input), true);
  assert.deepEqual([input.move.x, input.move.y, input.aim, input.throws], [0.5, 0, -Math.PI / 2, false]);
  sticks.move(2, 300, 300 - STICK_PX);
  sticks.fill(input);
  assert.equal(input.throws, true);
  sticks.up(1);
  sticks.up(2);
  assert.equal(sticks.fill(noInput()), false);
});

test("a thumb that goes far takes the stick along", () => {
  const sticks = new Sticks();
  sticks.down(1, 50, 300, 400);
  sticks.move(1, 50 + 3 * STICK_PX, 300);
  sticks.move(1, 50 + 2.5 * STICK_PX, 300);
  const input = noInput();
  sticks.fill(input);
  assert.equal(input.move.x, 0.5);
});

test("a gamepad walks, aims, throws and dashes; one of unknown layout does nothing", () => {
  const buttons = Array.from({ length: 16 }, (_, i) => ({ pressed: i === 0 || i === 7 }));
  const pad = { mapping: "standard", axes: [0, 1, 0.05, -0.1], buttons };
  const input = noInput();
  assert.equal(fillFromPad(pad, input), true);
  assert.deepEqual(input, { move: { x: 0, y: 1 }, aim: Math.PI / 2, throws: true, dashes: true });
  assert.equal(fillFromPad({ ...pad, mapping: "" }, noInput()), false);
});

test("a key that is given to an action is no other one's, and it is kept", () => {
  const kept = memory();
  const bindings = rebind(FIRST_BINDINGS, "dash", "KeyW");
  assert.deepEqual([bindings.dash, bindings.up], [["KeyW"], ["ArrowUp"]]);
  rememberBindings(kept, bindings);
  assert.deepEqual(recallBindings(kept), bindings);
  assert.equal(actionOf(bindings, "KeyW"), "dash");
  assert.equal(keyName("KeyW"), "W");
});

test("Escape is not given away, and what is no bindings is not taken for some", () => {
  assert.equal(rebind(FIRST_BINDINGS, "dash", "Escape"), FIRST_BINDINGS);
  const kept = memory();
  for (const text of ["", "7", "null", "{", '{"up":"W","dash":[7],"left":["Escape"]}']) {
    kept.setItem("arena.keys", text);
    assert.deepEqual(recallBindings(kept), FIRST_BINDINGS);
  }
});
