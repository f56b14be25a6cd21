import assert from "node:assert/strict";
import { test } from "node:test";
import { MenuPad } from "./menu-pad.ts";

/** A gamepad on which these buttons are down. */
function pad(down: readonly number[], axes: readonly number[] = [0, 0, 0, 0], mapping = "standard") {
  return { mapping, axes, buttons: Array.from({ length: 17 }, (_, i) => ({ pressed: down.includes(i) })) };
}

test("a button counts once, when it goes down", () => {
  const menu = new MenuPad();
  assert.equal(menu.read(pad([0]), 0.016), "press");
  assert.equal(menu.isHeld, true);
  for (let i = 0; i < 100; i++) assert.equal(menu.read(pad([0]), 0.016), undefined);
  assert.equal(menu.read(pad([]), 0.016), undefined);
  assert.equal(menu.isHeld, false);
  assert.equal(menu.read(pad([1]), 0.016), "back");
  assert.equal(menu.read(pad([9]), 0.016), "menu");
});

test("the cross and the left stick move the focus, and go on while they are held", () => {
  for (const [down, up] of [
    [pad([13]), pad([12])],
    [pad([15]), pad([14])],
    [pad([], [0, 0.9]), pad([], [0, -0.9])],
    [pad([], [0.9, 0.2]), pad([], [-0.9, 0.2])],
  ] as const) {
    const menu = new MenuPad();
    assert.equal(menu.read(down, 0.1), "next");
    const seen = Array.from({ length: 10 }, () => menu.read(down, 0.1));
    assert.deepEqual(seen.filter((each) => each === "next").length, 3);
    assert.equal(menu.read(up, 0.1), "previous");
  }
});

test("a stick that rests askew, and a pad of another layout, press nothing", () => {
  assert.equal(new MenuPad().read(pad([], [0.3, -0.3]), 0.1), undefined);
  assert.equal(new MenuPad().read(pad([0, 13], [1, 1], ""), 0.1), undefined);
});
