import { randomBytes } from "node:crypto";

/**
 * Where names come from: fills `count` bytes. Must be unpredictable outside tests, because session and guest
 * names are made of it.
 */
export type Random = (count: number) => Uint8Array;

/** The operating system's generator. */
export const systemRandom: Random = (count) => randomBytes(count);

/** 32 characters that are hard to confuse: no `0`, `1`, `l` or `o`. */
const ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789";

/** A name of `length` random characters, five bits each. */
export function randomName(random: Random, length: number): string {
  let name = "";
  for (const byte of random(length)) name += ALPHABET[byte & 31];
  return name;
}
