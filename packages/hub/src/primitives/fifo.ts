/**
 * A queue in which each step costs the same however long it is. An array's `shift` moves all the rest, and
 * the first entry of a `Map` that entries were deleted from stands behind their remains.
 */
export class Fifo<Value> {
  #values: Value[] = [];
  #start = 0;

  get length(): number {
    return this.#values.length - this.#start;
  }

  /** The oldest one. */
  get first(): Value | undefined {
    return this.#values[this.#start];
  }

  push(value: Value): void {
    this.#values.push(value);
  }

  /** Takes the oldest one away. */
  shift(): Value | undefined {
    const value = this.#values[this.#start];
    if (this.length === 0) return undefined;
    this.#start++;
    if (this.#start * 2 >= this.#values.length) {
      // No more are moved than were taken since the last time.
      this.#values = this.#values.slice(this.#start);
      this.#start = 0;
    }
    return value;
  }

  /** At most `count` of them, from the one at `index`. */
  slice(index: number, count: number): Value[] {
    const from = this.#start + index;
    return this.#values.slice(from, from + count);
  }
}
