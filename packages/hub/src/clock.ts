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
    return { cancel: () => clearTimeout(timer) };
  },
};
