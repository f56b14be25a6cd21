/** What one command costs: the bucket counts in thousandths, so that milliseconds times commands a second stay whole. */
const COST = 1_000;

/** A token bucket: `perSecond` on average, `burst` at once. Takes the time as an argument, so it is deterministic. */
export class RateLimit {
  readonly #perSecond: number;
  readonly #capacity: number;
  #level: number;
  #at: number;

  /** @param now milliseconds; the bucket starts full */
  constructor(perSecond: number, burst: number, now: number) {
    this.#perSecond = perSecond;
    this.#capacity = burst * COST;
    this.#level = this.#capacity;
    this.#at = now;
  }

  /** Takes one token; false if there is none. */
  take(now: number): boolean {
    // A clock that was set back gives nothing and takes nothing.
    const elapsed = Math.max(0, now - this.#at);
    this.#at = now;
    this.#level = Math.min(this.#capacity, this.#level + elapsed * this.#perSecond);
    if (this.#level < COST) return false;
    this.#level -= COST;
    return true;
  }

  /**
   * Milliseconds until a tenth of the burst may be taken at once, rounded up: whoever obeys has something to send with, where
   * a single token would be gone with the first of the commands that wait.
   */
  get retryMs(): number {
    const wanted = Math.max(COST, this.#capacity / 10);
    return Math.max(0, Math.ceil((wanted - this.#level) / this.#perSecond));
  }
}
