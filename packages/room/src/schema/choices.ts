import { shown } from "../contracts/errors.ts";
import { badSchema, badValue, checkInteger, type Field, plainCell } from "./field.ts";

/** Most names of `oneOf`. */
const MOST_NAMES = 1_024;

/** True or false; at first false. Nothing else may be written, be it 0 or 1. */
export function bool(): Field<boolean> {
  return {
    type: "bool",
    parameters: [],
    cells: [plainCell(0, 1)],
    initial: [0],
    write(value, into, at, name) {
      if (typeof value !== "boolean") badValue(name, value, "true and false");
      into[at] = value ? 1 : 0;
    },
    read: (cells, at) => cells[at] === 1,
  };
}

/**
 * One of a few names; at first the first of them. Another one cannot be written.
 *
 * ```ts
 * import { oneOf } from "@zocalo/room";
 *
 * const team = oneOf("sun", "moon"); // reads as "sun" | "moon"
 * ```
 *
 * @param names 2 to 1,024 of them, no two of them equal. Both sides need them in the same order.
 * @throws RoomError `invalid_schema`.
 */
export function oneOf<const Name extends string>(...names: readonly Name[]): Field<Name> {
  checkInteger("oneOf: the number of names", names.length, 2, MOST_NAMES);
  const indexes = new Map<unknown, number>();
  for (const name of names) {
    if (typeof name !== "string") badSchema(`oneOf: ${shown(name)} is a name; allowed: strings`);
    if (indexes.has(name)) badSchema(`oneOf: ${shown(name)} stands there twice`);
    indexes.set(name, indexes.size);
  }
  const all = [...names];
  return {
    type: "oneOf",
    parameters: all,
    cells: [plainCell(0, all.length - 1)],
    initial: [0],
    write(value, into, at, name) {
      const index = indexes.get(value);
      if (index === undefined) badValue(name, value, all.map(shown).join(", "));
      into[at] = index;
    },
    // Every cell in its range has a name.
    read: (cells, at) => all[cells[at] ?? 0] as Name,
  };
}

/** The field of `reference`. What its cell means, the world knows. */
export interface ReferenceField extends Field<undefined> {
  readonly type: "reference";
}

/**
 * Another entity of the same world, or `undefined`; at first `undefined`. Once that entity is removed, it
 * reads as `undefined`, and never as the entity that took its slot.
 *
 * An input has none: the page's slots are not those of the server.
 */
export function reference(): ReferenceField {
  return {
    type: "reference",
    parameters: [],
    cells: [{ ...plainCell(0, 65_535), refers: true }],
    initial: [0],
    write(_value, into, at) {
      into[at] = 0;
    },
    read: () => undefined,
  };
}
