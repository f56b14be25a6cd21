import { callSafely } from "../primitives/call-safely.ts";
import { type Clock, STOOD_STILL_MS } from "../primitives/clock.ts";

/** How often is looked whether the machine slept, in milliseconds. */
const LOOK_MS = 1_000;

/**
 * `"slept"`: the wall clock is further than this process, so the machine slept, or somebody set that clock.
 * `"stood still"`: this process was held up, and maybe slept where its clock goes on meanwhile.
 */
export type Pause = "slept" | "stood still";

/** All sessions with one clock look together. */
const watches = new WeakMap<Clock, SleepWatch>();

/**
 * Calls `wake` within two seconds after the machine slept or this process stood still.
 *
 * @returns stops that
 */
export function onSleep(clock: Clock, wake: (pause: Pause) => void): () => void {
  const watch = watches.get(clock) ?? new SleepWatch(clock);
  watches.set(clock, watch);
  return watch.add(wake);
}

class SleepWatch {
  readonly #clock: Clock;
  readonly #wakes = new Set<(pause: Pause) => void>();
  #stop: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(wake: (pause: Pause) => void): () => void {
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
      const pause = jumpMs > STOOD_STILL_MS ? "slept" : "stood still";
      for (const wake of [...this.#wakes]) callSafely(() => wake(pause));
    });
  }
}
