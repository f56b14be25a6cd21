/** Something that was set to happen later. */
export interface Timer {
  /** It will not happen. Calling it again, or after the fact, does nothing. */
  cancel(): void;
}

/** Where the hub takes the time from. Passed in, so that a test can own it. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Calls `task` once, `delayMs` from now. */
  after(delayMs: number, task: () => void): Timer;
}

/** The longest delay `setTimeout` takes, in milliseconds; what is longer would happen at once. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** The machine's clock. Its timers do not keep a process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, task) {
    const timer = setTimeout(task, Math.min(delayMs, MAX_DELAY_MS));
    timer.unref();
    return new SystemTimer(timer);
  },
};

/**
 * Each silent session has one: an object takes less than a function that remembers the timer (bench:
 * idle-visitors).
 */
class SystemTimer implements Timer {
  readonly #timer: NodeJS.Timeout;

  constructor(timer: NodeJS.Timeout) {
    this.#timer = timer;
  }

  cancel(): void {
    clearTimeout(this.#timer);
  }
}
