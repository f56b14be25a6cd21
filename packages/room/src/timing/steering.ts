import { TransitTimes } from "./jitter.ts";

/** How a `SteeredClock` goes. */
export interface SteeringOptions {
  readonly ticksPerSecond: number;
  /** Its rate differs from 1 by at most this share. */
  readonly maxRate: number;
  /** If it is further behind than this, in milliseconds, it jumps to where it should be. */
  readonly jumpMs: number;
  /** If it is further ahead than this, in milliseconds, it stands still until the time is right. */
  readonly standMs: number;
}

/**
 * A clock in ticks that is drawn to where it should be by running a little faster or slower. It never goes
 * back: if it is far ahead, it stands still until the time is right.
 */
export class SteeredClock {
  readonly tickMs: number;
  readonly #maxRate: number;
  readonly #jumpTicks: number;
  readonly #standTicks: number;
  #position = Number.NEGATIVE_INFINITY;
  #at = 0;
  #rate = 1;
  #stands = false;
  #jumps = 0;

  constructor(options: SteeringOptions) {
    this.tickMs = 1_000 / options.ticksPerSecond;
    this.#maxRate = options.maxRate;
    this.#jumpTicks = options.jumpMs / this.tickMs;
    this.#standTicks = options.standMs / this.tickMs;
  }

  /** Ticks with fractions; minus infinity before the first `advance`. */
  get position(): number {
    return this.#position;
  }

  /** Of the last `advance`: 1 is the rate of the clock it is given, 0 while it stands still. */
  get rate(): number {
    return this.#rate;
  }

  /** How often it jumped ahead or came to a stand. */
  get jumps(): number {
    return this.#jumps;
  }

  /**
   * Moves it to `nowMs`.
   *
   * @param target Where it should be then, in ticks.
   * @param most It goes no further than this.
   */
  advance(nowMs: number, target: number, most: number = Number.POSITIVE_INFINITY): void {
    const elapsed = Math.max(0, nowMs - this.#at) / this.tickMs;
    const before = this.#position;
    this.#at = nowMs;
    const error = target - (before + elapsed);
    if (error > this.#jumpTicks) {
      if (before !== Number.NEGATIVE_INFINITY) this.#jumps += 1;
      this.jump(nowMs, target);
    } else {
      const isFarAhead = error < -this.#standTicks;
      if (isFarAhead && !this.#stands) this.#jumps += 1;
      this.#stands = isFarAhead || (this.#stands && error < 0);
      // The whole of what it may differ by is used from one tick of error on.
      this.#rate = this.#stands ? 0 : 1 + Math.max(-1, Math.min(1, error)) * this.#maxRate;
      this.#position = before + elapsed * this.#rate;
    }
    if (this.#position > most) this.#position = Math.max(before, most);
  }

  /** Is at `target` at `nowMs`, if that is not back. */
  jump(nowMs: number, target: number): void {
    this.#at = nowMs;
    this.#position = Math.max(this.#position, target);
    this.#stands = false;
    this.#rate = 1;
  }
}

/** The rate of `InputClock` differs from 1 by at most this share. */
export const INPUT_RATE = 0.02;
/** How late its inputs may be before it jumps ahead, in milliseconds. */
const INPUT_JUMP_MS = 100;
/** How far they may be too early before it stands still, in milliseconds. */
const INPUT_STAND_MS = 250;
/** Inputs are at most so far ahead of the server's time, in milliseconds. */
export const MAX_LEAD_MS = 1_000;
/** Ticks that are run at once after this page or process stood still; those before them have no input. */
const MAX_CATCH_UP = 5;
/** How many inputs are remembered. */
const REMEMBERED = 128;

/**
 * Says when a client takes its next input: so far ahead of the server that inputs arrive just before they
 * are due. The server tells of each how long before that it came; the clock is steered so that 95 % of them
 * have a tick to spare. The rate differs by at most 2 %, except where it jumps (`SteeredClock`).
 */
export class InputClock {
  readonly #clock: SteeredClock;
  readonly #transit: TransitTimes;
  /**
   * Of the newest inputs, by number modulo `REMEMBERED`: their numbers, when each was due, and when it left.
   */
  readonly #numbers = new Float64Array(REMEMBERED).fill(-1);
  readonly #dueMs = new Float64Array(REMEMBERED);
  readonly #sentMs = new Float64Array(REMEMBERED);
  #due = Number.NEGATIVE_INFINITY;
  #skipped = 0;

  constructor(ticksPerSecond: number) {
    this.#clock = new SteeredClock({
      ticksPerSecond,
      maxRate: INPUT_RATE,
      jumpMs: INPUT_JUMP_MS,
      standMs: INPUT_STAND_MS,
    });
    this.#transit = new TransitTimes(ticksPerSecond);
  }

  /** The tick of the newest input that is due; 0 before the first `advance`. */
  get number(): number {
    return Math.max(0, this.#due);
  }

  /** How far the next tick has come, from 0 to below 1. */
  get fraction(): number {
    return this.#due === Number.NEGATIVE_INFINITY ? 0 : this.#clock.position - this.#due;
  }

  get rate(): number {
    return this.#clock.rate;
  }

  /** How often it jumped ahead or stood still. */
  get jumps(): number {
    return this.#clock.jumps;
  }

  /** Ticks for which there was no input, because it jumped, or this page or process stood still. */
  get skipped(): number {
    return this.#skipped;
  }

  /**
   * Moves it to `nowMs`. The inputs that have become due are to be sent at once.
   *
   * @param serverTicks The server's time at `nowMs`, as `ClockOffset` has it.
   * @returns How many inputs have become due: those up to `number`, at most 5.
   */
  advance(nowMs: number, serverTicks: number): number {
    const { tickMs, jumps } = this.#clock;
    const most = serverTicks + MAX_LEAD_MS / tickMs;
    const wanted = this.#transit.isKnown ? nowMs / tickMs + this.#transit.reckoned : serverTicks + 1;
    this.#clock.advance(nowMs, Math.min(wanted, most), most);
    const newest = Math.floor(this.#clock.position);
    const hasJumped = this.#due === Number.NEGATIVE_INFINITY || this.#clock.jumps > jumps;
    const passed = this.#due === Number.NEGATIVE_INFINITY ? 1 : newest - this.#due;
    // After a jump those before the newest would come too late.
    const count = Math.min(passed, hasJumped ? 1 : MAX_CATCH_UP);
    for (let number = newest - count + 1; number <= newest; number++) {
      const at = number % REMEMBERED;
      this.#numbers[at] = number;
      this.#dueMs[at] = nowMs - (this.#clock.position - number) * tickMs;
      this.#sentMs[at] = nowMs;
    }
    this.#skipped += passed - count;
    this.#due = newest;
    return count;
  }

  /** When the input of tick `number` left, in milliseconds, if that is remembered. */
  sentAtMs(number: number): number | undefined {
    const at = number % REMEMBERED;
    return this.#numbers[at] === number ? this.#sentMs[at] : undefined;
  }

  /**
   * The server says that the input of tick `number` came at `cameTicks` of its time. What counts is how long
   * after it was due here that was: a page that shows a frame late sends late, too.
   */
  came(number: number, cameTicks: number): void {
    const at = number % REMEMBERED;
    if (this.#numbers[at] === number) {
      this.#transit.arrived(cameTicks - (this.#dueMs[at] ?? 0) / this.#clock.tickMs);
    }
  }

  /** 95 % of the inputs are at most this many ticks later than the quickest. */
  get jitter(): number {
    return this.#transit.jitter;
  }
}
