import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { defineGame as defineUnchecked } from "../client.ts";
import {
  angle,
  bool,
  checkGame,
  defineGame,
  type Field,
  type Fields,
  type Game,
  int,
  type Kinds,
  number,
  oneOf,
  quaternion,
  reference,
  RoomError,
  text,
  vector,
} from "../index.ts";

const input = { fire: bool() };

function define(change: Record<string, unknown>): Game<Kinds, Fields, string> {
  const kinds: Kinds = { player: { health: int(0, 100) } };
  return defineGame<Kinds, Fields, string>({ version: 1, ticksPerSecond: 30, kinds, input, ...change });
}

function isRefused(change: Record<string, unknown>, message: RegExp): void {
  assert.throws(
    () => define(change),
    (error) => {
      assert.ok(error instanceof RoomError, String(error));
      assert.equal(error.code, "invalid_schema");
      assert.match(error.message, message);
      return true;
    },
  );
}

const withField = (field: unknown) => ({ kinds: { player: { field } } });

describe("names", () => {
  const hostile = ["__proto__", "constructor", "hasOwnProperty", "toString", "valueOf", "__defineGetter__"];
  const odd = ["", " ", "a b", "7", "a-b", "_a", "a.b", "a".repeat(65), "\u202ea", "a\0"];

  test("of kinds, of fields and of what an input has: letters, digits and _, and none of Object.prototype", () => {
    for (const name of [...hostile, ...odd]) {
      isRefused({ kinds: { [name]: { health: int(0, 1) } } }, /^the name of a kind is /);
      isRefused({ kinds: { player: { [name]: int(0, 1) } } }, /^the name of a field of player is /);
      isRefused({ input: { [name]: int(0, 1) } }, /^the name of a field of input is /);
    }
    for (const name of ["año", "a_7", "ñ", "日本", "a".repeat(64)]) {
      const game = define({ kinds: { [name]: { [name]: int(0, 1) } } });
      assert.equal(JSON.stringify(game.world().add(name, { [name]: 1 })), `{"${name}":1}`);
    }
  });

  test("what every entity has is the name of no field", () => {
    for (const name of ["kind", "slot", "isAlive", "toJSON", "then"]) {
      isRefused({ kinds: { player: { [name]: int(0, 1) } } }, /^a field of player is "/);
    }
  });

  test("without the check hostile names of a definition reach no prototype", () => {
    for (const name of hostile) {
      const fields = Object.fromEntries([[name, vector(2, { min: 0, max: 9, precision: 1 })]]);
      const game = defineUnchecked({
        version: 1,
        ticksPerSecond: 30,
        kinds: Object.fromEntries([[name, fields]]),
        input: fields,
      });
      const before = Object.getOwnPropertyNames(Object.prototype).length;
      const entity = game.world().add(name, Object.fromEntries([[name, [1, 2]]]));
      game.input.fromCells(new Int32Array([1, 2]), 0);
      assert.equal(entity.kind, name);
      assert.equal(Object.getOwnPropertyNames(Object.prototype).length, before);
      assert.equal(({} as { x?: number }).x, undefined);
      assert.throws(() => checkGame(game), RoomError);
    }
  });

  test("__proto__ among the values of an entity is no field, and changes nothing", () => {
    const values = JSON.parse('{"__proto__": {"health": 7}}') as object;
    assert.throws(
      () => define({}).world().add("player", values),
      (error) => error instanceof RoomError && error.code === "unknown_field",
    );
  });
});

describe("limits, at each and one past it", () => {
  const fields = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`f${index}`, int(0, 1)]));

  test("numbers of kinds, fields and names", () => {
    const kinds = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, fields(1)]));
    define({ kinds: kinds(255) });
    isRefused({ kinds: kinds(256) }, /^the number of kinds is 256; allowed: 1 to 255/);
    isRefused({ kinds: {} }, /^what has each kind is an object; allowed: one at least/);
    isRefused({ kinds: null }, /^what has each kind is null; allowed: objects/);
    define({ kinds: { player: fields(64) }, input: fields(64) });
    isRefused({ kinds: { player: fields(65) } }, /^the number of cells of player is 65; allowed: 1 to 64/);
    isRefused({ input: fields(65) }, /^the number of cells of input is 65/);
    isRefused({ input: {} }, /^what has each field of input/);
    const names = (count: number) => oneOf(...Array.from({ length: count }, (_, index) => `n${index}`));
    define(withField(names(2)));
    define(withField(names(1_024)));
    for (const count of [0, 1, 1_025])
      isRefused(withField(names(count)), /^the number of names of player\.field/);
    isRefused(withField(oneOf("a", "a")), /^a name of player\.field is "a"; allowed: each of them once/);
    isRefused(withField(oneOf("a", 7 as never)), /^a name of player\.field is 7; allowed: strings/);
  });

  test("version and ticks a second", () => {
    for (const version of [0, 2 ** 31 - 1]) assert.equal(define({ version }).version, version);
    for (const version of [-1, 2 ** 31, 0.5, NaN, "1"])
      isRefused({ version }, /^version is .*from 0 to 2147483647/);
    for (const ticksPerSecond of [1, 240]) define({ ticksPerSecond });
    for (const ticksPerSecond of [0, 241, 29.97]) isRefused({ ticksPerSecond }, /from 1 to 240/);
  });

  test("integers", () => {
    define(withField(int(-(2 ** 31), 2 ** 31 - 1)));
    for (const [min, max] of [
      [0, 0],
      [1, 0],
      [0.5, 2],
      [0, 2 ** 31],
      [-(2 ** 31) - 1, 0],
      [NaN, 1],
    ] as const) {
      isRefused(withField(int(min, max)), /^(min|max) of player\.field is .*allowed: integers from/);
    }
  });

  test("numbers and vectors", () => {
    const allowed = [
      { min: 0, max: 1, precision: 1 },
      { min: -(2 ** 31), max: 2 ** 31 - 1, precision: 1 },
      { min: -1e300, max: 1e300, precision: 1e292 },
    ];
    const refused = [
      { min: 0, max: 0, precision: 1 },
      { min: 0, max: Infinity, precision: 1 },
      { min: NaN, max: 1, precision: 1 },
      { min: 0, max: 1, precision: 0 },
      { min: 0, max: 1, precision: -1 },
      { min: 0, max: 1, precision: 1.01 },
      { min: 0, max: 1, precision: NaN },
      { min: 0, max: 2 ** 31, precision: 1 },
      { min: 0, max: 1, precision: 1e-10 },
      { min: -(2 ** 31) - 1, max: 1, precision: 1 },
    ];
    for (const options of allowed) define(withField(number(options)));
    for (const options of refused) {
      isRefused(withField(number(options)), /^(min|max|precision) of player\.field is /);
      isRefused(withField(vector(2, options)), /^(min|max|precision) of player\.field is /);
    }
    for (const size of [1, 4]) {
      const field = vector(size as 2, { min: 0, max: 1, precision: 0.1 });
      isRefused(withField(field), /^the number of coordinates of player\.field/);
    }
  });

  test("bits and bytes", () => {
    const each: [(count: number) => unknown, number, number][] = [
      [angle, 2, 24],
      [quaternion, 6, 20],
      [text, 1, 192],
    ];
    for (const [make, least, most] of each) {
      define(withField(make(least)));
      define(withField(make(most)));
      for (const count of [least - 1, most + 1, least + 0.5, NaN, Infinity, 1e9]) {
        isRefused(
          withField(make(count)),
          new RegExp(`player\\.field is .*integers from ${least} to ${most}$`),
        );
      }
    }
  });
});

test("what is no field is refused, and a reference in an input", () => {
  const own: Field<number> = { ...int(0, 1), type: "own" };
  for (const field of [undefined, null, 7, {}, { type: "__proto__" }, own]) {
    isRefused(withField(field), /^player\.field is .*allowed: what bool, reference, int, .* return/);
  }
  isRefused({ input: { target: reference() } }, /^the type of input\.target is "reference"/);
});

test("weights are above 0, and of kinds; players are of a kind, if an input is applied", () => {
  assert.equal(define({ weights: { player: 2.5 } }).layout.kinds[0]?.weight, 2.5);
  for (const weight of [0, -1, NaN, Infinity, "2"])
    isRefused({ weights: { player: weight } }, /^the weight of player/);
  isRefused({ weights: { shot: 1 } }, /^a kind of weights is "shot"; allowed: player/);
  isRefused({ player: "shot", apply() {} }, /^the kind of players is "shot"; allowed: player/);
  isRefused(
    { kinds: { ship: { at: int(0, 1) } }, apply() {} },
    /^the kind of players is "player"; allowed: ship/,
  );
  isRefused({ apply: 7 }, /^apply is 7; allowed: a function/);
});
