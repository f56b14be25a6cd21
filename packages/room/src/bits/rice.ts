import type { BitReader } from "./reader.ts";
import type { BitWriter } from "./writer.ts";

// Rice's code of a number: what is above its lowest k bits as that many zeros and a one, and then those k
// bits. Good for k near the binary logarithm of what is usual. From some zeros on each doubles what the bits
// after the one can tell, so that what is rare and large costs a logarithm.

/** Below this many zeros it is Rice's code. With more of them boxes and walking players took more bits. */
export const PLAIN = 2;

/** Writes an unsigned 32-bit integer. */
export function writeRice(writer: BitWriter, value: number, k: number): void {
  const above = value >>> k;
  if (above < PLAIN) {
    writer.write((1 << k) | (value & ((1 << k) - 1)), above + 1 + k);
    return;
  }
  const doublings = 31 - Math.clz32(above - PLAIN + 1);
  writer.write(0, PLAIN + doublings);
  writer.write(1, 1);
  writer.write((value - first(doublings, k)) >>> 0, k + doublings);
}

/** Reads what `writeRice` wrote with this k. */
export function readRice(reader: BitReader, k: number): number {
  const zeros = reader.readZeros();
  if (zeros < PLAIN) return ((zeros << k) | reader.read(k)) >>> 0;
  const doublings = zeros - PLAIN;
  return (first(doublings, k) + reader.read(Math.min(32, k + doublings))) >>> 0;
}

/** The first number that has so many doublings, modulo 2^32. */
function first(doublings: number, k: number): number {
  return (PLAIN - 1 + (1 << doublings)) << k;
}

/** Writes an unsigned integer below 2^32 - 1 of which nothing is known: the smaller the shorter. */
export function writeGamma(writer: BitWriter, value: number): void {
  const width = 32 - Math.clz32(value + 1);
  writer.write(0, width - 1);
  writer.write(value + 1, width);
}

/** Reads what `writeGamma` wrote. */
export function readGamma(reader: BitReader): number {
  const zeros = Math.clz32(reader.peek());
  if (zeros > 31) {
    reader.skip(32);
    return 0;
  }
  reader.skip(zeros);
  return reader.read(zeros + 1) - 1;
}

/** A difference as an unsigned integer, the smaller the smaller: 0, -1, 1, -2, 2 … */
export function zigzag(difference: number): number {
  return ((difference << 1) ^ (difference >> 31)) >>> 0;
}

/** The difference that `zigzag` was given. */
export function unzigzag(value: number): number {
  return (value >>> 1) ^ -(value & 1);
}
