import type { Timer } from "../src/primitives/clock.ts";
import { FakeClock } from "./fake-clock.ts";

/** One on which work takes time, and whose turns of the event loop the test takes. */
export class BusyClock extends FakeClock {
  workedMs = 0;
  turns = 0;
  #next: (() => void)[] = [];

  override uptime(): number {
    return super.uptime() + this.workedMs;
  }

  override after(delayMs: number, task: () => void): Timer {
    if (delayMs > 0) return super.after(delayMs, task);
    this.#next.push(task);
    return { cancel: () => undefined };
  }

  /** The next turn. False if nothing is left to be done. */
  turn(): boolean {
    this.turns++;
    for (const task of this.#next.splice(0)) task();
    return this.#next.length > 0;
  }
}
