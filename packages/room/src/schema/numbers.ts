import { type Field, plainCell } from "./field.ts";

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

/**
 * An integer; at first 0, or what is nearest to it. Others are rounded (2.5 to 3, -2.5 to -2), and clamped to
 * the range; NaN is refused.
 *
 * ```ts
 * import { int } from "@zocalo/room";
 *
 * const health = int(0, 100); // 101 values: 7 bits
 * ```
 *
 * @param min lowest, a 32-bit integer.
 * @param max highest, a 32-bit integer above `min`.
 */
export function int(min: number, max: number): Field<number> {
  return { ...number({ min, max, precision: 1 }), type: "int" };
}

/**
 * A number of a precision; at first 0, or what is nearest to it. It is rounded to a multiple of the precision
 * when it is written, and clamped to the range, so what is in the range moves by half a precision at most;
 * NaN is refused.
 *
 * ```ts
 * import { number } from "@zocalo/room";
 *
 * const speed = number({ min: -20, max: 20, precision: 0.1 }); // 401 values: 9 bits
 * ```
 */
export function number(options: NumberOptions): Field<number> {
  const { min, max, precision, moves = false } = options;
  // A value is `cell * step / per`, where one of the two is 1, so that 0.3 reads as 0.3 and not as 3 * 0.1.
  const whole = Math.round(1 / precision);
  const isWhole = Math.abs(whole * precision - 1) < 1e-9;
  const per = isWhole ? whole : 1;
  const step = isWhole ? 1 : precision;
  const cellOf = (end: number): number => Math.round((end * per) / step);
  return {
    type: "number",
    parameters: [min, max, precision, moves],
    cells: [plainCell(cellOf(min), cellOf(max), moves)],
    initial: 0,
    write(value, into, at) {
      if (typeof value !== "number" || Number.isNaN(value)) return `numbers from ${min} to ${max}`;
      into[at] = Math.round(((value < min ? min : value > max ? max : value) * per) / step);
    },
    read(cells, at) {
      // The ends of the range need not be multiples. Between two ticks a cell may have a fraction.
      const value = ((cells[at] as number) * step) / per;
      return value < min ? min : value > max ? max : value;
    },
  };
}

/**
 * An angle in radians, as `Math.atan2` gives it; at first 0. What is written may be any finite number; it
 * reads as the same direction, from -π to below π, at most π / 2^bits away. The shorter way round is the
 * difference of two.
 *
 * ```ts
 * import { angle } from "@zocalo/room";
 *
 * const aim = angle(10); // 1,024 directions: 10 bits
 * ```
 *
 * @param bits 2 to 24. With 8 an angle is at most 0.71° away, with 10 at most 0.18°.
 * @param options `moves`: it changes steadily, so it is foretold from where it was, and is shown between two
 *   ticks. Default false.
 */
export function angle(bits: number, options: { readonly moves?: boolean } = {}): Field<number> {
  const { moves = false } = options;
  const size = 2 ** bits;
  const half = size / 2;
  const quantum = FULL_TURN / size;
  return {
    type: "angle",
    parameters: [bits, moves],
    cells: [{ ...plainCell(-half, half - 1, moves), wraps: true }],
    initial: 0,
    write(value, into, at) {
      if (!Number.isFinite(value)) return "finite numbers, in radians";
      into[at] = ((Math.round((value % FULL_TURN) / quantum) + half) & (size - 1)) - half;
    },
    read(cells, at) {
      const cell = cells[at] ?? 0;
      // Between two ticks a cell may lie past the end.
      return (cell - size * Math.floor((cell + half) / size)) * quantum;
    },
  };
}
