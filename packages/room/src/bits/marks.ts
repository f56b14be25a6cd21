import type { BitReader } from "./reader.ts";
import { readRice, writeRice } from "./rice.ts";
import type { BitWriter } from "./writer.ts";

// A set of things by their indices: how many there are, and the gaps between them, or between the others if
// those are fewer. How a gap is coded depends on how many things and marks are left.

/**
 * Writes which of `total` things are marked: `count` of them, whose indices `marked` has in ascending order.
 */
export function writeMarks(writer: BitWriter, total: number, marked: Int32Array, count: number): void {
  writer.write(count, widthOf(total));
  if (count === 0 || count === total) return;
  if (count <= total >> 1) {
    let next = 0;
    for (let i = 0; i < count; i++) {
      const index = marked[i] as number;
      writeRice(writer, index - next, gapBits(total - next, count - i));
      next = index + 1;
    }
    return;
  }
  // The others are fewer.
  let next = 0;
  let at = 0;
  for (let left = total - count; left > 0; left--) {
    let index = next;
    while (at < count && marked[at] === index) {
      index++;
      at++;
    }
    writeRice(writer, index - next, gapBits(total - next, left));
    next = index + 1;
  }
}

/**
 * Reads what `writeMarks` wrote into `marked`, which has room for `total`.
 *
 * @returns How many are marked, or -1 if it cannot be.
 */
export function readMarks(reader: BitReader, total: number, marked: Int32Array): number {
  const count = reader.read(widthOf(total));
  if (count > total) return -1;
  if (count === 0) return 0;
  const isFew = count <= total >> 1;
  const coded = isFew ? count : total - count;
  let length = 0;
  let next = 0;
  for (let left = coded; left > 0; left--) {
    const index = next + readRice(reader, gapBits(total - next, left));
    if (index >= total) return -1;
    if (isFew) marked[length++] = index;
    else while (next < index) marked[length++] = next++;
    next = index + 1;
  }
  if (!isFew) while (next < total) marked[length++] = next++;
  return count;
}

/** The k for gaps where `marks` of `things` are marked. */
function gapBits(things: number, marks: number): number {
  return 31 - Math.clz32(Math.max(1, ((things - marks) / (marks + 1)) | 0));
}

/** How many bits a number from 0 to `max` takes. */
export function widthOf(max: number): number {
  return 32 - Math.clz32(max);
}
