/** Time, to be replaced in tests. */
export interface LaneClock {
  /** Milliseconds from any beginning; never goes back. */
  now(): number;
  /** Calls `callback` once after `delayMs`; returns how to prevent it. */
  setTimer(callback: () => void, delayMs: number): () => void;
}

/** The machine's. Its timers hold a process, as an open socket does. */
export const holdingClock: LaneClock = {
  now: () => performance.now(),
  setTimer(callback, delayMs) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

/** The machine's, for what is beside a socket that holds the process. */
export const laneClock: LaneClock = {
  now: () => performance.now(),
  setTimer(callback, delayMs) {
    const timer = setTimeout(callback, delayMs);
    (timer as { unref?: () => void }).unref?.(); // A page's timer is a number.
    return () => clearTimeout(timer);
  },
};

/** Between two rounds, in milliseconds. */
const ROUND_MS = 100;
/** What a round counts for at most, in milliseconds: the rest is time for which the process stood still. */
const MOST_MS = 5 * ROUND_MS;

/**
 * Calls a function ten times a second, and counts the time for which this process ran: after it was
 * suspended nobody seems to have been silent meanwhile.
 */
export class RunningTime {
  readonly #clock: LaneClock;
  readonly #round: () => void;
  #countedAt: number;
  #counted = 0;
  #cancel: (() => void) | undefined;

  constructor(clock: LaneClock, round: () => void) {
    this.#clock = clock;
    this.#round = round;
    this.#countedAt = clock.now();
  }

  /** Milliseconds for which it has run. */
  get now(): number {
    return this.#counted + Math.min(MOST_MS, this.#clock.now() - this.#countedAt);
  }

  start(): void {
    if (this.#cancel !== undefined) return;
    this.#count();
    this.#cancel = this.#clock.setTimer(() => {
      this.#cancel = undefined;
      this.start();
      this.#round();
    }, ROUND_MS);
  }

  stop(): void {
    this.#count();
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #count(): void {
    this.#counted = this.now;
    this.#countedAt = this.#clock.now();
  }
}
