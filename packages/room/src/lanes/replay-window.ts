/** Counters that are told apart: the newest, and those before it. What was overtaken by more is dropped. */
export const REPLAY_WINDOW = 1_024;

/** Words of the ring; twice the window, so a word is cleared before the window comes round to it. */
const WORDS = (2 * REPLAY_WINDOW) / 32;

/**
 * Which counters have come: a bitmap that slides by whole words (as RFC 6479 does). Asking changes nothing;
 * `accept` does, and who calls it has authenticated the datagram. Counters are below 2^31.
 */
export class ReplayWindow {
  #newest = -1;
  /** Counter `n` is bit `n & 31` of word `(n >> 5) & (WORDS - 1)`. */
  readonly #seen = new Uint32Array(WORDS);

  /** The newest counter that was accepted; -1 before the first. */
  get newest(): number {
    return this.#newest;
  }

  /** `new`, or why it is not taken. */
  verdict(counter: number): "new" | "replayed" | "old" {
    if (counter > this.#newest) return "new";
    if (this.#newest - counter >= REPLAY_WINDOW) return "old";
    const word = this.#seen[(counter >> 5) & (WORDS - 1)] ?? 0;
    return (word >>> (counter & 31)) & 1 ? "replayed" : "new";
  }

  /** Remembers a counter whose verdict was `new`. */
  accept(counter: number): void {
    if (counter > this.#newest) {
      const last = counter >> 5;
      const first = Math.max((this.#newest >> 5) + 1, last - WORDS + 1);
      for (let word = first; word <= last; word++) this.#seen[word & (WORDS - 1)] = 0;
      this.#newest = counter;
    }
    const at = (counter >> 5) & (WORDS - 1);
    this.#seen[at] = (this.#seen[at] ?? 0) | (1 << (counter & 31));
  }
}
