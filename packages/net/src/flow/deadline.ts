import type { Deadline } from "../contracts/conn.ts";
import { NetError } from "../contracts/error.ts";
import { shown } from "../options/check-values.ts";

/** The longest delay `setTimeout` takes, in milliseconds, 24.8 days; longer ones are waited for in parts. */
export const MAX_DELAY_MS = 2 ** 31 - 1;

/** Calls `callback` after so many milliseconds, at most `MAX_DELAY_MS`; `Infinity` needs no timer. */
export function startTimer(callback: () => void, delayMs: number): NodeJS.Timeout | undefined {
  if (delayMs === Number.POSITIVE_INFINITY) return undefined;
  return setTimeout(callback, Math.min(delayMs, MAX_DELAY_MS));
}

/**
 * A deadline as milliseconds since the Unix epoch; `null` and `Infinity` mean none and give `Infinity`.
 *
 * @throws NetError `invalid_argument` for `NaN` and invalid dates.
 */
export function deadlineToMs(at: Deadline): number {
  if (at === null) return Number.POSITIVE_INFINITY;
  const ms = typeof at === "number" ? at : at instanceof Date ? at.getTime() : Number.NaN;
  if (Number.isNaN(ms)) {
    throw new NetError({
      op: "set",
      code: "invalid_argument",
      reason: `deadline ${at instanceof Date ? "Invalid Date" : shown(at)} is not a time`,
    });
  }
  return ms;
}

/** How long a conversion holds, in milliseconds: what is set in one call. */
const SAME_CALL_MS = 1;
let convertedAt = Number.NEGATIVE_INFINITY;
let convertedMs = Number.NaN;
let converted = Number.NaN;

/**
 * A time on the monotonic clock. `Date.now` has whole milliseconds, so that two conversions of one time
 * differ by up to one; both directions of a connection are to have the same.
 */
function monotonic(atMs: number, now: number): number {
  if (atMs === convertedMs && now >= convertedAt && now - convertedAt < SAME_CALL_MS) return converted;
  convertedAt = now;
  convertedMs = atMs;
  converted = now + (atMs - Date.now());
  return converted;
}

/**
 * Tells once when a deadline has passed, never before. The deadline may be moved at will: putting it off,
 * which servers do before every read, costs no timer operation. After it is set, changes of the system's
 * clock do not matter.
 *
 * Its timer does not keep the process alive by itself: a deadline that lies far ahead is no reason to stay.
 * One that somebody waits for is, see `holdProcess`.
 */
export class DeadlineTimer {
  readonly #onPassed: () => void;
  /** Both on the monotonic clock. */
  #dueAt = Number.POSITIVE_INFINITY;
  #firesAt = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #hasPassed = false;
  #isHolding = false;

  /** `onPassed` runs when a deadline passes, at once if it is set in the past. */
  constructor(onPassed: () => void) {
    this.#onPassed = onPassed;
  }

  /** True from the moment the deadline passed until it is moved or cleared. */
  get hasPassed(): boolean {
    if (this.#hasPassed || this.#dueAt === Number.POSITIVE_INFINITY) return this.#hasPassed;
    // Asked before its timer could run, a deadline has passed all the same.
    return this.#dueAt <= performance.now();
  }

  /** Sets, moves or (with `null`) clears the deadline. */
  set(at: Deadline): void {
    const atMs = deadlineToMs(at);
    this.#hasPassed = false;
    if (atMs === Number.POSITIVE_INFINITY) {
      this.#dueAt = atMs;
      this.#disarm();
      return;
    }
    const now = performance.now();
    this.#dueAt = monotonic(atMs, now);
    if (this.#dueAt <= now) this.#pass();
    else if (this.#dueAt < this.#firesAt) this.#arm(now);
  }

  /**
   * Says whether a call waits that the deadline will end. While one does the process stays for it: in memory,
   * or over a foreign stream, there may be nothing else that keeps it, and the call would never settle.
   */
  holdProcess(isHolding: boolean): void {
    if (this.#isHolding === isHolding) return;
    this.#isHolding = isHolding;
    if (isHolding) this.#timer?.ref();
    else this.#timer?.unref();
  }

  #arm(now: number): void {
    this.#disarm();
    const delay = Math.min(this.#dueAt - now, MAX_DELAY_MS);
    this.#firesAt = now + delay;
    this.#timer = setTimeout(() => {
      this.#firesAt = Number.POSITIVE_INFINITY;
      this.#timer = undefined;
      // Put off meanwhile, too far away for one timer, or up to 1 ms early: Node's timers count whole ones.
      const later = performance.now();
      if (this.#dueAt <= later) this.#pass();
      else this.#arm(later);
    }, delay);
    if (!this.#isHolding) this.#timer.unref();
  }

  #disarm(): void {
    if (this.#firesAt === Number.POSITIVE_INFINITY) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#firesAt = Number.POSITIVE_INFINITY;
  }

  #pass(): void {
    this.#disarm();
    this.#hasPassed = true;
    this.#onPassed();
  }
}
