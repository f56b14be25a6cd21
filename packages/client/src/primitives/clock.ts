/** Time, as a session sees it. Tests pass their own. */
export interface Clock {
  /** Milliseconds since the Unix epoch. Anybody may set this clock: it decides nothing. */
  wall(): number;
  /**
   * Milliseconds of a clock that nobody sets and that never goes back, from whatever start. All durations are
   * differences of it.
   */
  uptime(): number;
  /** Calls `run` once after `ms` milliseconds of `uptime`, unless the returned function is called before. */
  after(ms: number, run: () => void): () => void;
}

/** The longest delay `setTimeout` takes, in milliseconds; longer ones are waited for in parts. */
const MAX_DELAY_MS = 2 ** 31 - 1;
/** How much too late, in milliseconds, a timer says that this process or page stood still. */
export const STOOD_STILL_MS = 1_000;
/** How long is waited then for what came meanwhile, in milliseconds. */
const CATCH_UP_MS = 1_000;

/**
 * The clock of the machine. What its timers judge is judged after what waits was read: each comes after a
 * look at the sockets, and if this process was asleep, a second later.
 */
export const systemClock: Clock = {
  wall: () => Date.now(),
  uptime: () => performance.now(),
  after(ms, run) {
    const dueAt = performance.now() + ms;
    const wake = () => {
      const lateMs = performance.now() - dueAt;
      if (lateMs < -1) wait(-lateMs, wake);
      else wait(lateMs > STOOD_STILL_MS ? Math.min(ms, CATCH_UP_MS) : 0, run);
    };
    let timer: ReturnType<typeof setTimeout>;
    const wait = (delayMs: number, then: () => void) => {
      timer = setTimeout(then, Math.min(delayMs, MAX_DELAY_MS));
    };
    wait(ms, wake);
    return () => clearTimeout(timer);
  },
};
