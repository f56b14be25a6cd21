/**
 * Where the time comes from. Passed in, so that a test can own it; the client's `systemClock` is one, too.
 */
export interface Clock {
  /** Milliseconds of a clock that nobody sets and that never goes back, from whatever start. */
  uptime(): number;
  /** Calls `run` once after `ms` milliseconds, unless the returned function is called before. */
  after(ms: number, run: () => void): () => void;
}
