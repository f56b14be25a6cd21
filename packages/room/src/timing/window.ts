/**
 * The last so many of something that is measured. It takes room as it fills; once it is full adding allocates
 * nothing. What is asked of them all is worked out when it is asked, and again only after another was added.
 */
export class SlidingWindow {
  readonly #size: number;
  // Empty at first: each of a thousand idle rooms has one.
  readonly #values: number[] = [];
  #sorted = new Float64Array(0);
  #at = 0;
  #isSorted = false;

  /** @param size How many are kept: 1 or more. */
  constructor(size: number) {
    this.#size = size;
  }

  /** How many there are. */
  get count(): number {
    return this.#values.length;
  }

  add(value: number): void {
    this.#values[this.#at] = value;
    this.#at = (this.#at + 1) % this.#size;
    this.#isSorted = false;
  }

  clear(): void {
    this.#at = this.#values.length = 0;
  }

  /**
   * A quantile of the values that are kept: with `q` 0 the least, with 0.5 the median, with 1 the greatest.
   * 0 if there are none.
   */
  quantile(q: number): number {
    const { count } = this;
    if (!this.#isSorted) {
      if (this.#sorted.length !== count) this.#sorted = new Float64Array(count);
      this.#sorted.set(this.#values);
      this.#sorted.sort();
      this.#isSorted = true;
    }
    return count === 0 ? 0 : (this.#sorted[Math.max(0, Math.ceil(q * count) - 1)] ?? 0);
  }
}
