import type { BitReader } from "./reader.ts";
import type { BitWriter } from "./writer.ts";

// Rice's code of a number: what is above its lowest k bits as that many zeros and a one, and then those k
// bits. Good for k near the binary logarithm of the mean of what is coded.

/** From as many zeros on the number itself follows, after its width. */
const LONGEST = 12;

/** Writes an unsigned 32-bit integer. */
export function writeRice(writer: BitWriter, value: number, k: number): void {
  const zeros = k > 31 ? 0 : value >>> k;
  if (zeros < LONGEST) {
    if (k < 20) {
      writer.write((1 << k) | (value & ((1 << k) - 1)), zeros + 1 + k);
    } else {
      writer.write(1, zeros + 1);
      writer.write(value & ((1 << k) - 1), k);
    }
    return;
  }
  const width = 32 - Math.clz32(value);
  writer.write(width - 1, LONGEST + 5);
  writer.write(value, width);
}

/** Reads what `writeRice` wrote with this k. */
export function readRice(reader: BitReader, k: number): number {
  const zeros = Math.clz32(reader.peek());
  if (zeros < LONGEST) {
    reader.skip(zeros + 1);
    return ((zeros << k) | reader.read(k)) >>> 0;
  }
  reader.skip(LONGEST);
  return reader.read(reader.read(5) + 1);
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
