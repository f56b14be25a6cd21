import { shown } from "../contracts/errors.ts";
import type { Cell } from "../contracts/layout.ts";
import { badSchema, badValue, type CellSource, checkInteger, type Field, plainCell } from "./field.ts";

const LOWEST = -(2 ** 31);
const HIGHEST = 2 ** 31 - 1;
const FULL_TURN = 2 * Math.PI;

/** The range of a number, and how far apart those are that can be told from one another. */
export interface NumberOptions {
  /** Lowest value. What is below becomes this one. */
  readonly min: number;
  /** Highest value. What is above becomes this one. */
  readonly max: number;
  /**
   * A value is rounded to the nearest multiple of this, half of it away at most: 0.01 for a hundredth. The
   * finer it is, the more bits it takes. `min` and `max` divided by it are 32-bit integers.
   */
  readonly precision: number;
  /**
   * It changes steadily, as a position does, so it is foretold from where it was, and is shown between two
   * ticks. Default false. For what jumps, foretelling costs bits.
   */
  readonly moves?: boolean;
}

/** `v`, as `v * per / step` cells. One of the two is 1, so that 0.3 reads as 0.3 and not as 3 * 0.1. */
interface Scale {
  readonly min: number;
  readonly max: number;
  readonly step: number;
  readonly per: number;
}

/**
 * An integer; at first 0, or what is nearest to it. Others are rounded (2.5 to 3, -2.5 to -2), and clamped to
 * the range; NaN is refused.
 *
 * @param min lowest, a 32-bit integer.
 * @param max highest, a 32-bit integer above `min`.
 * @throws RoomError `invalid_schema`.
 */
export function int(min: number, max: number): Field<number> {
  checkInteger("int: min", min, LOWEST, HIGHEST - 1);
  checkInteger("int: max", max, min + 1, HIGHEST);
  return numberField("int", [min, max], { min, max, step: 1, per: 1 }, false);
}

/**
 * A number of a precision; at first 0, or what is nearest to it. It is rounded to a multiple of the precision
 * when it is written, and clamped to the range, so 0 and what is in the range stay half a precision away at
 * most; NaN is refused.
 *
 * ```ts
 * import { number } from "@zocalo/room";
 *
 * const speed = number({ min: -20, max: 20, precision: 0.1 }); // 401 values: 9 bits
 * ```
 *
 * @throws RoomError `invalid_schema`.
 */
export function number(options: NumberOptions): Field<number> {
  const { scale, moves, parameters } = checkOptions("number", options);
  return numberField("number", parameters, scale, moves);
}

/** Two coordinates. */
export interface Vector2 {
  x: number;
  y: number;
}

/** Three coordinates. */
export interface Vector3 {
  x: number;
  y: number;
  z: number;
}

/** What may be written as a vector of two coordinates. */
export type GivenVector2 = Readonly<Vector2> | readonly [x: number, y: number];

/** What may be written as a vector of three coordinates. */
export type GivenVector3 = Readonly<Vector3> | readonly [x: number, y: number, z: number];

/**
 * Two or three numbers of the same range and precision. An entity's vector is a view: it follows the entity,
 * and `entity.at.x += 1` moves it. Copy one by `const { x, y } = entity.at`.
 *
 * ```ts
 * import { vector } from "@zocalo/room";
 *
 * const at = vector(2, { min: 0, max: 100, precision: 0.01, moves: true }); // reads as { x, y }
 * ```
 *
 * @throws RoomError `invalid_schema`.
 */
export function vector(size: 2, options: NumberOptions): Field<Vector2, GivenVector2>;
export function vector(size: 3, options: NumberOptions): Field<Vector3, GivenVector3>;
export function vector(size: 2 | 3, options: NumberOptions): Field<Vector2 | Vector3, unknown> {
  checkInteger("vector: the number of coordinates", size, 2, 3);
  const { scale, moves, parameters } = checkOptions("vector", options);
  const cell = numberCell(scale, moves);
  const zero = toCell(scale, 0, "");
  const View = size === 2 ? VectorView2 : VectorView3;
  return {
    type: "vector",
    parameters: [size, ...parameters],
    cells: size === 2 ? [cell, cell] : [cell, cell, cell],
    initial: size === 2 ? [zero, zero] : [zero, zero, zero],
    write(value, into, at, name) {
      const x = toCell(scale, part(value, 0, "x", name), name, ".x");
      const y = toCell(scale, part(value, 1, "y", name), name, ".y");
      if (size === 3) into[at + 2] = toCell(scale, part(value, 2, "z", name), name, ".z");
      into[at] = x;
      into[at + 1] = y;
    },
    read(cells, at, into = size === 2 ? { x: 0, y: 0 } : { x: 0, y: 0, z: 0 }) {
      into.x = fromCell(scale, cells[at] ?? 0);
      into.y = fromCell(scale, cells[at + 1] ?? 0);
      if ("z" in into) into.z = fromCell(scale, cells[at + 2] ?? 0);
      return into;
    },
    view: (source, offset, name) => new View(source, offset, name, scale),
  };
}

/**
 * An angle in radians, as `Math.atan2` gives it; at first 0. What is written may be any finite number; it
 * reads as the same direction, from -π to below π, at most π / 2^bits away. The shorter way round is the
 * difference of two.
 *
 * @param bits 2 to 24. With 8 an angle is at most 0.7° away, with 10 at most 0.18°.
 * @param options `moves`: it changes steadily, so it is foretold from where it was, and is shown between two
 *   ticks. Default false.
 * @throws RoomError `invalid_schema`.
 */
export function angle(bits: number, options: { readonly moves?: boolean } = {}): Field<number> {
  checkInteger("angle: bits", bits, 2, 24);
  const moves = options.moves === true;
  const size = 2 ** bits;
  const half = size / 2;
  const quantum = FULL_TURN / size;
  return {
    type: "angle",
    parameters: [bits, moves],
    cells: [{ ...plainCell(-half, half - 1, moves), wraps: true }],
    initial: [0],
    write(value, into, at, name) {
      if (!Number.isFinite(value)) badValue(name, value, "finite numbers, in radians");
      into[at] = ((Math.round((value % FULL_TURN) / quantum) + half) & (size - 1)) - half;
    },
    read(cells, at) {
      const cell = cells[at] ?? 0;
      // Between two ticks a cell may lie past the end.
      return (cell - size * Math.floor((cell + half) / size)) * quantum;
    },
  };
}

function numberField(
  type: string,
  parameters: Field["parameters"],
  scale: Scale,
  moves: boolean,
): Field<number> {
  return {
    type,
    parameters,
    cells: [numberCell(scale, moves)],
    initial: [toCell(scale, 0, "")],
    write(value, into, at, name) {
      into[at] = toCell(scale, value, name);
    },
    read: (cells, at) => fromCell(scale, cells[at] ?? 0),
  };
}

function checkOptions(
  type: string,
  options: NumberOptions,
): { scale: Scale; moves: boolean; parameters: Field["parameters"] } {
  const { min, max, precision } = options;
  const moves = options.moves === true;
  if (!Number.isFinite(min)) badSchema(`${type}: min is ${shown(min)}; allowed: finite numbers`);
  if (!Number.isFinite(max) || max <= min) {
    badSchema(`${type}: max is ${shown(max)}; allowed: finite numbers above min, which is ${min}`);
  }
  if (!(Number.isFinite(precision) && precision > 0 && precision <= max - min)) {
    badSchema(`${type}: precision is ${shown(precision)}; allowed: numbers above 0, up to max - min`);
  }
  const perUnit = Math.round(1 / precision);
  const isFraction = perUnit > 0 && Math.abs(perUnit * precision - 1) < 1e-9;
  const scale: Scale = isFraction
    ? { min, max, step: 1, per: perUnit }
    : { min, max, step: precision, per: 1 };
  const { min: lowest, max: highest } = numberCell(scale, moves);
  if (lowest < LOWEST || highest > HIGHEST) {
    badSchema(
      `${type}: precision is ${precision}; allowed: min (${min}) and max (${max}) divided by it are 32-bit integers`,
    );
  }
  return { scale, moves, parameters: [min, max, precision, moves] };
}

function numberCell(scale: Scale, moves: boolean): Cell {
  return plainCell(toCell(scale, scale.min, ""), toCell(scale, scale.max, ""), moves);
}

/** The cell of a number, which is in its range whatever the value is. */
function toCell(scale: Scale, value: unknown, name: string, axis = ""): number {
  const { min, max } = scale;
  if (typeof value !== "number" || Number.isNaN(value)) {
    badValue(name + axis, value, `numbers from ${min} to ${max}`);
  }
  const inRange = value < min ? min : value > max ? max : value;
  return Math.round((inRange * scale.per) / scale.step);
}

/**
 * The nearest multiple of the precision, or the end of the range where that would be past it. Its argument
 * may have a fraction, and may lie past the end, where it is shown between two ticks.
 */
function fromCell(scale: Scale, cell: number): number {
  const value = (cell * scale.step) / scale.per;
  return value < scale.min ? scale.min : value > scale.max ? scale.max : value;
}

/** A coordinate of what was given as a vector. */
function part(value: unknown, index: number, axis: string, name: string): unknown {
  if (typeof value !== "object" || value === null)
    badValue(name, value, "{ x, y } or [x, y], with z where it has three");
  return (value as Record<string | number, unknown>)[Array.isArray(value) ? index : axis];
}

/** A vector of an entity. */
class VectorView2 {
  readonly #source: CellSource;
  readonly #offset: number;
  readonly #name: string;
  readonly #scale: Scale;

  constructor(source: CellSource, offset: number, name: string, scale: Scale) {
    this.#source = source;
    this.#offset = source.start + offset;
    this.#name = name;
    this.#scale = scale;
  }

  get x(): number {
    return this.get(0);
  }

  set x(value: number) {
    this.set(0, value, ".x");
  }

  get y(): number {
    return this.get(1);
  }

  set y(value: number) {
    this.set(1, value, ".y");
  }

  protected get(index: number): number {
    return fromCell(this.#scale, this.#source.cells()[this.#offset + index] ?? 0);
  }

  protected set(index: number, value: unknown, axis: string): void {
    this.#source.writableCells()[this.#offset + index] = toCell(this.#scale, value, this.#name, axis);
  }

  read(): this {
    return this;
  }

  toJSON(): Vector2 {
    return { x: this.x, y: this.y };
  }
}

class VectorView3 extends VectorView2 {
  get z(): number {
    return this.get(2);
  }

  set z(value: number) {
    this.set(2, value, ".z");
  }

  override toJSON(): Vector3 {
    return { x: this.x, y: this.y, z: this.z };
  }
}
