import assert from "node:assert/strict";
import { test } from "node:test";
import { matchOf } from "../game/movement.ts";
import { TICK } from "../game/numbers.ts";
import { OwnEggs, type ShownEgg } from "./own-eggs.ts";
import { Practice } from "./practice.ts";

/** A match in which one stands where one began, some ticks old; `aim` is undefined for who does not throw. */
function begun(throwing: { aim: number | undefined }) {
  const practice = new Practice(3, "Ana");
  const tick = (): string[] => {
    const told: string[] = [];
    const fill = (input: { aim: number; throws: boolean }): void => {
      input.throws = throwing.aim !== undefined;
      input.aim = throwing.aim ?? input.aim;
    };
    practice.advance({ now: 0, seconds: TICK, isPaused: false, fill }, (what, _x, _y, player) => {
      if (player?.slot === practice.me?.slot) told.push(what);
    });
    return told;
  };
  while (matchOf(practice.world).phase !== "play") tick();
  return { practice, tick };
}

function own(practice: Practice): ShownEgg[] {
  return [...practice.world.all("egg")].filter((egg) => egg.by?.slot === practice.me?.slot);
}

test("an egg is there in the picture in which it is thrown, flies as the server's does, and breaks at the same wall", () => {
  for (const aim of [Math.PI, -Math.PI / 2]) {
    const throwing = { aim: undefined as number | undefined };
    const { practice, tick } = begun(throwing);
    const eggs = new OwnEggs();
    const splats: [number, number][] = [];
    throwing.aim = aim;
    assert.ok(tick().includes("throw"));
    throwing.aim = undefined;
    const { me, frame } = practice;
    assert.ok(me !== undefined);
    const { at, team } = me;
    eggs.thrown({ at, team, aim, bag: 0 });
    const shown = [...eggs.shown(practice.frame, me)];
    assert.ok(shown.some((egg) => egg.aim === aim && egg.at.x === at.x && egg.at.y === at.y));
    let last = { x: 0, y: 0 };
    for (let flown = 0; own(practice).length > 0; flown++) {
      const [egg] = own(practice);
      if (egg !== undefined) last = { x: egg.at.x, y: egg.at.y };
      eggs.advance(TICK, frame, me, (_what, x, y) => splats.push([x, y]));
      tick();
    }
    eggs.advance(TICK, frame, me, (_what, x, y) => splats.push([x, y]));
    const [[x, y] = [0, 0]] = splats;
    assert.equal(splats.length, 1);
    // In the tick in which it breaks the server's is not moved any more.
    assert.ok(Math.hypot(x - last.x, y - last.y) <= 18 * TICK + 0.01, `${x} ${y}, not ${last.x} ${last.y}`);
  }
});

test("of the server's eggs only those that were foretold are not shown again", () => {
  const throwing = { aim: undefined as number | undefined };
  const { practice, tick } = begun(throwing);
  const eggs = new OwnEggs();
  throwing.aim = 0;
  for (let i = 0; i < 3; i++) tick();
  const { me } = practice;
  assert.ok(me !== undefined && own(practice).length > 0);
  const all = [...practice.frame.all("egg")].length;
  // As after a lost connection: these were thrown by whom nobody remembers.
  assert.equal([...eggs.shown(practice.frame, me)].length, all);
  eggs.thrown(me);
  assert.equal([...eggs.shown(practice.frame, me)].length, all - own(practice).length + 1);
  assert.equal([...eggs.shown(practice.frame, undefined)].length, all + 1, "who watches has no eggs");
  eggs.advance(3, practice.frame, me, () => {});
  assert.equal([...eggs.shown(practice.frame, me)].length, all, "they are not hidden for ever");
});

test("with the match the eggs that are in the air are over", () => {
  const throwing = { aim: undefined as number | undefined };
  const { practice, tick } = begun(throwing);
  while (matchOf(practice.world).left > 2) tick();
  const { me } = practice;
  assert.ok(me !== undefined);
  const eggs = new OwnEggs();
  eggs.thrown({ at: { x: 20, y: 12 }, aim: 0, team: me.team, bag: 1 });
  while (matchOf(practice.frame).phase === "play") tick();
  assert.equal([...practice.frame.all("egg")].length, 0);
  const told: string[] = [];
  eggs.advance(TICK, practice.frame, me, (what) => told.push(what));
  assert.deepEqual([...eggs.shown(practice.frame, me)], []);
  assert.deepEqual(told, ["splat", "splat", "splat"], "as those of the others");
});
