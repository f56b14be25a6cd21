import type { Clock } from "../../src/timing/clock.ts";

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** A clock that a test moves: what is due happens in its order, and takes no time. */
export class VirtualClock implements Clock {
  #now: number;
  #order = 0;
  readonly #timers: Timer[] = [];
  /** How late a timer of `ms` comes, in milliseconds, or below 0 how early; a test sets it. */
  lateness: (ms: number) => number = () => 0;

  constructor(startMs = 0) {
    this.#now = startMs;
  }

  /** How many are set. */
  get timers(): number {
    return this.#timers.length;
  }

  uptime(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): () => void {
    const timer = {
      at: this.#now + Math.max(0, ms) + Math.max(-ms / 2, this.lateness(ms)),
      order: this.#order++,
      run,
    };
    let index = this.#timers.length;
    while (index > 0 && (this.#timers[index - 1]?.at ?? 0) > timer.at) index -= 1;
    this.#timers.splice(index, 0, timer);
    return () => {
      const at = this.#timers.indexOf(timer);
      if (at >= 0) this.#timers.splice(at, 1);
    };
  }

  /** The process stands still: time passes, and nothing happens in it. */
  standStill(ms: number): void {
    this.#now += ms;
  }

  /** Lets time pass until `untilMs`. */
  runUntil(untilMs: number): void {
    for (;;) {
      const timer = this.#timers[0];
      if (timer === undefined || timer.at > untilMs) break;
      this.#timers.shift();
      this.#now = Math.max(this.#now, timer.at);
      timer.run();
    }
    this.#now = Math.max(this.#now, untilMs);
  }
}
