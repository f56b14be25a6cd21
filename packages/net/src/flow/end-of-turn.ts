/** Something with bytes to write, or else to be done once for all that happens in a turn. */
export interface Flushable {
  /** Writes what was put together in this turn of the event loop. */
  flush(): void;
}

/** How long is flushed in one turn before the event loop goes on, in milliseconds. */
const LONGEST_RUN_MS = 3;
/** Between two looks at the clock, and at least of those that are late. */
const RUN = 64;

/**
 * Flushes what is due once in a turn. A message to a crowd is a write for each of them: where all would take
 * too long the rest is late, and goes on in the next turns, behind what is due in those.
 */
export class EndOfTurn {
  readonly #now: () => number;
  readonly #schedule: (run: () => void) => void;
  #due: Flushable[] = [];
  #spare: Flushable[] = [];
  #late: Flushable[] = [];
  /** Of those that are late, so many are done. */
  #lateDone = 0;
  #isComing = false;

  /**
   * @param now milliseconds
   * @param schedule runs something when the event loop has handed out what was ready
   */
  constructor(now: () => number, schedule: (run: () => void) => void) {
    this.#now = now;
    this.#schedule = schedule;
  }

  add(target: Flushable): void {
    this.#due.push(target);
    if (!this.#isComing) this.#come();
  }

  #come(): void {
    this.#isComing = true;
    this.#schedule(this.#flushAll);
  }

  readonly #flushAll = (): void => {
    this.#isComing = false;
    const now = this.#due;
    this.#due = this.#spare;
    const endsAt = this.#now() + LONGEST_RUN_MS;
    let done = 0;
    try {
      while (done < now.length && (done === 0 || done % RUN > 0 || this.#now() < endsAt)) {
        now[done++]?.flush();
      }
      if (this.#late.length > 0) this.#flushLate(endsAt);
    } finally {
      // Also after one threw: the others must not suffer for it.
      if (done < now.length) {
        this.#late = this.#late.slice(this.#lateDone).concat(now.slice(done));
        this.#lateDone = 0;
      }
      now.length = 0;
      this.#spare = now;
      if (this.#late.length > 0 && !this.#isComing) this.#come();
    }
  };

  #flushLate(endsAt: number): void {
    let done = 0;
    while (done === 0 || done % RUN > 0 || this.#now() < endsAt) {
      const next = this.#late[this.#lateDone++];
      if (next === undefined) {
        this.#late = [];
        this.#lateDone = 0;
        return;
      }
      done++;
      next.flush();
    }
  }
}

const endOfTurn = new EndOfTurn(() => performance.now(), setImmediate);

/**
 * Flushes `target` once the event loop has handed out everything that was ready in this turn.
 *
 * Connections flush here, so that all messages of a turn leave in one write. One `setImmediate` serves them
 * all: it costs more than the rest of a small send. It runs after the sockets of the turn were read; a
 * microtask or `nextTick` would run after each of them. Guarded by `npm run bench -- websocket`.
 */
export function atEndOfTurn(target: Flushable): void {
  endOfTurn.add(target);
}
