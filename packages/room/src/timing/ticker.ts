import type { Clock } from "./clock.ts";
import { SlidingWindow } from "./window.ts";

/** How a `Ticker` keeps time. */
export interface TickerOptions {
  /** Where the time comes from. */
  readonly clock: Clock;
  /** Above 0, at most 1,000. */
  readonly ticksPerSecond: number;
  /** Number of the first tick; 1 by default. */
  readonly firstTick?: number;
  /**
   * When within a tick this one runs, in shares of a tick from 0 to below 1, counted from 0 of the clock. By
   * default the first tick comes one tick after the start.
   */
  readonly phase?: number;
  /**
   * How many ticks are made up for at once after the process stood still; 5 by default. The rest are skipped,
   * and their numbers go to the ticks that come later.
   */
  readonly maxBehind?: number;
}

/** How many milliseconds after they were due the last 1,024 ticks began. */
export interface Lateness {
  /** Half of them were not later. */
  readonly p50Ms: number;
  /** 99 % of them were not later. */
  readonly p99Ms: number;
  /** None was later. */
  readonly worstMs: number;
}

/** How many ticks `Ticker.lateness` is about. */
const LATENESS_TICKS = 1_024;
/** Ticks a process that stood still runs at once. */
export const DEFAULT_MAX_BEHIND = 5;
/** A timer that comes this early, in milliseconds, is in time: timers count whole milliseconds. */
const EARLY_MS = 0.5;

/**
 * Runs something a number of times a second. Each tick is due at a moment that was known at the start, so
 * that lateness does not add up. It sleeps between them and never spins: Node's timers come up to 2
 * milliseconds early, and so it is woken at most three times for a tick. After the first 1,024 a tick
 * allocates nothing here but the clock's timer.
 *
 * @example
 * const ticker = new Ticker({ clock, ticksPerSecond: 30 }, (tick) => snapshots.commit(tick));
 * ticker.start();
 * ticker.stop();
 */
export class Ticker {
  /** Milliseconds from one tick to the next. */
  readonly tickMs: number;
  readonly #clock: Clock;
  readonly #run: (tick: number) => void;
  readonly #maxBehind: number;
  readonly #phase: number | undefined;
  readonly #lateness = new SlidingWindow(LATENESS_TICKS);
  readonly #wake = () => this.#onTimer();
  #tick: number;
  #dueAt = 0;
  #cancel: (() => void) | undefined;
  #isRunning = false;
  /** How often it was started: what a tick stopped and started goes on by its new timer alone. */
  #starts = 0;
  #skipped = 0;

  /**
   * @param run Called with the number of each tick. What it throws is thrown out of the clock's timer.
   * @throws RangeError for an option outside of what is allowed.
   */
  constructor(options: TickerOptions, run: (tick: number) => void) {
    const { ticksPerSecond, phase, maxBehind = DEFAULT_MAX_BEHIND, firstTick = 1 } = options;
    if (!(ticksPerSecond > 0 && ticksPerSecond <= 1_000)) {
      throw new RangeError(`ticksPerSecond is ${ticksPerSecond}; it is above 0 and at most 1,000`);
    }
    if (phase !== undefined && !(phase >= 0 && phase < 1)) {
      throw new RangeError(`phase is ${phase}; it is from 0 to below 1`);
    }
    if (!Number.isSafeInteger(maxBehind) || maxBehind < 1) {
      throw new RangeError(`maxBehind is ${maxBehind}; it is a whole number from 1`);
    }
    this.tickMs = 1_000 / ticksPerSecond;
    this.#clock = options.clock;
    this.#run = run;
    this.#maxBehind = maxBehind;
    this.#phase = phase;
    this.#tick = firstTick;
  }

  /** Of the next tick. */
  get nextTick(): number {
    return this.#tick;
  }

  /** Ticks' worth of time that were left out because the process stood still for longer than `maxBehind`. */
  get skipped(): number {
    return this.#skipped;
  }

  /** Starts it, or goes on after `stop` with the number that is next. Does nothing while it runs. */
  start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#starts += 1;
    const now = this.#clock.uptime();
    if (this.#phase === undefined) this.#dueAt = now + this.tickMs;
    else this.#dueAt = (Math.floor(now / this.tickMs - this.#phase) + 1 + this.#phase) * this.tickMs;
    this.#sleep(now);
  }

  /** No further tick begins, not even one that is behind. */
  stop(): void {
    this.#isRunning = false;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /**
   * The time in ticks, with fractions: `n` when tick `n` is due, whether or not it has begun. It is counted
   * from the next tick, so it goes back when ticks are skipped.
   */
  position(now: number = this.#clock.uptime()): number {
    return this.#tick + (now - this.#dueAt) / this.tickMs;
  }

  /** How late the last 1,024 ticks began. */
  lateness(): Lateness {
    const of = this.#lateness;
    return { p50Ms: of.quantile(0.5), p99Ms: of.quantile(0.99), worstMs: of.quantile(1) };
  }

  #sleep(now: number): void {
    this.#cancel = this.#clock.after(Math.max(0, this.#dueAt - now), this.#wake);
  }

  #onTimer(): void {
    const now = this.#clock.uptime();
    if (now < this.#dueAt - EARLY_MS) {
      this.#sleep(now);
      return;
    }
    const due = Math.max(1, Math.floor((now - this.#dueAt) / this.tickMs) + 1);
    const skipped = Math.max(0, due - this.#maxBehind);
    this.#lateness.add(Math.max(0, now - this.#dueAt));
    this.#skipped += skipped;
    this.#dueAt += skipped * this.tickMs;
    const last = this.#tick + due - skipped;
    const starts = this.#starts;
    try {
      while (this.#isRunning && this.#starts === starts && this.#tick < last) {
        const tick = this.#tick;
        this.#tick += 1;
        this.#dueAt += this.tickMs;
        this.#run(tick);
      }
    } finally {
      if (this.#isRunning && this.#starts === starts) this.#sleep(this.#clock.uptime());
    }
  }
}
