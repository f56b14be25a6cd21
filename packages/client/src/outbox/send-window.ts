/**
 * How many commands are on the way at once: few on a new connection, so that one that is cut soon still gets
 * some through, and more with each answer.
 */
const IN_FLIGHT = { first: 8, most: 64 } as const;

/** Shortest and longest pause after "not now", in milliseconds; longer when the server says so. */
const PAUSE_MS = { least: 250, most: 8_000 } as const;

/** How fast a server is sent commands, learned from its answers on one connection. */
export class SendWindow {
  #size: number = IN_FLIGHT.first;
  /** Told "not now" on this connection: grow slowly, as a server ends a session that is refused too often. */
  #isCareful = false;
  #pauseMs: number = PAUSE_MS.least;
  /** What the server has taken since the last pause. */
  #taken = 0;

  /** How many commands may be in flight. */
  get size(): number {
    return this.#size;
  }

  /** The server has taken one. */
  taken(): void {
    this.#taken += 1;
    this.#size = Math.min(IN_FLIGHT.most, this.#size + (this.#isCareful ? 1 / this.#size : 1));
  }

  /** "Not now". Says for how long nothing is sent, in milliseconds. */
  refused(retryMs: number): number {
    // Too little was taken to be worth the refusals: longer pauses gather more permission.
    const wasFutile = this.#taken < 4 * this.#size;
    const pauseMs = wasFutile ? this.#pauseMs * 2 : this.#pauseMs / 2;
    this.#pauseMs = Math.min(PAUSE_MS.most, Math.max(PAUSE_MS.least, pauseMs));
    this.#isCareful = true;
    this.#size = 1;
    this.#taken = 0;
    return Math.max(retryMs, this.#pauseMs);
  }
}
