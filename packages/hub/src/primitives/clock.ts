import { checkKind } from "@zocalo/net/transport";

/** Something that was set to happen later. */
export interface Timer {
  /** It will not happen. Calling it again, or after the fact, does nothing. */
  cancel(): void;
}

/** Where the hub takes the time from. Passed in, so that a test can own it. */
export interface Clock {
  /** Milliseconds since the Unix epoch. Anybody may set this clock: it is stored, shown, decides nothing. */
  wall(): number;
  /**
   * Milliseconds of a clock that nobody sets and that never goes back, from whatever start. Ages, rates and
   * all other durations are differences of it.
   */
  uptime(): number;
  /**
   * Calls `task` once, `delayMs` of `uptime` from now, however long that is. After 0 what is ready now comes
   * first.
   */
  after(delayMs: number, task: () => void): Timer;
}

/**
 * Checks an option that is a clock; `undefined` is left out.
 *
 * @param names of its functions
 * @throws NetError `invalid_argument`
 */
export function checkClock(clock: object | undefined, names: readonly string[]): void {
  checkKind("set", "clock", clock, "object");
  if (clock === undefined) return;
  for (const name of names) checkKind("set", `clock.${name}`, Reflect.get(clock, name) ?? null, "function");
}

/** The functions of a `Clock`. */
export const CLOCK_FUNCTIONS: readonly (keyof Clock)[] = ["wall", "uptime", "after"];

/** The longest delay `setTimeout` takes, in milliseconds; longer ones are waited for in parts. */
const MAX_DELAY_MS = 2 ** 31 - 1;
/** A timer that comes so much too late, in milliseconds, says that this process stood still. */
const STOOD_STILL_MS = 500;
/** How long is waited then for what others did meanwhile, in milliseconds. */
const CATCH_UP_MS = 1_000;

/**
 * The machine's clock. Its timers do not keep a process alive.
 *
 * What they judge is judged after what waits was read: each task runs after a look at the sockets, and if
 * this process stood still (suspended, or starved), a second later, or after its delay if that is shorter.
 */
export const systemClock: Clock = {
  wall: () => Date.now(),
  // Whole: fractions would take memory of their own wherever one is remembered.
  uptime: () => Math.floor(performance.now()),
  after: (delayMs, task) => new SystemTimer(delayMs, task),
};

/**
 * Each silent session has one: an object takes less than a function that remembers the timer (bench:
 * idle-visitors).
 */
class SystemTimer implements Timer {
  readonly #task: () => void;
  /** 0 once it has caught up: else a process that is always late would never judge. */
  #catchUpMs: number;
  #dueAt: number;
  #timeout: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;

  constructor(delayMs: number, task: () => void) {
    this.#task = task;
    this.#catchUpMs = Math.min(delayMs, CATCH_UP_MS);
    this.#dueAt = systemClock.uptime() + delayMs;
    if (delayMs > 0) this.#timeout = this.#wait(delayMs);
    else this.#immediate = setImmediate(task);
  }

  cancel(): void {
    clearTimeout(this.#timeout);
    clearImmediate(this.#immediate);
  }

  #wait(ms: number): NodeJS.Timeout {
    return setTimeout(wake, Math.min(ms, MAX_DELAY_MS), this).unref();
  }

  /** Its timer has come. */
  wake(): void {
    const lateMs = systemClock.uptime() - this.#dueAt;
    // Node's timers may come a millisecond early.
    if (lateMs < -1) {
      this.#timeout = this.#wait(-lateMs);
    } else if (lateMs > STOOD_STILL_MS && this.#catchUpMs > 0) {
      this.#timeout = this.#wait(this.#catchUpMs);
      this.#dueAt += lateMs + this.#catchUpMs;
      this.#catchUpMs = 0;
    } else {
      // An immediate comes after what the system has for us was read.
      this.#immediate = setImmediate(this.#task);
    }
  }
}

function wake(timer: SystemTimer): void {
  timer.wake();
}
