import { readFileSync } from "node:fs";
import { randomName, systemRandom } from "../primitives/random.ts";

/** One moment, as both clocks of the machine show it. */
export interface Moment {
  /** Milliseconds since the Unix epoch; only shown, and compared where the other clock began anew. */
  readonly wall: number;
  /** Milliseconds of a clock that nobody sets, since the machine was started, or since anything else. */
  readonly uptime: number;
}

/** Where a durable engine takes the time from. */
export interface StoreClock {
  /** Milliseconds since the Unix epoch. */
  wall(): number;
  /** Milliseconds of a clock that nobody sets. */
  uptime(): number;
  /** Names the start of `uptime`: under the same name its differences count, past a restart too. */
  readonly boot: string;
}

/** The machine's clocks. Those of two processes agree where the system names its boot: on Linux. */
export function machineClock(): StoreClock {
  return {
    wall: () => Date.now(),
    uptime: () => Number(process.hrtime.bigint() / 1_000_000n),
    boot: bootOf("/proc/sys/kernel/random/boot_id"),
  };
}

/** The name of the machine's boot, or, where it has none, one of this process alone. */
function bootOf(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return randomName(systemRandom, 16); // Then ages count by the wall clock from one process to the next.
  }
}

/** A time of the store that is so much later, or the last one that a column can hold and Node reads. */
export function later(time: number, ms: number): number {
  return Math.min(time + ms, Number.MAX_SAFE_INTEGER);
}

/** The last commit of a store, as it is stored. */
export interface LastCommit extends Moment {
  readonly boot: string;
  /** What `StoreTime` showed. */
  readonly time: number;
}

/**
 * The time of a store, in milliseconds since it was made: what its ages are differences of. It never goes
 * back. It goes on with `uptime`, and between two boots with the wall clock, if that went forward.
 */
export class StoreTime {
  readonly #offset: number;

  constructor(boot: string, now: Moment, last?: LastCommit) {
    this.#offset = last === undefined ? -now.uptime : timeAt(boot, now, last) - now.uptime;
  }

  at({ uptime }: Moment): number {
    return uptime + this.#offset;
  }
}

function timeAt(boot: string, now: Moment, last: LastCommit): number {
  const passed = boot === last.boot ? now.uptime - last.uptime : now.wall - last.wall;
  return last.time + Math.max(0, passed);
}
