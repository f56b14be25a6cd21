import type { Cell } from "./layout.ts";

/**
 * What one input of a player consists of: cells, as rows do, so that it is packed, repeated and compared as
 * integers.
 *
 * @typeParam Input what a game reads: every field.
 * @typeParam Given what a page or a bot writes: fields that are left out have their initial value.
 */
export interface InputShape<Input = unknown, Given = Input> {
  /** At least one and at most 64. No cell refers. */
  readonly cells: readonly Cell[];
  /**
   * Quantises an input into `cells.length` cells from `at` on. What it writes is in the range of each cell.
   *
   * @throws RoomError `invalid_value` for a value that no cell can hold; then some cells may be written.
   */
  toCells(input: Given, cells: Int32Array, at: number): void;
  /**
   * The input that cells hold.
   *
   * @param into an input of this shape to overwrite and return, so that nothing is allocated. Default: a new
   *   one.
   */
  fromCells(cells: Int32Array, at: number, into?: Input): Input;
}
