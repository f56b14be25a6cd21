/** Something with bytes to write, or else to be done once for all that happens in a turn. */
export interface Flushable {
  /** It is among those that may be late. Only `EndOfTurn` changes it. */
  isLate?: boolean;
  /** Writes what was put together in this turn of the event loop. */
  flush(): void;
}

/** How long is flushed in one turn before the event loop goes on, in milliseconds. */
const LONGEST_RUN_MS = 3;
/** Between two looks at the clock, and at least of those that are late. */
const RUN = 64;

/**
 * Flushes what is due once in a turn. Where all would take too long the rest is late, and goes on in the next
 * turns, behind what is due in those. A message to a crowd is a write for each of them, which may be late
 * from the beginning: else an answer would wait behind all of them.
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

  /** Behind all that was added by `add`. Nothing happens if it is there already. */
  addLate(target: Flushable): void {
    if (target.isLate === true) return;
    target.isLate = true;
    this.#late.push(target);
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
      for (const target of now.slice(done)) this.addLate(target);
      now.length = 0;
      this.#spare = now;
      if (this.#late.length > 0 && !this.#isComing) this.#come();
    }
  };

  /** What becomes late meanwhile comes in the next turn. */
  #flushLate(endsAt: number): void {
    const late = this.#late;
    const end = late.length;
    for (
      let done = 0;
      this.#lateDone < end && (done === 0 || done % RUN > 0 || this.#now() < endsAt);
      done++
    ) {
      const next = late[this.#lateDone++];
      if (next === undefined) continue;
      next.isLate = false;
      next.flush();
    }
    if (this.#lateDone * 2 < late.length) return;
    late.splice(0, this.#lateDone);
    this.#lateDone = 0;
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

/** The same for a message to many: behind all that `atEndOfTurn` was given, in each turn that it waits. */
export function lateAtEndOfTurn(target: Flushable): void {
  endOfTurn.addLate(target);
}
