import { RoomError, type RoomErrorCode, shown } from "../contracts/errors.ts";
import type { Cell } from "../contracts/layout.ts";

/** Cells of a world, or of a frame that is shown between two ticks. */
export type Cells = Int32Array | Float64Array;

/**
 * A field of a kind, or of an input: what it is made of, and how a value becomes cells and cells a value.
 * Make one by `bool`, `int`, `number`, `vector`, `angle`, `quaternion`, `oneOf`, `text` or `reference`.
 *
 * @typeParam Value what is read.
 * @typeParam Given what may be written.
 */
export interface Field<Value = unknown, Given = Value> {
  readonly type: string;
  /** What both sides have to agree on, apart from the names. */
  readonly parameters: readonly (string | number | boolean)[];
  readonly cells: readonly Cell[];
  /** The cells before anything was written. */
  readonly initial: readonly number[];
  /**
   * Quantises `value` into cells from `at` on: all of them or, where it throws, none.
   *
   * @param name for the message of an error: `player.at`.
   */
  write(value: Given, into: Int32Array, at: number, name: string): void;
  /**
   * What cells from `at` on hold.
   *
   * @param into a value of an earlier read, which may be overwritten and returned.
   */
  read(cells: Cells, at: number, into?: Value): Value;
  /** How an entity has it, where a plain value would be allocated each time, or could not be changed. */
  readonly view?: (source: CellSource, offset: number, name: string) => View<Value>;
}

/** What an entity's field is read by, made once for each entity and kept. */
export interface View<Value = unknown> {
  read(): Value;
}

/** The row of one entity. */
export interface CellSource {
  /** Where its cells begin. */
  readonly start: number;
  /** @throws RoomError `removed`. */
  cells(): Cells;
  /** @throws RoomError `removed`, or `read_only` in a frame. */
  writableCells(): Int32Array;
}

/** A cell with nothing special. */
export function plainCell(min: number, max: number, moves = false): Cell {
  return { min, max, wraps: false, moves, refers: false };
}

/** Throws for a definition that is none. */
export function badSchema(message: string): never {
  throw new RoomError("invalid_schema", message);
}

/** Throws for a value that a field cannot hold. */
export function badValue(name: string, value: unknown, allowed: string): never {
  throw new RoomError("invalid_value", `${name} is ${shown(value)}; allowed: ${allowed}`);
}

/** Throws where an option is not an integer of this range. */
export function checkInteger(
  name: string,
  value: unknown,
  min: number,
  max: number,
  code: RoomErrorCode = "invalid_schema",
): void {
  if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
    throw new RoomError(code, `${name} is ${shown(value)}; allowed: integers from ${min} to ${max}`);
  }
}
