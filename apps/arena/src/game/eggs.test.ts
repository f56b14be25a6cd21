import assert from "node:assert/strict";
import { test } from "node:test";
import { Field, OPEN } from "../../test/field.ts";
import type { Past } from "./eggs.ts";
import { NUMBERS, ticks } from "./numbers.ts";

const { player: body, egg, bag, pinata: target } = NUMBERS;

/** One of each team, four units apart; sun throws at moon. */
function duel() {
  const field = new Field();
  const [ana, input] = field.put("sun", { x: OPEN.x - 4, y: OPEN.y });
  const [omar, omarInput] = field.put("moon", OPEN);
  input.throws = true;
  return { field, ana, input, omar, omarInput };
}

test("an egg that hits a rival dazes, and is counted", () => {
  const { field, ana, omar } = duel();
  field.until(() => omar.hits === 1);
  assert.equal(ana.hitsMade, 1);
  assert.equal(omar.dazed, ticks(body.dazedFor));
  assert.equal(omar.out, 0);
});

test("the third hit puts out, what was carried lies around, and one is back and safe after three seconds", () => {
  const { field, input, omar } = duel();
  omar.sweets = 5;
  field.until(() => omar.out > 0);
  assert.deepEqual([omar.sweets, field.count("sweet"), omar.hits], [0, 5, 3]);
  input.throws = false;
  assert.equal(
    field.until(() => omar.out === 0),
    ticks(body.isOutFor),
  );
  assert.deepEqual([omar.hits, omar.safe], [0, ticks(body.isSafeFor)]);
  assert.ok(omar.at.x > 30);
});

test("who is out neither walks nor throws", () => {
  const { field, omar, omarInput } = duel();
  field.until(() => omar.out > 0);
  field.until(() => field.count("egg") === 0 || omar.out < 20);
  const { x, y } = omar.at;
  omarInput.move = { x: 1, y: 0 };
  omarInput.throws = true;
  field.run(3);
  assert.deepEqual([omar.at.x, omar.at.y, omar.throwWait], [x, y, 0]);
});

test("hits are forgotten after six seconds", () => {
  const { field, input, omar } = duel();
  field.until(() => omar.hits === 2);
  input.throws = false;
  assert.ok(field.until(() => omar.hits === 0) >= ticks(body.mendsIn) - 1);
});

test("eggs pass through those of one's own team", () => {
  const { field, omar } = duel();
  const [inés] = field.put("sun", { x: OPEN.x - 2, y: OPEN.y });
  field.until(() => omar.hits === 1);
  assert.equal(inés.hits, 0);
});

test("four eggs a second leave the hand, and no more", () => {
  const { field, omar } = duel();
  omar.at = { x: 38, y: 20 };
  let thrown = 0;
  let before = 0;
  for (let i = 0; i < 120; i++) {
    field.run(1);
    const fresh = [...field.world.all("egg")].filter(({ left }) => left === ticks(egg.lasts) - 1).length;
    if (fresh > 0) thrown += fresh;
    before = Math.max(before, fresh);
  }
  assert.deepEqual([thrown, before], [Math.ceil(120 / ticks(egg.cooldown)), 1]);
});

test("an egg flies 16 units and breaks, or breaks at a wall before", () => {
  const field = new Field();
  const [, input] = field.put("sun", { x: 3, y: 10.5 });
  input.aim = -0.02;
  input.throws = true;
  field.run(1);
  input.throws = false;
  let far = 0;
  while (field.count("egg") > 0) {
    for (const shot of field.world.all("egg")) far = shot.at.x - 3;
    field.run(1);
  }
  assert.ok(far > 6 && far < 9.5, `${far}`); // the fountain
});

test("who is back and safe is not hit, until they throw", () => {
  const { field, omar, omarInput } = duel();
  omar.safe = ticks(body.isSafeFor);
  field.run(ticks(0.5));
  assert.equal(omar.hits, 0);
  omarInput.throws = true;
  field.run(1);
  assert.equal(omar.safe, 0);
});

test("a dash passes through eggs", () => {
  const { field, omar, omarInput } = duel();
  omarInput.move = { x: 0, y: 1 };
  field.until(() => [...field.world.all("egg")].some(({ at }) => OPEN.x - at.x < 1.6));
  omarInput.dashes = true;
  field.run(4);
  assert.equal(omar.hits, 0);
});

test("a bag throws three at once, a little apart", () => {
  const { field, ana, input, omar } = duel();
  omar.at = { x: 38, y: 20 };
  ana.bag = ticks(bag.lasts);
  field.run(1);
  input.throws = false;
  const aims = [...field.world.all("egg")].map(({ aim }) => aim);
  assert.equal(aims.length, bag.eggs);
  assert.ok(Math.abs(Math.max(...aims) - Math.min(...aims) - 2 * bag.spread) < 0.02);
});

test("with its last hit the piñata bursts, and it is back after a while", () => {
  const field = new Field();
  const [, input] = field.put("sun", { x: 20, y: 8 });
  input.aim = Math.PI / 2;
  input.throws = true;
  const [pinata] = field.world.all("pinata");
  assert.ok(pinata);
  field.until(() => pinata.hits === target.hits - 1);
  assert.equal(field.count("sweet"), 0);
  field.until(() => pinata.back > 0);
  assert.equal(field.count("sweet"), target.holds);
  input.throws = false;
  assert.equal(
    field.until(() => pinata.back === 0),
    ticks(target.isBackIn),
  );
});

test("an egg meets a rival where its thrower saw them, the less so the longer it flies", () => {
  const { field, input, omar } = duel();
  omar.at = { x: OPEN.x, y: OPEN.y + 3 };
  const asked = new Set<number>();
  const past: Past = {
    late: () => 6,
    placeOf(player, ticksAgo) {
      asked.add(ticksAgo);
      return player === omar && ticksAgo > 3 ? OPEN : player.at;
    },
  };
  field.run(1, past);
  input.throws = false;
  field.run(ticks(egg.lasts), past);
  assert.equal(omar.hits, 1);
  assert.ok(Math.max(...asked) <= 6);
});

test("nobody says that they see the others later than a fifth of a second", () => {
  const { field } = duel();
  field.run(1, { late: () => 1_000, placeOf: ({ at }) => at });
  assert.deepEqual(
    [...field.world.all("egg")].map(({ late }) => late),
    [ticks(egg.latest)],
  );
});
