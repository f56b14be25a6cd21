import type { InputShape } from "../contracts/input-shape.ts";
import type { Cell } from "../contracts/layout.ts";
import { place, type PlacedFields } from "./compile.ts";
import { readFields, writeFields } from "./field.ts";
import type { Fields, GivenInputOf, InputOf } from "./types.ts";

/** The input of a game, compiled. */
export class InputCodec<F extends Fields> implements InputShape<InputOf<F>, GivenInputOf<F>> {
  readonly placed: PlacedFields;

  constructor(definition: F) {
    this.placed = place(definition);
  }

  get cells(): readonly Cell[] {
    return this.placed.cells;
  }

  toCells(input: GivenInputOf<F>, cells: Int32Array, at: number): void {
    const { fields, initial } = this.placed;
    cells.set(initial, at);
    writeFields(fields, input, cells, at, "input");
  }

  fromCells(cells: Int32Array, at: number, into: object = {}): InputOf<F> {
    return readFields(this.placed.fields, cells, at, into as Record<string, unknown>) as InputOf<F>;
  }
}
