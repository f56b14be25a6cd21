import assert from "node:assert/strict";
import { test } from "node:test";
import { squareRoom } from "../../test/square.ts";
import { type RoomErrorCode, RoomError } from "../contracts/errors.ts";
import type { RoomDefinition } from "../match/definition.ts";
import { team } from "../match/interest.ts";
import { checkMode } from "./check-mode.ts";
import type { RoomMode } from "./options.ts";

function check(changed: object, mode = "square"): void {
  const definition: RoomMode = { ...squareRoom, ...changed };
  checkMode(mode, definition as RoomDefinition);
}

/** The text of the error by which it is refused. */
function refusal(changed: object, code: RoomErrorCode = "invalid_option"): string {
  try {
    check(changed);
  } catch (error) {
    assert.ok(error instanceof RoomError, String(error));
    assert.equal(error.code, code);
    return error.message;
  }
  return assert.fail("it was taken");
}

test("each option of a definition is taken at its limits, and refused one past them", () => {
  const limits: readonly (readonly [name: string, least: number, most: number])[] = [
    ["seats", 1, 250],
    ["bots", 0, 6],
    ["maxWatchers", 0, 2 ** 31 - 1],
    ["maxEntities", 1, 65_535],
    ["maxRecordingBytes", 1, 2 ** 31 - 1],
    ["maxRewindMs", 0, 2_066],
    ["awayMs", 1, Number.POSITIVE_INFINITY],
    ["holdMs", 1, Number.POSITIVE_INFINITY],
    ["emptyMs", 0, 2 ** 31 - 1],
  ];
  for (const [name, least, most] of limits) {
    for (const value of [least, most]) check({ bots: 0, [name]: value });
    for (const value of [least - 1, most + 1, Number.NaN, "1"]) {
      if (value === Number.POSITIVE_INFINITY) continue;
      assert.match(refusal({ bots: 0, [name]: value }), new RegExp(`${name}.*allowed`));
    }
  }
  check({ emptyMs: null });
});

test("what a part of a room refuses is refused with the mode, and not when somebody joins", () => {
  assert.match(refusal({ budgetBytes: 7 }), /of square: budgetBytes is 7/);
  assert.match(refusal({ inputs: { maxPerTick: 0 } }), /of square: maxPerTick is 0/);
  assert.match(refusal({ matching: { least: 7 } }), /least is 7/);
  assert.match(refusal({ watch: "all" }), /watch of square is "all"; allowed: "common", "everything"/);
  assert.match(refusal({ interest: team("colour") }, "unknown_field"), /"colour"/);
  assert.match(refusal({ bot: undefined }), /bots of square is 2; allowed: 0 without `bot`/);
});

test("a name that is none of an option's is refused, and a mode that is none", () => {
  assert.match(refusal({ awayMS: 1 }), /an option of square is "awayMS"; allowed: game, seats/);
  for (const mode of ["", "a b", "a:b", "x".repeat(33)]) {
    assert.throws(
      () => check({}, mode),
      (error) => error instanceof RoomError && error.code === "invalid_option",
    );
  }
  check({}, "x".repeat(32));
});
