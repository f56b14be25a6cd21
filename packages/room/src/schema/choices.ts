import { shown } from "../contracts/errors.ts";
import { type Field, plainCell } from "./field.ts";

/**
 * True or false; at first false. Nothing else may be written, be it 0 or 1. It takes one bit.
 *
 * ```ts
 * import { bool, defineGame } from "@zocalo/room";
 *
 * const kinds = { player: { isHidden: bool() } };
 * const game = defineGame({ version: 1, ticksPerSecond: 30, kinds, input: { jump: bool() } });
 * const player = game.world().add("player", { isHidden: true });
 * console.log(player.isHidden); // true
 * ```
 */
export function bool(): Field<boolean> {
  return {
    type: "bool",
    parameters: [],
    cells: [plainCell(0, 1)],
    initial: false,
    write(value, into, at) {
      if (typeof value !== "boolean") return "true, false";
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
 */
export function oneOf<const Name extends string>(...names: readonly Name[]): Field<Name> {
  return {
    type: "oneOf",
    parameters: names,
    cells: [plainCell(0, names.length - 1)],
    initial: names[0] as Name,
    write(value, into, at) {
      const index = names.indexOf(value);
      if (index < 0) return names.map(shown).join(", ");
      into[at] = index;
    },
    // Every cell in its range has a name.
    read: (cells, at) => names[cells[at] ?? 0] as Name,
  };
}

/** The field of `reference`. */
export interface ReferenceField extends Field<object | undefined> {
  readonly type: "reference";
}

/**
 * Another entity of the same world, or `undefined`; at first `undefined`. Once that entity is removed, it
 * reads as `undefined`, and never as the entity that took its slot. One that was removed before may be
 * written, too, and reads as `undefined` at once.
 *
 * An input has none: the page's slots are not those of the server.
 *
 * ```ts
 * import { bool, defineGame, int, reference } from "@zocalo/room";
 *
 * const kinds = { player: { health: int(0, 100) }, shot: { by: reference() } };
 * const game = defineGame({ version: 1, ticksPerSecond: 30, kinds, input: { fire: bool() } });
 * const world = game.world();
 * const ana = world.add("player");
 * const shot = world.add("shot", { by: ana });
 * world.remove(ana);
 * console.log(shot.by); // undefined
 * ```
 */
export function reference(): ReferenceField {
  return {
    type: "reference",
    parameters: [],
    cells: [{ ...plainCell(0, 65_535), refers: true }],
    initial: undefined,
    write: (value, _into, at, owner) => owner?.refer(at, value),
    read(cells, at, owner) {
      const target = cells[at] ?? 0;
      return target === 0 ? undefined : owner?.get(target - 1);
    },
  };
}
