import { COST } from "@zocalo/protocol";

/**
 * A token bucket: `perSecond` commands on average, `burst` at once. It counts in thousandths of a command, so
 * that milliseconds times commands a second stay whole. Takes the time as an argument, so it is
 * deterministic.
 */
export class RateLimit {
  readonly #perSecond: number;
  readonly #capacity: number;
  #level: number;
  #at: number;

  /** @param now milliseconds of uptime; the bucket starts full */
  constructor(perSecond: number, burst: number, now: number) {
    this.#perSecond = perSecond;
    this.#capacity = burst * COST.command;
    this.#level = this.#capacity;
    this.#at = now;
  }

  /** Takes what any command costs; false if there is not so much. */
  take(now: number): boolean {
    this.#refill(now);
    if (this.#level < COST.command) return false;
    this.#level -= COST.command;
    return true;
  }

  /**
   * Takes what a command turned out to cost beyond that, in thousandths. It may leave a debt, at most as
   * large as the burst: so no command is too dear to be served, and none keeps its sender out for longer than
   * two bursts take.
   */
  spend(cost: number): void {
    this.#level = Math.max(-this.#capacity, this.#level - cost);
  }

  /** True if nothing would be lost by beginning with a new one. */
  isFull(now: number): boolean {
    this.#refill(now);
    return this.#level === this.#capacity;
  }

  /**
   * Milliseconds until a tenth of the burst may be taken at once, rounded up: whoever obeys has something to
   * send with, where a single token would be gone with the first of the commands that wait.
   */
  get retryMs(): number {
    const wanted = Math.max(COST.command, this.#capacity / 10);
    return Math.max(0, Math.ceil((wanted - this.#level) / this.#perSecond));
  }

  #refill(now: number): void {
    this.#level = Math.min(this.#capacity, this.#level + (now - this.#at) * this.#perSecond);
    this.#at = now;
  }
}
