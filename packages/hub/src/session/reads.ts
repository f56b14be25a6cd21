/** Pages that are read at once for one address: the store reads one after the other, for all. */
const READS_AT_ONCE = 2;

/** What is read for one address. */
interface Queue {
  busy: number;
  readonly waiting: (() => void)[];
}

/**
 * Keeps an address from filling the store's queue with the reads of many connections, behind which everybody
 * else would wait. Subscriptions and commands bound what waits here: each reads one page at a time, and what
 * nobody waits for any more is not read when its turn comes.
 */
export class Reads {
  readonly #queues = new Map<object, Queue>();

  /** Reads when few enough others of the same address do. */
  async run<T>(whose: object, read: () => Promise<T>): Promise<T> {
    const queue = this.#queues.get(whose) ?? { busy: 0, waiting: [] };
    this.#queues.set(whose, queue);
    if (queue.busy < READS_AT_ONCE) queue.busy++;
    else await new Promise<void>((resolve) => queue.waiting.push(resolve));
    try {
      return await read();
    } finally {
      const next = queue.waiting.shift();
      if (next)
        next(); // in the place of this one
      else if (--queue.busy === 0) this.#queues.delete(whose);
    }
  }
}
