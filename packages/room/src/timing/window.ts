/**
 * The last so many of something that is measured. Adding allocates nothing; what is asked of them all is
 * worked out when it is asked, and again only after another was added.
 */
export class SlidingWindow {
  readonly #values: Float64Array;
  readonly #sorted: Float64Array;
  #at = 0;
  #count = 0;
  #isSorted = true;

  /** @param size How many are kept: 1 or more. */
  constructor(size: number) {
    this.#values = new Float64Array(size);
    this.#sorted = new Float64Array(size);
  }

  get count(): number {
    return this.#count;
  }

  add(value: number): void {
    this.#values[this.#at] = value;
    this.#at = (this.#at + 1) % this.#values.length;
    if (this.#count < this.#values.length) this.#count += 1;
    this.#isSorted = false;
  }

  clear(): void {
    this.#at = 0;
    this.#count = 0;
  }

  /**
   * A quantile of the values that are kept: with `q` 0 the least, with 0.5 the median, with 1 the greatest.
   * 0 if there are none.
   */
  quantile(q: number): number {
    if (this.#count === 0) return 0;
    const sorted = this.#sorted.subarray(0, this.#count);
    if (!this.#isSorted) {
      sorted.set(this.#values.subarray(0, this.#count));
      sorted.sort();
      this.#isSorted = true;
    }
    return sorted[Math.max(0, Math.ceil(q * this.#count) - 1)] ?? 0;
  }
}
