import { shown } from "../contracts/errors.ts";
import { type Field, partOf, type Placed, readFields } from "./field.ts";
import { number, type NumberOptions } from "./numbers.ts";
import { View } from "./view.ts";

/** Two coordinates, in units of the field. */
export interface Vector2 {
  x: number;
  y: number;
}

/** Three coordinates, in units of the field. */
export interface Vector3 {
  x: number;
  y: number;
  z: number;
}

/** What may be written as a vector of two coordinates. */
export type GivenVector2 = Readonly<Vector2> | readonly [x: number, y: number];

/** What may be written as a vector of three coordinates. */
export type GivenVector3 = Readonly<Vector3> | readonly [x: number, y: number, z: number];

/** Where all coordinates are until it is known that none of them is refused. */
const quantised = new Int32Array(3);

/**
 * Two or three numbers of the same range and precision; at first 0, or what is nearest to it. An entity's
 * vector is a view: it follows the entity, and `entity.at.x += 1` moves that. Copy one by
 * `const { x, y } = entity.at`.
 *
 * ```ts
 * import { vector } from "@zocalo/room";
 *
 * const at = vector(2, { min: 0, max: 100, precision: 0.01, moves: true }); // reads as { x, y }
 * ```
 */
export function vector(size: 2, options: NumberOptions): Field<Vector2, GivenVector2>;
export function vector(size: 3, options: NumberOptions): Field<Vector3, GivenVector3>;
export function vector(size: 2 | 3, options: NumberOptions): Field<unknown> {
  const field = number(options);
  const parts = ["x", "y", "z"].slice(0, size).map((name, offset): Placed => ({ name, field, offset }));
  const VectorView = View.with(parts);
  return {
    type: "vector",
    parameters: [size, ...field.parameters],
    cells: parts.flatMap(() => field.cells),
    initial: [0, 0, 0],
    parts,
    write(value, into, at) {
      for (const { name, offset } of parts) {
        const part = partOf(value, offset, name);
        const allowed = field.write(part as number, quantised, offset);
        if (allowed !== undefined)
          return `{ x, y } or [x, y], with z in space, of ${allowed}, not ${shown(part)}`;
      }
      for (const { offset } of parts) into[at + offset] = quantised[offset] ?? 0;
    },
    read: (cells, at) => readFields(parts, cells, at, {}),
    reader: (row, path) => {
      const view = new VectorView(row, path);
      return () => view;
    },
  };
}
