import type { Clock } from "../primitives/clock.ts";

/** How long commands are carried out before the event loop gets its turn, in milliseconds. */
const LONGEST_RUN_MS = 3;

/**
 * Shares the event loop between those whose commands wait. What comes in one turn is carried out for a few
 * milliseconds; the rest waits for later turns, in which addresses take theirs one after the other. So
 * neither a burst nor many connections of one address keep others waiting.
 */
export class Turns {
  readonly #clock: Clock;
  /** The uptime at which this turn's work is over; unset before the first. */
  #endsAt: number | undefined;
  /** Who waits, by whom they count for. */
  readonly #waiting = new Map<object, (() => void)[]>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Nothing while there is time in this turn; otherwise resolves in a turn of its own. */
  next(whose: object): Promise<void> | undefined {
    if (this.#endsAt === undefined) this.#begin();
    else if (this.#clock.uptime() >= this.#endsAt) {
      return new Promise((resolve) => {
        const waiting = this.#waiting.get(whose);
        if (waiting) waiting.push(resolve);
        else this.#waiting.set(whose, [resolve]);
      });
    }
    return undefined;
  }

  /** Gives when its time is over. */
  #begin(): number {
    const endsAt = this.#clock.uptime() + LONGEST_RUN_MS;
    this.#endsAt = endsAt;
    this.#clock.after(0, () => void this.#end());
    return endsAt;
  }

  /** Those who wait begin the next turn, one address after the other, as long as there is time. */
  async #end(): Promise<void> {
    this.#endsAt = undefined;
    if (this.#waiting.size === 0) return;
    const endsAt = this.#begin();
    for (const [whose, waiting] of this.#waiting) {
      const resolve = waiting.shift();
      this.#waiting.delete(whose);
      if (waiting.length > 0) this.#waiting.set(whose, waiting); // behind the others
      resolve?.();
      await Promise.resolve(); // what it waited for is carried out before this goes on
      if (this.#clock.uptime() >= endsAt) return;
    }
  }
}
