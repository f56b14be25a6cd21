import { randomFillSync } from "node:crypto";

/** Below this many bytes a plain loop is faster than one over words. Guarded by bench/src/websocket.ts. */
const WORDS_FROM = 96;
/**
 * The words over memory up to this size are kept for the next call: the buffer that all sockets read into is
 * among it. In bytes.
 */
const MAX_KEPT_BYTES = 262_144;

/**
 * Masks or unmasks `bytes[start..end)` in place (RFC 6455 §5.3).
 *
 * @param key the four mask bytes as a little-endian integer; its first byte belongs to `start`. See
 *   `rotateMask`.
 */
export function applyMask(bytes: Uint8Array, start: number, end: number, key: number): void {
  if (key === 0) return;
  let at = start;
  if (end - start >= WORDS_FROM) {
    const words = wordsOf(bytes.buffer);
    const offset = bytes.byteOffset;
    // Up to a whole word of the memory below, which begins at a word itself.
    while (((offset + at) & 7) !== 0) {
      bytes[at] = (bytes[at] as number) ^ (key & 255);
      key = (key >>> 8) | (key << 24);
      at++;
    }
    const first = (offset + at) >>> 3;
    const count = (end - at) >>> 3;
    applyToWords(words, first, first + count, keyWord(key));
    at += count << 3;
  }
  const key0 = key & 255;
  const key1 = (key >>> 8) & 255;
  const key2 = (key >>> 16) & 255;
  const key3 = key >>> 24;
  for (const last = end - 3; at < last; at += 4) {
    bytes[at] = (bytes[at] as number) ^ key0;
    bytes[at + 1] = (bytes[at + 1] as number) ^ key1;
    bytes[at + 2] = (bytes[at + 2] as number) ^ key2;
    bytes[at + 3] = (bytes[at + 3] as number) ^ key3;
  }
  if (at < end) bytes[at] = (bytes[at] as number) ^ key0;
  if (at + 1 < end) bytes[at + 1] = (bytes[at + 1] as number) ^ key1;
  if (at + 2 < end) bytes[at + 2] = (bytes[at + 2] as number) ^ key2;
}

/** The key for the bytes that follow after `count` bytes were masked with `key`. */
export function rotateMask(key: number, count: number): number {
  const bits = (count & 3) << 3;
  return bits === 0 ? key : (key >>> bits) | (key << (32 - bits));
}

const NO_MEMORY = new ArrayBuffer(0);
let keptBuffer: ArrayBufferLike = NO_MEMORY;
let keptWords = new BigUint64Array(NO_MEMORY);

/** All of `buffer` in words of 64 bits. To make such a view takes as long as to unmask 300 bytes. */
function wordsOf(buffer: ArrayBufferLike): BigUint64Array {
  if (buffer === keptBuffer) return keptWords;
  const words = new BigUint64Array(buffer, 0, buffer.byteLength >>> 3);
  if (buffer.byteLength <= MAX_KEPT_BYTES) {
    keptBuffer = buffer;
    keptWords = words as BigUint64Array<ArrayBuffer>;
  }
  return words;
}

const keyBytes = new Uint8Array(8);
const keyWords = new BigUint64Array(keyBytes.buffer);

/** The key twice, as it lies in memory: right for either order of bytes. */
function keyWord(key: number): bigint {
  keyBytes[0] = keyBytes[4] = key;
  keyBytes[1] = keyBytes[5] = key >>> 8;
  keyBytes[2] = keyBytes[6] = key >>> 16;
  keyBytes[3] = keyBytes[7] = key >>> 24;
  return keyWords[0] as bigint;
}

/**
 * V8 keeps these bigints in registers: per KiB this takes 97 ns, the same loop over words of 32 bits 168 ns
 * (Node 20, 22 and 24). Not unrolled 140 ns.
 */
function applyToWords(words: BigUint64Array, at: number, end: number, key: bigint): void {
  for (const last = end - 7; at < last; at += 8) {
    words[at] = (words[at] as bigint) ^ key;
    words[at + 1] = (words[at + 1] as bigint) ^ key;
    words[at + 2] = (words[at + 2] as bigint) ^ key;
    words[at + 3] = (words[at + 3] as bigint) ^ key;
    words[at + 4] = (words[at + 4] as bigint) ^ key;
    words[at + 5] = (words[at + 5] as bigint) ^ key;
    words[at + 6] = (words[at + 6] as bigint) ^ key;
    words[at + 7] = (words[at + 7] as bigint) ^ key;
  }
  for (; at < end; at++) words[at] = (words[at] as bigint) ^ key;
}

/** Keys drawn at once: one call for each costs a microsecond. */
const POOL_KEYS = 2048;

const pool = new Int32Array(POOL_KEYS);
let next = POOL_KEYS;

/** A fresh, unpredictable mask key (RFC 6455 §10.3). */
export function nextMaskKey(): number {
  if (next === POOL_KEYS) {
    randomFillSync(pool);
    next = 0;
  }
  return pool[next++] as number;
}
