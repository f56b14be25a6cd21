import type { InputShape } from "../contracts/input-shape.ts";
import type { Cell } from "../contracts/layout.ts";
import { place } from "./compile.ts";
import type { Placed } from "./entity.ts";
import { badSchema, badValue } from "./field.ts";
import type { Fields, GivenInputOf, InputOf } from "./types.ts";

/** The input of a game, compiled. */
export class InputCodec<F extends Fields> implements InputShape<InputOf<F>, GivenInputOf<F>> {
  readonly cells: readonly Cell[];
  readonly fields: readonly Placed[];
  readonly #initial: readonly number[];

  constructor(definition: F) {
    const { fields, cells, initial } = place(definition, "input");
    for (const { path, field } of fields) {
      if (field.type === "reference") badSchema(`${path} is a reference; allowed: fields of other types`);
    }
    this.cells = cells;
    this.fields = fields;
    this.#initial = initial;
  }

  toCells(input: GivenInputOf<F>, cells: Int32Array, at: number): void {
    if (typeof input !== "object" || input === null) badValue("input", input, "an object of its fields");
    const values = input as Readonly<Record<string, unknown>>;
    for (const { name, path, field, offset } of this.fields) {
      const value = values[name];
      if (value !== undefined) {
        field.write(value, cells, at + offset, path);
        continue;
      }
      for (let index = offset; index < offset + field.cells.length; index++) {
        cells[at + index] = this.#initial[index] ?? 0;
      }
    }
  }

  fromCells(cells: Int32Array, at: number, into?: InputOf<F>): InputOf<F> {
    const values = (into ?? {}) as Record<string, unknown>;
    for (const { name, field, offset } of this.fields) {
      values[name] = field.read(cells, at + offset, values[name]);
    }
    return values as InputOf<F>;
  }
}
