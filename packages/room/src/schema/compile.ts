import { shown } from "../contracts/errors.ts";
import type { Cell, Layout } from "../contracts/layout.ts";
import { Entity, type EntityClass, type Placed } from "./entity.ts";
import { badSchema } from "./field.ts";
import type { Fields, Kinds } from "./types.ts";

/** Most cells of a kind, and of an input. */
const MOST_CELLS = 64;
const MOST_KINDS = 255;
/** A letter comes first, so `__proto__` is no name. */
const NAME = /^\p{L}[\p{L}\p{N}_]{0,63}$/u;
/** What an entity has beside its fields, and what would make a promise of it. */
const TAKEN: ReadonlySet<string> = new Set(["kind", "slot", "isAlive", "then", "toJSON"]);

/** Fields in their places. */
export interface PlacedFields {
  readonly fields: readonly Placed[];
  readonly cells: readonly Cell[];
  readonly initial: readonly number[];
}

/** A kind, compiled. */
export interface CompiledKind extends PlacedFields {
  readonly name: string;
  /** 1 plus its index, as `Rows.kinds` has it. */
  readonly tag: number;
  /** Where in a row its references are. */
  readonly references: readonly number[];
  readonly Entity: EntityClass;
}

/** The kinds of a game, compiled. */
export interface Schema {
  readonly layout: Layout;
  /** By index. */
  readonly kinds: readonly CompiledKind[];
  readonly byName: ReadonlyMap<string, CompiledKind>;
}

/**
 * Compiles the kinds of a game.
 *
 * @param others what both sides have to agree on beside the kinds.
 * @param weights by the name of a kind.
 */
export function compile(
  kinds: Kinds,
  others: readonly unknown[],
  weights: Readonly<Record<string, number | undefined>>,
): Schema {
  const names = namesOf(kinds, "kind");
  if (names.length > MOST_KINDS) badSchema(`there are ${names.length} kinds; allowed: 1 to ${MOST_KINDS}`);
  const compiled = names.map((name, index): CompiledKind => {
    const placed = place(kinds[name], name);
    const references = placed.fields.filter(({ field }) => field.type === "reference");
    return {
      ...placed,
      name,
      tag: index + 1,
      references: references.map(({ offset }) => offset),
      Entity: Entity.ofKind(name, placed.fields),
    };
  });
  for (const name of Object.keys(weights)) {
    const weight = weights[name];
    if (!names.includes(name)) badSchema(`weights has ${shown(name)}; allowed: ${names.join(", ")}`);
    if (!(Number.isFinite(weight) && Number(weight) > 0)) {
      badSchema(`the weight of ${name} is ${shown(weight)}; allowed: finite numbers above 0`);
    }
  }
  const layout: Layout = {
    kinds: compiled.map(({ name, cells }) => ({
      name,
      cells,
      weight: (Object.hasOwn(weights, name) ? weights[name] : undefined) ?? 1,
    })),
    stride: Math.max(...compiled.map(({ cells }) => cells.length)),
    hash: hashOf([...others, ...compiled.map(({ name, fields }) => [name, described(fields)])]),
  };
  return { layout, kinds: compiled, byName: new Map(compiled.map((kind) => [kind.name, kind])) };
}

/** Gives each field its place. `path` is where they are, for messages. */
export function place(fields: Fields | undefined, path: string): PlacedFields {
  const placed: Placed[] = [];
  const cells: Cell[] = [];
  const initial: number[] = [];
  for (const name of namesOf(fields, `field of ${path}`)) {
    const field = fields?.[name];
    if (typeof field?.write !== "function" || TAKEN.has(name)) {
      badSchema(
        TAKEN.has(name)
          ? `a field of ${path} is named ${name}; allowed: names other than ${[...TAKEN].join(", ")}`
          : `${path}.${name} is ${shown(field)}; allowed: what bool(), int(), number() … return`,
      );
    }
    placed.push({ name, path: `${path}.${name}`, field, offset: cells.length });
    cells.push(...field.cells);
    initial.push(...field.initial);
  }
  if (cells.length > MOST_CELLS) {
    badSchema(`the fields of ${path} take ${cells.length} cells; allowed: 1 to ${MOST_CELLS}`);
  }
  return { fields: placed, cells, initial };
}

/** What of fields both sides have to agree on. */
export function described(fields: readonly Placed[]): unknown {
  return fields.map(({ name, field }) => [name, field.type, ...field.parameters]);
}

function namesOf(of: object | undefined, what: string): string[] {
  if (typeof of !== "object" || of === null)
    badSchema(`what should be a ${what} is ${shown(of)}; allowed: an object`);
  const names = Object.keys(of);
  if (names.length === 0) badSchema(`there is no ${what}; allowed: one at least`);
  for (const name of names) {
    if (NAME.test(name) && !(name in Object.prototype)) continue;
    badSchema(
      `a ${what} is named ${shown(name)}; allowed: a letter, then up to 63 letters, digits and _, and no name of Object.prototype`,
    );
  }
  return names;
}

/** FNV-1a, 32 bits, over the UTF-16 code units of the JSON text. */
function hashOf(agreed: unknown): number {
  let hash = 0x811c9dc5;
  const json = JSON.stringify(agreed);
  for (let index = 0; index < json.length; index++) {
    hash = Math.imul(hash ^ json.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}
