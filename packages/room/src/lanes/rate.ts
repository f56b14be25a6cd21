/** Of a rate of bytes: the share of a second's that may leave at once. */
const BURST_SECONDS = 0.25;

/** A limit of so many a second: bytes that leave, or datagrams that come. */
export class Rate {
  readonly #perMs: number;
  readonly #burst: number;
  #left: number;
  #at: number;

  /** @param burst so many may pass at once */
  constructor(perSecond: number, burst: number, now: number) {
    this.#perMs = perSecond / 1_000;
    this.#burst = burst;
    this.#left = burst;
    this.#at = now;
  }

  /** Whether so many may pass now. */
  has(count: number, now: number): boolean {
    this.#left = Math.min(this.#burst, this.#left + (now - this.#at) * this.#perMs);
    this.#at = now;
    return this.#left >= count;
  }

  spend(count: number): void {
    this.#left -= count;
  }

  /** Whether so many may pass now; if so, they are spent. */
  take(count: number, now: number): boolean {
    if (!this.has(count, now)) return false;
    this.spend(count);
    return true;
  }
}

/**
 * A limit of bytes a second, of which a quarter of a second may leave at once.
 *
 * @param leastBurst bytes that may leave at once, however low the rate
 */
export function byteRate(bytesPerSecond: number, leastBurst: number, now: number): Rate {
  return new Rate(bytesPerSecond, Math.max(leastBurst, bytesPerSecond * BURST_SECONDS), now);
}

/** Of what comes a second, pings and their answers are some: a lane with less would seem silent. */
export const LEAST_RECEIVED = 16;

/** A limit of messages that come a second: a second's may come at once, as Wi-Fi has it. */
export function messageRate(perSecond: number, now: number): Rate {
  return new Rate(perSecond, perSecond, now);
}
