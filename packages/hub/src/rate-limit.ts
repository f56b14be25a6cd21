/** A token bucket: `perSecond` on average, `burst` at once. Takes the time as an argument, so it is deterministic. */
export class RateLimit {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #at: number;

  /** @param now milliseconds; the bucket starts full */
  constructor(perSecond: number, burst: number, now: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
    this.#at = now;
  }

  /** Takes one token; false if there is none. */
  take(now: number): boolean {
    // A clock that was set back gives nothing and takes nothing.
    const elapsed = Math.max(0, now - this.#at);
    this.#at = now;
    this.#tokens = Math.min(this.#burst, this.#tokens + (elapsed * this.#perSecond) / 1_000);
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** Milliseconds until there is a token again, rounded up. */
  get retryMs(): number {
    return Math.max(0, Math.ceil(((1 - this.#tokens) * 1_000) / this.#perSecond));
  }
}
