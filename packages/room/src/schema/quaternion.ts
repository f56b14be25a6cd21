import { type Field, partOf, type Placed, plainCell } from "./field.ts";
import type { Cells } from "./row.ts";
import { View } from "./view.ts";

/** A rotation, of length 1. `-q` is the same one as `q`; what is read may be either. */
export interface Quaternion {
  readonly x: number;
  readonly y: number;
  readonly z: number;
  readonly w: number;
}

/** What may be written as a rotation: of any length but 0. */
export type GivenQuaternion = Quaternion | readonly [x: number, y: number, z: number, w: number];

/** In the order in which a list has them. */
const NAMES = ["x", "y", "z", "w"] as const;
/** Of each name, where it is among the components. */
const AXES = [1, 2, 3, 0] as const;
const ALLOWED = "{ x, y, z, w } or [x, y, z, w] of finite numbers, not all of them 0";

/** Of a component that may be left out: below it what the others say of it is too coarse. */
const CLEAR = 0.4;
/** How far from a whole cell a component may be to be one that was read, in cells. */
const NEARLY = 1e-6;

// Four components, w first, so that cells of 0 are no rotation at all. They are at work for one call.
const given = new Float64Array(4);
const found = new Float64Array(4);

/**
 * A rotation in four cells: which of the four components is the largest, and the other three ("smallest
 * three"), each in `bits`; at first none. It takes 3 × `bits` + 2 bits, and is less than 6 / 2^bits radians
 * away from what was written: 0.34° with 10 bits.
 *
 * An entity's rotation is a view: it follows the entity. Assign a whole one: `entity.turn = { x, y, z, w }`.
 * It is brought to length 1; one of length 0 is refused, as NaN and infinite numbers are.
 *
 * ```ts
 * import { quaternion } from "@zocalo/room";
 *
 * const turn = quaternion(10); // reads as { x, y, z, w }: 32 bits
 * ```
 *
 * @param bits 6 to 20.
 */
export function quaternion(bits: number): Field<Quaternion, GivenQuaternion> {
  const most = 2 ** (bits - 1) - 1;
  const quantum = Math.SQRT1_2 / most;
  const small = plainCell(-most, most);
  const parts = NAMES.map(
    (name, index): Placed => ({ name, offset: 0, field: part(quantum, AXES[index] ?? 0) }),
  );
  const RotationView = View.with(parts);
  return {
    type: "quaternion",
    parameters: [bits],
    cells: [plainCell(0, 3), small, small, small],
    initial: [0, 0, 0, 1],
    parts,
    write(value, into, at) {
      if (!take(value)) return ALLOWED;
      let largest = onGrid(quantum, most);
      if (largest < 0) {
        largest = 0;
        for (let axis = 1; axis < 4; axis++) if (size(axis) > size(largest)) largest = axis;
        store(into, at, largest, quantum, most);
        // Where two are about equal, what is read may be whole cells without the other one, too. The first is
        // taken, so that writing what was read changes no cell.
        load(into, at, quantum, given);
        const first = onGrid(quantum, most);
        if (first >= 0) largest = first;
      }
      store(into, at, largest, quantum, most);
    },
    read(cells, at) {
      load(cells, at, quantum, found);
      const [w = 0, x = 0, y = 0, z = 0] = found;
      return { x, y, z, w };
    },
    reader: (row, path) => {
      const view = new RotationView(row, path);
      return () => view as unknown as Quaternion;
    },
  };
}

/** A component, which is read, and not written alone. */
function part(quantum: number, axis: number): Field<number> {
  return {
    type: "component",
    parameters: [],
    cells: [],
    initial: 0,
    write: () => "assigning a whole rotation",
    read(cells, at) {
      load(cells, at, quantum, found);
      return found[axis] ?? 0;
    },
  };
}

/** Puts what was given into `given`, at length 1; false if it is no rotation. */
function take(value: unknown): boolean {
  let largest = 0;
  for (let index = 0; index < 4; index++) {
    const part = partOf(value, index, NAMES[index] ?? "");
    if (typeof part !== "number" || !Number.isFinite(part)) return false;
    given[AXES[index] ?? 0] = part;
    largest = Math.max(largest, Math.abs(part));
  }
  if (largest === 0) return false;
  // Divided first, so that no square is past what a number holds.
  divide(given, largest);
  divide(given, Math.sqrt(squares(given)));
  return true;
}

/** The first component of `given` without which the others are whole cells; -1 if there is none. */
function onGrid(quantum: number, most: number): number {
  for (let largest = 0; largest < 4; largest++) {
    if (size(largest) < CLEAR) continue;
    let isOn = true;
    for (let axis = 0; axis < 4; axis++) {
      const cells = size(axis) / quantum;
      const nearest = Math.round(cells);
      if (axis !== largest && (nearest > most || Math.abs(cells - nearest) > NEARLY)) isOn = false;
    }
    if (isOn) return largest;
  }
  return -1;
}

function size(axis: number): number {
  return Math.abs(given[axis] ?? 0);
}

/** Writes `given`, its component `largest` left out; `q` or `-q`, whichever has that one positive. */
function store(into: Int32Array, at: number, largest: number, quantum: number, most: number): void {
  const unit = (given[largest] ?? 0) < 0 ? -quantum : quantum;
  into[at] = largest;
  let index = at + 1;
  for (let axis = 0; axis < 4; axis++) {
    if (axis === largest) continue;
    into[index++] = Math.max(-most, Math.min(most, Math.round((given[axis] ?? 0) / unit)));
  }
}

/** Reads a rotation of length 1, whatever the cells are. */
function load(cells: Cells, at: number, quantum: number, into: Float64Array): void {
  const largest = cells[at] ?? 0;
  let index = at + 1;
  for (let axis = 0; axis < 4; axis++) into[axis] = axis === largest ? 0 : (cells[index++] ?? 0) * quantum;
  const square = squares(into);
  if (square < 1) into[largest] = Math.sqrt(1 - square);
  else divide(into, Math.sqrt(square));
}

function squares(of: Float64Array): number {
  const [a = 0, b = 0, c = 0, d = 0] = of;
  return a * a + b * b + c * c + d * d;
}

function divide(by: Float64Array, length: number): void {
  for (let axis = 0; axis < 4; axis++) by[axis] = (by[axis] ?? 0) / length;
}
