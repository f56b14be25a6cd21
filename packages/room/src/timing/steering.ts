import { TransitTimes } from "./jitter.ts";

/** How a `SteeredClock` goes. */
export interface SteeringOptions {
  /** The length of a tick, as ticks in a second. */
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
  /** Milliseconds from one tick to the next. */
  readonly tickMs: number;
  readonly #options: SteeringOptions;
  /** Ticks with fractions; minus infinity before the first `steer`. */
  position = Number.NEGATIVE_INFINITY;
  /** Since the last `steer`: 1 is the rate of the clock it is given, 0 while it stands still. */
  rate = 1;
  /** How often it jumped ahead or came to a stand. */
  jumps = 0;
  #at = 0;

  /** Nothing is checked: its options are the program's own. */
  constructor(options: SteeringOptions) {
    this.tickMs = 1_000 / options.ticksPerSecond;
    this.#options = options;
  }

  /**
   * Moves it to `nowMs`.
   *
   * @param target Where it should be then, in ticks.
   * @param most It goes no further than this.
   */
  steer(nowMs: number, target: number, most: number = Number.POSITIVE_INFINITY): void {
    const { maxRate, jumpMs, standMs } = this.#options;
    const before = this.position;
    const elapsed = Math.max(0, nowMs - this.#at) / this.tickMs;
    const error = target - (before + elapsed);
    const errorMs = error * this.tickMs;
    if (errorMs > jumpMs) {
      if (before !== Number.NEGATIVE_INFINITY) this.jumps += 1;
      this.jump(nowMs, target);
    } else {
      const isFarAhead = errorMs < -standMs;
      if (isFarAhead && this.rate !== 0) this.jumps += 1;
      const stands = isFarAhead || (this.rate === 0 && error < 0);
      // The whole of what it may differ by is used from one tick of error on.
      this.rate = stands ? 0 : 1 + Math.max(-1, Math.min(1, error)) * maxRate;
      this.position = before + elapsed * this.rate;
      this.#at = nowMs;
    }
    if (this.position > most) this.position = Math.max(before, most);
  }

  /** Is at `target` at `nowMs`, if that is not back. */
  jump(nowMs: number, target: number): void {
    this.#at = nowMs;
    this.position = Math.max(this.position, target);
    this.rate = 1;
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
export class InputClock extends SteeredClock {
  /** How long inputs are on their way, by the server's clock and the one here. @internal */
  readonly transit: TransitTimes;
  /** When each of the newest inputs was due here, in milliseconds, by number modulo `REMEMBERED`. */
  readonly #dueMs = new Float64Array(REMEMBERED).fill(Number.NaN);
  #due = Number.NEGATIVE_INFINITY;
  /** Ticks for which there was no input, because it jumped, or this page or process stood still. */
  skipped = 0;

  /** Made by `ClientTime`. */
  constructor(ticksPerSecond: number) {
    super({ ticksPerSecond, maxRate: INPUT_RATE, jumpMs: INPUT_JUMP_MS, standMs: INPUT_STAND_MS });
    this.transit = new TransitTimes(ticksPerSecond);
  }

  /** The tick of the newest input that is due; 0 before the first `advance`. */
  get number(): number {
    return Math.max(0, this.#due);
  }

  /** How far the next tick has come, from 0 to below 1. */
  get fraction(): number {
    return this.number === 0 ? 0 : this.position - this.#due;
  }

  /**
   * Moves it to `nowMs`. The inputs that have become due are to be sent at once.
   *
   * @param serverTicks The server's time at `nowMs`, as `ClientTime` has it.
   * @returns How many inputs have become due: those up to `number`, at most 5.
   */
  advance(nowMs: number, serverTicks: number): number {
    const { tickMs, jumps, transit } = this;
    const most = serverTicks + MAX_LEAD_MS / tickMs;
    const wanted = transit.isKnown ? nowMs / tickMs + transit.reckoned : serverTicks + 1;
    this.steer(nowMs, Math.min(wanted, most), most);
    const newest = Math.floor(this.position);
    const passed = newest - this.#due;
    // After a jump, and at the beginning, those before the newest would come too late.
    const count = Math.min(
      passed,
      this.jumps > jumps || passed === Number.POSITIVE_INFINITY ? 1 : MAX_CATCH_UP,
    );
    // So that none of those that were skipped has the moment of another one.
    if (passed > count) this.#dueMs.fill(Number.NaN);
    for (let number = newest - count + 1; number <= newest; number++) {
      this.#dueMs[number % REMEMBERED] = nowMs - (this.position - number) * tickMs;
    }
    if (passed > count && Number.isFinite(passed)) this.skipped += passed - count;
    this.#due = newest;
    return count;
  }

  /**
   * The server says that the input of tick `number` came at `cameTicks` of its time. What counts is how long
   * after it was due here that was: a page that shows a frame late sends late, too.
   */
  came(number: number, cameTicks: number): void {
    this.transit.arrived(cameTicks - this.dueAtMs(number) / this.tickMs);
  }

  /** When the input of tick `number` was due, in milliseconds; `NaN` if that is not remembered. */
  dueAtMs(number: number): number {
    const isKept = number <= this.#due && number > this.#due - REMEMBERED;
    return isKept ? (this.#dueMs[number % REMEMBERED] ?? Number.NaN) : Number.NaN;
  }

  /** 95 % of the inputs are at most this many ticks later than the quickest. */
  get jitter(): number {
    return this.transit.jitter;
  }
}
