import { SlidingWindow } from "./window.ts";

/** How many arrivals are remembered: four seconds at 30 ticks a second. */
const ARRIVALS = 128;
/** This share of the arrivals counts as in time; the rest came too late. */
const ON_TIME = 0.95;
/** An arrival this many ticks sooner than the soonest says that a clock was set, or stood still. */
const STEP_TICKS = 2;
/** So does one this many milliseconds later than the soonest, as after a sleep. */
const STALE_MS = 1_000;
/**
 * How many arrivals that are not sooner must follow the soonest before it counts as settled. When a queue is
 * read after a sleep, each arrival is a little sooner than the one before, until the queue is empty.
 */
const FALLING = 16;

/**
 * How long what is numbered by ticks is on its way. Both clocks run on their own, so a single transit means
 * nothing, only how transits differ. It finds the time at which 95 % are there, and one tick more: so one
 * lost packet, whose contents the next one brings, is not late either.
 */
export class TransitTimes extends SlidingWindow {
  readonly #staleTicks: number;
  /**
   * How many arrivals that are not sooner are still wanted before the soonest counts as settled, and what the
   * soonest was before it began to fall.
   */
  #falling = 0;
  #fellFrom = 0;

  constructor(ticksPerSecond: number) {
    super(ARRIVALS);
    this.#staleTicks = Math.max(2 * STEP_TICKS, (STALE_MS * ticksPerSecond) / 1_000);
  }

  /** False before the first arrival. */
  get isKnown(): boolean {
    return this.count > 0;
  }

  /** @param ticks When it came by one clock, less when it left by the other, in ticks. */
  arrived(ticks: number): void {
    if (!Number.isFinite(ticks)) return;
    const soonest = this.isKnown ? this.soonest : ticks;
    if (ticks < soonest || this.#falling === 0) {
      if (this.#falling === 0) this.#fellFrom = soonest;
      if (ticks < soonest) this.#falling = FALLING;
    } else {
      this.#falling -= 1;
    }
    // It is another time from here on, and what was learnt before it says nothing.
    if (ticks < this.#fellFrom - STEP_TICKS || ticks > soonest + this.#staleTicks) {
      this.clear();
      this.#falling = FALLING;
      this.#fellFrom = ticks;
    }
    this.add(ticks);
  }

  /** The quickest of the arrivals, in ticks. */
  get soonest(): number {
    return this.quantile(0);
  }

  /** 95 % of the arrivals are at most this many ticks later than the soonest. */
  get jitter(): number {
    return this.reckoned - 1 - this.soonest;
  }

  /** The transit to reckon with, in ticks: the soonest, the jitter, and one tick. */
  get reckoned(): number {
    return this.quantile(ON_TIME) + 1;
  }
}
