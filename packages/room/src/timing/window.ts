/**
 * The last so many of something that is measured. Adding allocates nothing; what is asked of them all is
 * worked out when it is asked, and again only after another was added.
 */
export class SlidingWindow {
  readonly #values: Float64Array;
  readonly #sorted: Float64Array;
  #at = 0;
  #isSorted = true;
  /** How many there are. */
  count = 0;

  /** @param size How many are kept: 1 or more. */
  constructor(size: number) {
    this.#values = new Float64Array(size);
    this.#sorted = new Float64Array(size);
  }

  add(value: number): void {
    const { length } = this.#values;
    this.#values[this.#at] = value;
    this.#at = (this.#at + 1) % length;
    this.count = Math.min(length, this.count + 1);
    this.#isSorted = false;
  }

  clear(): void {
    this.#at = this.count = 0;
  }

  /**
   * A quantile of the values that are kept: with `q` 0 the least, with 0.5 the median, with 1 the greatest.
   * 0 if there are none.
   */
  quantile(q: number): number {
    const { count } = this;
    if (!this.#isSorted) {
      // What is not in use sorts to the end.
      this.#sorted.fill(Number.POSITIVE_INFINITY).set(this.#values.subarray(0, count));
      this.#sorted.sort();
      this.#isSorted = true;
    }
    return count === 0 ? 0 : (this.#sorted[Math.max(0, Math.ceil(q * count) - 1)] ?? 0);
  }
}
