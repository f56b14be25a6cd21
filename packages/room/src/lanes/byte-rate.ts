/** The share of a second's bytes that may leave at once. */
const BURST_SECONDS = 0.25;

/** A limit of bytes a second, of which a quarter of a second may leave at once. */
export class ByteRate {
  readonly #bytesPerMs: number;
  readonly #burst: number;
  #left: number;
  #at: number;

  /** @param leastBurst bytes that may leave at once, however low the rate */
  constructor(bytesPerSecond: number, leastBurst: number, now: number) {
    this.#bytesPerMs = bytesPerSecond / 1_000;
    this.#burst = Math.max(leastBurst, bytesPerSecond * BURST_SECONDS);
    this.#left = this.#burst;
    this.#at = now;
  }

  /** Whether so many may leave now. */
  has(bytes: number, now: number): boolean {
    this.#left = Math.min(this.#burst, this.#left + (now - this.#at) * this.#bytesPerMs);
    this.#at = now;
    return this.#left >= bytes;
  }

  spend(bytes: number): void {
    this.#left -= bytes;
  }
}
