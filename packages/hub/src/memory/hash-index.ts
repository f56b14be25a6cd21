import { randomBytes } from "node:crypto";
import { type Cells, HEAD, type Ref } from "./cells.ts";

/** Of how many buckets the first words are had at once. */
const CHUNK_SHIFT = 10;
const CHUNK_MASK = (1 << CHUNK_SHIFT) - 1;
/** Records for each bucket. */
const LOAD = 2;

/**
 * Finds records by a hash, each step in about constant time, and grows by one bucket at a time (linear
 * hashing): no step has to move everything. It does not shrink.
 */
export class HashIndex {
  readonly #cells: Cells;
  readonly #chunks: Int32Array[] = [new Int32Array(CHUNK_MASK + 1)];
  /** The buckets there were when the last doubling ended, less one. */
  #mask = CHUNK_MASK;
  /** How many of those have been split since. */
  #split = 0;
  #size = 0;

  constructor(cells: Cells) {
    this.#cells = cells;
  }

  get size(): number {
    return this.#size;
  }

  add(ref: Ref, hash: number): void {
    this.#cells.setWord(ref, HEAD.hash, hash);
    this.#link(ref);
    if (++this.#size > (this.#mask + 1 + this.#split) * LOAD) this.#splitNext();
  }

  remove(ref: Ref): void {
    const next = this.#cells.word(ref, HEAD.inBucket);
    const bucket = this.#bucketOf(this.#cells.word(ref, HEAD.hash));
    let before: Ref = 0;
    for (let each = this.#head(bucket); each !== ref; each = this.#cells.word(each, HEAD.inBucket))
      before = each;
    if (before === 0) this.#setHead(bucket, next);
    else this.#cells.setWord(before, HEAD.inBucket, next);
    this.#size--;
  }

  /** The first record with this hash. */
  first(hash: number): Ref {
    return this.#sought(this.#head(this.#bucketOf(hash)), hash);
  }

  /** The next one with the hash of this one. */
  after(ref: Ref): Ref {
    return this.#sought(this.#cells.word(ref, HEAD.inBucket), this.#cells.word(ref, HEAD.hash));
  }

  #sought(from: Ref, hash: number): Ref {
    let ref = from;
    while (ref !== 0 && this.#cells.word(ref, HEAD.hash) !== hash) ref = this.#cells.word(ref, HEAD.inBucket);
    return ref;
  }

  #bucketOf(hash: number): number {
    const bucket = hash & this.#mask;
    return bucket < this.#split ? hash & (this.#mask * 2 + 1) : bucket;
  }

  #link(ref: Ref): void {
    const bucket = this.#bucketOf(this.#cells.word(ref, HEAD.hash));
    this.#cells.setWord(ref, HEAD.inBucket, this.#head(bucket));
    this.#setHead(bucket, ref);
  }

  /** Half of what is in the next bucket goes to a new one. */
  #splitNext(): void {
    const bucket = this.#split++;
    const isNewChunk = ((this.#mask + this.#split) & CHUNK_MASK) === 0;
    if (isNewChunk) this.#chunks.push(new Int32Array(CHUNK_MASK + 1));
    let ref = this.#head(bucket);
    this.#setHead(bucket, 0);
    while (ref !== 0) {
      const next = this.#cells.word(ref, HEAD.inBucket);
      this.#link(ref);
      ref = next;
    }
    if (this.#split <= this.#mask) return;
    this.#mask = this.#mask * 2 + 1;
    this.#split = 0;
  }

  #head(bucket: number): Ref {
    return this.#chunks[bucket >> CHUNK_SHIFT]?.[bucket & CHUNK_MASK] ?? 0;
  }

  #setHead(bucket: number, ref: Ref): void {
    const chunk = this.#chunks[bucket >> CHUNK_SHIFT];
    if (chunk) chunk[bucket & CHUNK_MASK] = ref;
  }
}

const secret = new Int32Array(2);
randomBytes(8).copy(Buffer.from(secret.buffer));
const [K0 = 0, K1 = 0] = secret;

/**
 * HalfSipHash-1-3 of two numbers and some words. Names come from strangers, who could otherwise choose what
 * falls in one bucket.
 */
export function hash(a: number, b: number, words: Int32Array, count: number): number {
  let v0 = K0;
  let v1 = K1;
  let v2 = K0 ^ 0x6c796765;
  let v3 = K1 ^ 0x74656462;
  for (let at = -2; at < count + 3; at++) {
    const isLast = at >= count;
    const word = at === -2 ? a : at === -1 ? b : isLast ? 0 : (words[at] ?? 0);
    if (at === count) v2 ^= 0xff;
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
  }
  return v1 ^ v3;
}
