import { callSafely } from "./call-safely.ts";
import { type Clock, STOOD_STILL_MS } from "./clock.ts";

/** How often is looked whether the machine slept, in milliseconds. */
const LOOK_MS = 1_000;

/** All sessions with one clock look together. */
const watches = new WeakMap<Clock, SleepWatch>();

/**
 * Calls `wake` within two seconds after the machine slept or this process stood still. A wall clock that was
 * set looks the same.
 *
 * @returns stops that
 */
export function onSleep(clock: Clock, wake: () => void): () => void {
  const watch = watches.get(clock) ?? new SleepWatch(clock);
  watches.set(clock, watch);
  return watch.add(wake);
}

class SleepWatch {
  readonly #clock: Clock;
  readonly #wakes = new Set<() => void>();
  #stop: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(wake: () => void): () => void {
    this.#wakes.add(wake);
    if (this.#wakes.size === 1) this.#look();
    return () => {
      this.#wakes.delete(wake);
      if (this.#wakes.size === 0) this.#stop?.();
    };
  }

  #look(): void {
    const clock = this.#clock;
    const uptime = clock.uptime();
    const wall = clock.wall();
    this.#stop = clock.after(LOOK_MS, () => {
      const passedMs = clock.uptime() - uptime;
      const jumpMs = Math.abs(clock.wall() - wall - passedMs);
      this.#look();
      if (jumpMs <= STOOD_STILL_MS && passedMs <= LOOK_MS + STOOD_STILL_MS) return;
      for (const wake of [...this.#wakes]) callSafely(wake);
    });
  }
}

/**
 * Calls `wake` when a browser is online again or its page is looked at again, where such events exist.
 *
 * @returns stops that
 */
export function onWake(wake: () => void): () => void {
  const { document } = globalThis;
  const onVisible = () => {
    if (document.visibilityState === "visible") wake();
  };
  if (typeof document === "undefined" || typeof globalThis.addEventListener !== "function") return () => {};
  globalThis.addEventListener("online", wake);
  document.addEventListener("visibilitychange", onVisible);
  return () => {
    globalThis.removeEventListener("online", wake);
    document.removeEventListener("visibilitychange", onVisible);
  };
}
