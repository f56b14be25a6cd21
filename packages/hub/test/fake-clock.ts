import type { Clock, Timer } from "../src/primitives/clock.ts";

interface Due {
  readonly at: number;
  readonly order: number;
  readonly task: () => void;
}

/** How far the wall clock is ahead of the other one at first, in milliseconds. */
const WALL_AHEAD_MS = 1_700_000_000_000 - 5_000;

/** A clock that a test moves, and whose wall it sets. */
export class FakeClock implements Clock {
  #now = 5_000;
  #wallAheadMs = WALL_AHEAD_MS;
  #timers: Due[] = [];
  #order = 0;

  wall(): number {
    return this.#now + this.#wallAheadMs;
  }

  uptime(): number {
    return this.#now;
  }

  /** Somebody sets the wall clock, forward or, below 0, back. */
  setWall(byMs: number): void {
    this.#wallAheadMs += byMs;
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

  /** So much passes in which nothing is done; what was due is done then. */
  standStill(ms: number): void {
    this.#now += ms;
    const late = this.#timers.filter(({ at }) => at <= this.#now);
    this.#timers = this.#timers.filter(({ at }) => at > this.#now);
    for (const { task } of late) task();
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
