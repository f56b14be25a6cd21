import type { Content } from "./content.ts";

/** A cell, in words of four bytes: the first is the number of the next cell of its record. */
const WORDS_SHIFT = 5;
const WORDS = 1 << WORDS_SHIFT;
/** Memory is had from the system in pieces of so many cells: 64 KiB. */
const CHUNK_SHIFT = 9;
const CHUNK_MASK = (1 << CHUNK_SHIFT) - 1;

/**
 * What a cell costs, in bytes: its 128, and 4 for its part in an index and in the objects that hold chunks
 * (measured: `npm run bench -- memory-engine`).
 */
export const CELL_COST = 132;
/** What all records may take, in bytes: a little less than the cells that can have a number, 2^31 - 1. */
export const MOST_BYTES = 256 * 1024 ** 3;

/** A record, by its first cell; 0: none. */
export type Ref = number;

/** Words of every record's first cell; its other fields come after them. */
export const HEAD = { next: 0, inBucket: 1, hash: 2, cells: 3, fields: 4 } as const;
/** Of a record that was removed: the next one. */
const NEXT_REMOVED = HEAD.inBucket;

/**
 * Records of any length outside the heap of V8, in cells that are all of one size and used again at once:
 * what is held is what is counted. What V8 holds it frees when it likes: 64 MB of publications in objects
 * made a process grow by 269.
 *
 * Nobody is record 0. Its words are there for who has a list and no record.
 */
export class Cells {
  readonly #words: Int32Array[] = [];
  /** The same memory. */
  readonly #numbers: Float64Array[] = [];
  /** The first one that was never used. */
  #unused = 1;
  /** Records that were removed, with all their cells. */
  #removed: Ref = 0;
  #used = 0;

  /** What the records take, in bytes. */
  get bytes(): number {
    return this.#used * CELL_COST;
  }

  /** A whole number of 32 bits. */
  word(ref: Ref, at: number): number {
    return this.#words[ref >> CHUNK_SHIFT]?.[((ref & CHUNK_MASK) << WORDS_SHIFT) + at] ?? 0;
  }

  setWord(ref: Ref, at: number, value: number): void {
    const words = this.#words[ref >> CHUNK_SHIFT];
    if (words) words[((ref & CHUNK_MASK) << WORDS_SHIFT) + at] = value;
  }

  /** Any number. @param at the first of its two words, which is even */
  number(ref: Ref, at: number): number {
    return this.#numbers[ref >> CHUNK_SHIFT]?.[(((ref & CHUNK_MASK) << WORDS_SHIFT) + at) >> 1] ?? 0;
  }

  setNumber(ref: Ref, at: number, value: number): void {
    const numbers = this.#numbers[ref >> CHUNK_SHIFT];
    if (numbers) numbers[(((ref & CHUNK_MASK) << WORDS_SHIFT) + at) >> 1] = value;
  }

  /** What a record takes, in bytes. */
  cost(ref: Ref): number {
    return this.word(ref, HEAD.cells) * CELL_COST;
  }

  /** Adds a record with this content, whose fields are 0. @param from the word at which its content begins */
  add(from: number, { words, length }: Content): Ref {
    const ref = this.#take();
    const count = (length + 3) >> 2;
    let cell = ref;
    let cells = 1;
    for (let at = from, done = 0; ; at = 1) {
      const chunk = this.#words[cell >> CHUNK_SHIFT] as Int32Array;
      const start = (cell & CHUNK_MASK) << WORDS_SHIFT;
      if (cell === ref) for (let field = start; field < start + from; field++) chunk[field] = 0;
      const end = Math.min(count, done + WORDS - at);
      for (let to = start + at; done < end; to++, done++) chunk[to] = words[done] ?? 0;
      if (done === count) {
        chunk[start] = 0;
        break;
      }
      cell = this.#take();
      cells++;
      chunk[start] = cell;
    }
    this.setWord(ref, HEAD.cells, cells);
    this.#used += cells;
    return ref;
  }

  remove(ref: Ref): void {
    this.#used -= this.word(ref, HEAD.cells);
    this.setWord(ref, NEXT_REMOVED, this.#removed);
    this.#removed = ref;
  }

  /** Reads the content of a record: as much as `content` has room made for. */
  read(ref: Ref, from: number, { words, length }: Content): void {
    const count = (length + 3) >> 2;
    for (let cell = ref, at = from, done = 0; done < count; at = 1) {
      const chunk = this.#words[cell >> CHUNK_SHIFT] as Int32Array;
      const start = (cell & CHUNK_MASK) << WORDS_SHIFT;
      const end = Math.min(count, done + WORDS - at);
      for (let of = start + at; done < end; of++, done++) words[done] = chunk[of] ?? 0;
      cell = chunk[start] ?? 0;
    }
  }

  /** True if this is the content of a record that has as many bytes. */
  holds(ref: Ref, from: number, { words, length }: Content): boolean {
    const count = (length + 3) >> 2;
    for (let cell = ref, at = from, done = 0; done < count; done++, at++) {
      if (at === WORDS) {
        cell = this.word(cell, HEAD.next);
        at = 1;
      }
      if (this.word(cell, at) !== words[done]) return false;
    }
    return true;
  }

  #take(): Ref {
    const first = this.#removed;
    if (first === 0) return this.#takeUnused();
    const second = this.word(first, HEAD.next);
    if (second === 0) this.#removed = this.word(first, NEXT_REMOVED);
    else this.setWord(first, HEAD.next, this.word(second, HEAD.next));
    return second === 0 ? first : second;
  }

  #takeUnused(): Ref {
    if (this.#unused >> CHUNK_SHIFT === this.#words.length) {
      const words = new Int32Array((CHUNK_MASK + 1) << WORDS_SHIFT);
      this.#words.push(words);
      this.#numbers.push(new Float64Array(words.buffer));
    }
    return this.#unused++;
  }
}
