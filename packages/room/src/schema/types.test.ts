// What does not compile says so, and the type check of the tests fails if it does.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  angle,
  bool,
  defineGame,
  int,
  number,
  oneOf,
  quaternion,
  reference,
  text,
  type World,
  vector,
} from "../index.ts";

const place = vector(2, { min: 0, max: 100, precision: 0.01 });
const definition = {
  version: 1,
  ticksPerSecond: 30,
  kinds: {
    player: {
      at: place,
      aim: angle(8),
      health: int(0, 9),
      team: oneOf("sun", "moon"),
      name: text(8),
      turn: quaternion(8),
      ready: bool(),
    },
    shot: {
      at: vector(3, { min: 0, max: 1, precision: 0.1 }),
      by: reference(),
      speed: number({ min: 0, max: 1, precision: 0.1 }),
    },
  },
  input: { move: place, fire: bool() },
} as const;
const game = defineGame(definition);

/** The type of a value is just this one. */
function is<Expected>() {
  return <Actual>(
    _value: Actual,
    ..._: [Expected, Actual] extends [Actual, Expected] ? [] : [never]
  ): void => {};
}

test("what is read has the type of its field", () => {
  const world = game.world();
  const ana = world.add("player", { team: "sun" });
  is<"sun" | "moon">()(ana.team);
  is<number>()(ana.at.x);
  is<boolean>()(ana.ready);
  is<string>()(ana.name);
  is<"player">()(ana.kind);
  const shot = world.add("shot", { by: ana });
  is<number>()(shot.at.z);
  is<typeof ana | typeof shot | undefined>()(shot.by);
  if (shot.by?.kind === "player") is<number>()(shot.by.health);
  for (const each of world.all("shot")) is<typeof shot>()(each);
  const input = game.input.fromCells(new Int32Array(3), 0);
  is<boolean>()(input.fire);
  is<World<typeof definition.kinds>>()(world);
});

test("what is not of the game does not compile", () => {
  const world = game.world();
  const ana = world.add("player", {});
  const shot = world.add("shot");
  const compilesNot = (): void => {
    // @ts-expect-error no kind of this name
    world.add("bot");
    // @ts-expect-error nor can they be walked
    world.all("bot");
    // @ts-expect-error no field of this name
    world.add("player", { nome: "Ana" });
    // @ts-expect-error a field of another kind
    world.add("player", { by: shot });
    // @ts-expect-error no such name
    world.add("player", { team: "mars" });
    // @ts-expect-error nor to assign
    ana.team = "mars";
    // @ts-expect-error no field of this name
    ana.nome = "Ana";
    // @ts-expect-error an integer is a number
    ana.health = "9";
    // @ts-expect-error two coordinates, and not three
    assert.equal(ana.at.z, 0);
    // @ts-expect-error three coordinates, and not two
    world.add("shot", { at: [1, 2] });
    // @ts-expect-error a rotation is assigned as a whole
    ana.turn.x = 1;
    // @ts-expect-error what kind it is stays
    ana.kind = "player";
    // @ts-expect-error where it is stays
    ana.slot = 7;
    // @ts-expect-error a reference is to an entity
    shot.by = 7;
    // @ts-expect-error it may be one of another kind
    assert.equal(shot.by?.health, 0);
    // @ts-expect-error a slot may be free
    assert.equal(world.get(0).kind, "player");
    // @ts-expect-error an input has no such field
    game.input.toCells({ jump: true }, new Int32Array(3), 0);
    // @ts-expect-error and this one is no number
    game.input.toCells({ fire: 1 }, new Int32Array(3), 0);
    const shown = game.frame(world).get(0);
    // @ts-expect-error a frame is not written
    if (shown?.kind === "player") shown.health = 7;
    // @ts-expect-error nor are its vectors
    if (shown?.kind === "player") shown.at.x = 7;
    // @ts-expect-error a size is 2 or 3
    vector(4, { min: 0, max: 1, precision: 1 });
    // @ts-expect-error what is left out has no default
    number({ min: 0, max: 1 });
    // @ts-expect-error an integer has no precision
    int({ min: 0, max: 1 });
    const other = defineGame({ ...definition, kinds: { player: { at: place } } })
      .world()
      .add("player");
    // @ts-expect-error an entity of another game
    world.remove(other);
  };
  assert.equal(typeof compilesNot, "function");
});

test("a definition knows what its input is applied to", () => {
  defineGame({
    ...definition,
    apply(player, input, world) {
      is<"sun" | "moon">()(player.team);
      is<boolean>()(input.fire);
      world.add("shot", { by: player });
      // @ts-expect-error an input has no such field
      assert.equal(input.jump, true);
      // @ts-expect-error a player has no such field
      assert.equal(player.speed, 0);
    },
  });
  defineGame({
    ...definition,
    player: "shot",
    apply(shot) {
      is<number>()(shot.speed);
    },
  });
  const compilesNot = (): void => {
    // @ts-expect-error no kind of this name
    defineGame({ ...definition, player: "bot" });
    // @ts-expect-error no kind of this name
    defineGame({ ...definition, weights: { bot: 1 } });
    // @ts-expect-error a number is no field
    defineGame({ ...definition, input: { fire: 1 } });
  };
  assert.equal(typeof compilesNot, "function");
});
