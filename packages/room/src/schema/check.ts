import { refuse as refuseAs } from "../contracts/errors.ts";
import type { Field } from "./field.ts";
import { defineGame as defineUnchecked, type GameDefinition } from "./game.ts";
import type { Fields, Kinds } from "./types.ts";

const LOWEST = -(2 ** 31);
const HIGHEST = 2 ** 31 - 1;
const MOST_KINDS = 255;
const MOST_CELLS = 64;
const MOST_NAMES = 1_024;
const MOST_TICKS = 240;
/** A letter comes first, so `__proto__` is no name. */
const NAME = /^\p{L}[\p{L}\p{N}_]{0,63}$/u;
/** What an entity has beside its fields, and what would make a promise of it. */
const TAKEN: readonly string[] = ["kind", "slot", "isAlive", "toJSON", "then"];

/** By the type of a field, what its parameters may be. */
const CHECKS: Readonly<Record<string, (path: string, parameters: readonly unknown[]) => void>> = {
  bool() {},
  reference() {},
  int(path, [min, max]) {
    checkInteger(`min of ${path}`, min, LOWEST, HIGHEST - 1);
    checkInteger(`max of ${path}`, max, Number(min) + 1, HIGHEST);
  },
  number: checkRange,
  vector(path, [size, ...range]) {
    checkInteger(`the number of coordinates of ${path}`, size, 2, 3);
    checkRange(path, range);
  },
  angle: (path, [bits]) => checkInteger(`bits of ${path}`, bits, 2, 24),
  quaternion: (path, [bits]) => checkInteger(`bits of ${path}`, bits, 6, 20),
  text: (path, [maxBytes]) => checkInteger(`maxBytes of ${path}`, maxBytes, 1, 3 * MOST_CELLS),
  oneOf(path, names) {
    checkInteger(`the number of names of ${path}`, names.length, 2, MOST_NAMES);
    for (const [index, name] of names.entries()) {
      if (typeof name !== "string") refuse(`a name of ${path}`, name, "strings");
      if (names.indexOf(name) !== index) refuse(`a name of ${path}`, name, "each of them once");
    }
  },
};

/**
 * Defines a game, and checks the definition. That of `@zocalo/room/client` checks nothing, since each page
 * would have to carry what the server has done: `checkGame` is for games that were defined by it.
 *
 * @throws RoomError `invalid_schema`.
 */
export const defineGame: typeof defineUnchecked = (definition) => {
  checkDefinition(definition);
  return defineUnchecked(definition);
};

/**
 * Checks the definition of a game that `defineGame` of `@zocalo/room/client` has made.
 *
 * @throws RoomError `invalid_schema`, with what was given and what is allowed.
 * @example
 * checkGame(game); // before the server opens a room of it
 */
export function checkGame(game: { readonly definition: unknown }): void {
  checkDefinition(game.definition);
}

function checkDefinition(definition: unknown): void {
  const given = definition as GameDefinition<Kinds, Fields, string>;
  const { version, ticksPerSecond, kinds, input, player = "player", weights = {}, apply } = given;
  checkInteger("version", version, 0, HIGHEST);
  checkInteger("ticksPerSecond", ticksPerSecond, 1, MOST_TICKS);
  const names = checkNames("kind", kinds);
  if (names.length > MOST_KINDS) refuse("the number of kinds", names.length, `1 to ${MOST_KINDS}`);
  for (const name of names) checkFields(name, kinds[name]);
  checkFields("input", input);
  for (const [name, field] of Object.entries(input)) {
    if (field.type === "reference") refuse(`the type of input.${name}`, field.type, "other types");
  }
  for (const [name, weight] of Object.entries(weights)) {
    if (!names.includes(name)) refuse("a kind of weights", name, names.join(", "));
    if (!(Number.isFinite(weight) && Number(weight) > 0)) {
      refuse(`the weight of ${name}`, weight, "finite numbers above 0");
    }
  }
  if (apply === undefined) return;
  if (typeof apply !== "function") refuse("apply", apply, "a function");
  if (!names.includes(player)) refuse("the kind of players", player, names.join(", "));
}

function checkFields(path: string, fields: Fields | undefined): void {
  let cells = 0;
  for (const name of checkNames(`field of ${path}`, fields)) {
    if (TAKEN.includes(name)) refuse(`a field of ${path}`, name, `other names than ${TAKEN.join(", ")}`);
    cells += checkField(`${path}.${name}`, fields?.[name]);
  }
  if (cells > MOST_CELLS) refuse(`the number of cells of ${path}`, cells, `1 to ${MOST_CELLS}`);
}

/** Returns its number of cells. */
function checkField(path: string, field: Field | undefined): number {
  const type: unknown = field?.type;
  if (field === undefined || typeof type !== "string" || !Object.hasOwn(CHECKS, type)) {
    refuse(path, field, `what ${Object.keys(CHECKS).join(", ")} return`);
  }
  CHECKS[type]?.(path, field.parameters);
  return field.cells.length;
}

function checkNames(what: string, of: unknown): string[] {
  if (typeof of !== "object" || of === null) refuse(`what has each ${what}`, of, "objects");
  const names = Object.keys(of);
  if (names.length === 0) refuse(`what has each ${what}`, of, "one at least");
  for (const name of names) {
    if (NAME.test(name) && !(name in Object.prototype)) continue;
    const allowed = "a letter, then up to 63 letters, digits and _, but no name of Object.prototype";
    refuse(`the name of a ${what}`, name, allowed);
  }
  return names;
}

function checkRange(path: string, [min, max, precision]: readonly unknown[]): void {
  if (!isFinite(min)) refuse(`min of ${path}`, min, "finite numbers");
  if (!isFinite(max) || max <= min) refuse(`max of ${path}`, max, `finite numbers above ${min}`);
  if (!isFinite(precision) || precision <= 0 || precision > max - min) {
    refuse(`precision of ${path}`, precision, `numbers above 0, up to ${max - min}`);
  }
  if (Math.round(min / precision) < LOWEST || Math.round(max / precision) > HIGHEST) {
    refuse(`precision of ${path}`, precision, `${min} and ${max} divided by it are 32-bit integers`);
  }
}

function isFinite(value: unknown): value is number {
  return Number.isFinite(value);
}

function checkInteger(what: string, value: unknown, min: number, max: number): void {
  if (!Number.isInteger(value) || Number(value) < min || Number(value) > max) {
    refuse(what, value, `integers from ${min} to ${max}`);
  }
}

function refuse(what: string, value: unknown, allowed: string): never {
  refuseAs("invalid_schema", what, value, allowed);
}
