import type { Clock, Timer } from "../src/clock.ts";

interface Due {
  readonly at: number;
  readonly order: number;
  readonly task: () => void;
}

/** A clock that a test moves. */
export class FakeClock implements Clock {
  #now: number;
  #timers: Due[] = [];
  #order = 0;

  constructor(now = 1_700_000_000_000) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  after(delayMs: number, task: () => void): Timer {
    const timer = { at: this.#now + Math.max(0, delayMs), order: this.#order++, task };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  /** When the next timer is due. */
  get nextAt(): number | undefined {
    return this.#next()?.at;
  }

  /** Moves on, and does what becomes due on the way, in order. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (let next = this.#next(); next && next.at <= end; next = this.#next()) {
      const due = next;
      this.#timers = this.#timers.filter((other) => other !== due);
      this.#now = due.at;
      due.task();
    }
    this.#now = end;
  }

  #next(): Due | undefined {
    let first: Due | undefined;
    for (const timer of this.#timers) {
      if (!first || timer.at < first.at || (timer.at === first.at && timer.order < first.order))
        first = timer;
    }
    return first;
  }
}

/** Lets everything that waits only for promises happen. */
export async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
