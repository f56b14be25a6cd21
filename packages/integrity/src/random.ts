/** Numbers that are the same in every run of the same seed (mulberry32), and what a case draws with them. */
export class Random {
  readonly seed: number;
  #state: number;

  constructor(seed: number) {
    this.seed = seed >>> 0;
    this.#state = this.seed;
  }

  /** From 0 to below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from `least` to `most`, both included. */
  int(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  /** A whole number from 0 to below `end`. */
  below(end: number): number {
    return Math.floor(this.next() * end);
  }

  /** True so often, from 0 to 1. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(from: readonly [T, ...T[]]): T;
  pick<T>(from: readonly T[]): T | undefined;
  pick<T>(from: readonly T[]): T | undefined {
    return from[this.int(0, from.length - 1)];
  }

  bytes(count: number): Buffer<ArrayBuffer> {
    const bytes = Buffer.alloc(count);
    for (let at = 0; at < count; at++) bytes[at] = this.below(256);
    return bytes;
  }

  /** A seed for something that draws on its own. */
  fork(): number {
    return this.int(1, 2 ** 31);
  }

  shuffled<T>(from: readonly T[]): T[] {
    const cards = [...from];
    for (let i = cards.length - 1; i > 0; i -= 1) {
      const j = this.int(0, i);
      const card = cards[i];
      const other = cards[j];
      if (card === undefined || other === undefined) continue;
      cards[i] = other;
      cards[j] = card;
    }
    return cards;
  }
}

/**
 * Deals values as cards: each comes once before any comes twice. What matters is then met early in a run, and
 * not when luck has it. A deck is known by its name; two names over the same values deal independently.
 */
export class Decks {
  readonly #random: Random;
  readonly #left = new Map<string, unknown[]>();

  constructor(random: Random) {
    this.#random = random;
  }

  get random(): Random {
    return this.#random;
  }

  /** @param cards At least one; the same for each call with this name. */
  deal<T>(name: string, cards: readonly T[]): T {
    let left = this.#left.get(name) as T[] | undefined;
    if (left === undefined || left.length === 0) {
      left = this.#random.shuffled(cards);
      this.#left.set(name, left);
    }
    const card = left.pop();
    if (card === undefined) throw new Error(`deck ${name} has no cards`);
    return card;
  }
}

/** Sizes at which something changes: frame headers, slabs, steps, read buffers. In bytes. */
const BOUNDARIES = [
  1, 2, 7, 8, 63, 64, 65, 125, 126, 127, 512, 2048, 4096, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537,
  131_072, 262_144,
] as const;

/** A size from 1 to `most` bytes, mostly at a boundary or one beside it. */
export function drawSize(random: Random, most: number): number {
  const near = BOUNDARIES.filter((size) => size <= most);
  if (near.length > 0 && random.chance(0.7)) {
    const size = random.pick(near) ?? 1;
    return Math.min(most, Math.max(1, size + (random.chance(0.3) ? random.int(-1, 1) : 0)));
  }
  // Evenly in the number of digits, not in bytes.
  return Math.max(1, Math.min(most, Math.floor(2 ** (random.next() * Math.log2(most)))));
}
