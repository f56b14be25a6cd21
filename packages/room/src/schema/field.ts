import { refuse } from "../contracts/errors.ts";
import type { Cell } from "../contracts/layout.ts";
import type { Cells, Owner, Row } from "./row.ts";

/**
 * A field of a kind, or of an input: what it is made of, and how a value becomes cells and cells a value.
 * Make one by `bool`, `int`, `number`, `vector`, `angle`, `quaternion`, `oneOf`, `text` or `reference`.
 *
 * @typeParam Value what is read.
 * @typeParam Given what may be written.
 */
export interface Field<Value = unknown, Given = Value> {
  /** By which function it was made: `int`, `vector` … */
  readonly type: string;
  /** What both sides have to agree on, apart from the names. */
  readonly parameters: readonly unknown[];
  /** What it takes of a row. */
  readonly cells: readonly Cell[];
  /** What it is before anything was written. */
  readonly initial: Given;
  /**
   * Quantises `value` into cells from `at` on.
   *
   * @param owner where these cells are those of an entity.
   * @returns what is allowed, where this value is not; then no cell was written.
   * @internal
   */
  write(value: Given, into: Int32Array, at: number, owner?: Owner): string | undefined;
  /** What cells from `at` on hold. @internal */
  read(cells: Cells, at: number, owner?: Owner): Value;
  /**
   * How an entity has it, where a value would be allocated each time, or could not be changed: made once for
   * each entity, and called for each read.
   *
   * @param path for messages: `player.at`.
   * @internal
   */
  readonly reader?: (row: Row, path: string) => () => Value;
  /** What it is made of, where a value is an object. @internal */
  readonly parts?: readonly Placed[];
}

/** A field in its place. */
export interface Placed {
  readonly name: string;
  readonly field: Field;
  /** Its first cell, from where those of the whole begin. */
  readonly offset: number;
}

/** A cell that does not wrap and does not refer. */
export function plainCell(min: number, max: number, moves = false): Cell {
  return { min, max, wraps: false, moves, refers: false };
}

/** Throws for a value that a field cannot hold. */
export function badValue(path: string, value: unknown, allowed: string): never {
  refuse("invalid_value", path, value, allowed);
}

/**
 * Writes the fields that `values` has.
 *
 * @param values of the application: each is read once.
 */
export function writeFields(
  fields: readonly Placed[],
  values: object,
  into: Int32Array,
  at: number,
  path: string,
  owner?: Owner,
): void {
  for (const { name, field, offset } of fields) {
    const value = (values as Readonly<Record<string, unknown>>)[name];
    if (value === undefined) continue;
    const allowed = field.write(value, (owner?.cells ?? into) as Int32Array, at + offset, owner);
    if (allowed !== undefined) badValue(`${path}.${name}`, value, allowed);
  }
}

/** Reads fields into an object. */
export function readFields(
  fields: readonly Placed[],
  cells: Cells,
  at: number,
  into: Record<string, unknown>,
): object {
  for (const { name, field, offset } of fields) {
    if (field.parts === undefined) into[name] = field.read(cells, at + offset);
    else {
      // What was inherited under such a name is not ours to change.
      const known = Object.hasOwn(into, name) ? into[name] : {};
      into[name] = readFields(field.parts, cells, at + offset, known as Record<string, unknown>);
    }
  }
  return into;
}

/** A coordinate of what was given: of an object by its name, of a list by its place. */
export function partOf(value: unknown, index: number, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return (value as Readonly<Record<string, unknown>>)[Array.isArray(value) ? index : name];
}
