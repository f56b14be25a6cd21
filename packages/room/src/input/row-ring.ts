/** The newest rows of cells by their numbers: inputs, or states. One `size` numbers on takes their place. */
export class RowRing {
  readonly #numbers: Float64Array;
  readonly #rows: readonly Int32Array[];

  /** @param width How many cells a row has. */
  constructor(size: number, width: number) {
    this.#numbers = new Float64Array(size).fill(-1);
    const cells = new Int32Array(size * width);
    this.#rows = Array.from(this.#numbers, (_, at) => cells.subarray(at * width, (at + 1) * width));
  }

  has(number: number): boolean {
    return number >= 0 && this.#numbers[number % this.#numbers.length] === number;
  }

  /** The row of `number`, lent until another takes its place; `undefined` if it is not there. */
  get(number: number): Int32Array | undefined {
    return this.has(number) ? this.#rows[number % this.#rows.length] : undefined;
  }

  /** Takes a copy. */
  set(number: number, row: Int32Array): void {
    const at = number % this.#numbers.length;
    this.#numbers[at] = number;
    this.#rows[at]?.set(row);
  }

  clear(): void {
    this.#numbers.fill(-1);
  }
}
