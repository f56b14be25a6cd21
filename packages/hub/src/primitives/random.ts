import { randomBytes } from "node:crypto";

/**
 * Where names come from: fills `count` bytes. Must be unpredictable outside tests, because session and guest
 * names are made of it.
 */
export type Random = (count: number) => Uint8Array;

/** Bytes that are asked for at once: a call takes 25 µs, be it for few or for many. */
const POOL_BYTES = 4_096;
let pool = new Uint8Array(0);
let used = 0;

/** The operating system's generator. What is given is kept nowhere else. */
export const systemRandom: Random = (count) => {
  if (count > POOL_BYTES) return randomBytes(count);
  if (used + count > pool.length) {
    pool = randomBytes(POOL_BYTES);
    used = 0;
  }
  const given = Uint8Array.from(pool.subarray(used, used + count));
  pool.fill(0, used, (used += count));
  return given;
};

/** 32 characters that are hard to confuse: no `0`, `1`, `l` or `o`. */
const ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789";

/** A name of `length` random characters, five bits each. */
export function randomName(random: Random, length: number): string {
  let name = "";
  for (const byte of random(length)) name += ALPHABET[byte & 31];
  return name;
}
