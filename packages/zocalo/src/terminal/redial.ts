import { setTimeout as delay } from "node:timers/promises";

/**
 * How long `dial --keep` waits before it dials again, and `--reconnect` at most at first, in milliseconds.
 */
const REDIAL_MS = 1000;
/** The longest wait of `--reconnect`, in milliseconds. */
const MAX_REDIAL_MS = 30_000;

/**
 * How long to wait before dialing again: a second each time (`--keep`), or twice as long after each failure
 * (`--reconnect`).
 *
 * The waits that grow are random, between the half and the whole: a thousand clients that lost one server do
 * not all come back at once.
 */
export class RedialWait {
  readonly #isGrowing: boolean;
  readonly #random: () => number;
  #nextMs = REDIAL_MS;

  /** @param random from 0 to less than 1. */
  constructor(isGrowing: boolean, random: () => number = Math.random) {
    this.#isGrowing = isGrowing;
    this.#random = random;
  }

  /** There was a connection: the server lives, and the waits begin anew. */
  succeeded(): void {
    this.#nextMs = REDIAL_MS;
  }

  /** The next wait, in milliseconds. */
  next(): number {
    if (!this.#isGrowing) return REDIAL_MS;
    const ms = this.#nextMs;
    this.#nextMs = Math.min(ms * 2, MAX_REDIAL_MS);
    return Math.round(ms / 2 + (ms / 2) * this.#random());
  }
}

/** Waits, or until the command is to stop. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  // It fails only with `signal`, which the caller looks at.
  await delay(ms, undefined, { signal }).catch(() => undefined);
}
