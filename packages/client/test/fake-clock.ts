import type { Clock } from "../src/primitives/clock.ts";

/** A clock that stands still until it is told to go on. */
export class FakeClock implements Clock {
  #now = 1_000_000;
  #wallAheadMs = 1_700_000_000_000;
  readonly #timers = new Map<object, { readonly at: number; run(): void }>();

  wall(): number {
    return this.#now + this.#wallAheadMs;
  }

  uptime(): number {
    return this.#now;
  }

  /** Somebody sets the wall clock, forward or, below 0, back. Or the machine slept: uptime stood still. */
  setWall(byMs: number): void {
    this.#wallAheadMs += byMs;
  }

  /** The process stands still: time passes, and what is due in it comes only when the clock goes on. */
  standStill(ms: number): void {
    this.#now += ms;
  }

  after(ms: number, run: () => void): () => void {
    const key = {};
    this.#timers.set(key, { at: this.#now + ms, run });
    return () => void this.#timers.delete(key);
  }

  get timers(): number {
    return this.#timers.size;
  }

  /** Lets `ms` milliseconds pass, and whatever is due in them happen. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settled();
      const [due] = [...this.#timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at);
      if (due === undefined) break;
      const [key, timer] = due;
      this.#timers.delete(key);
      this.#now = Math.max(this.#now, timer.at);
      timer.run();
    }
    this.#now = end;
  }
}

/** Resolves when everything that needs no time has happened. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}
