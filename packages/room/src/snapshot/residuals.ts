import type { BitReader } from "../bits/reader.ts";
import { readRice, unzigzag, writeRice, zigzag } from "../bits/rice.ts";
import type { BitWriter } from "../bits/writer.ts";

// The adaptive code of one cell's residuals, one entity after the other: Rice's, with the k that fits a
// running mean. Where the mean begins is told.

/** Means are kept in sixteenths. */
const SCALE = 4;
/** What is larger counts as this in the mean. */
const LARGEST = 1 << 24;

/** Writes the residuals of `count` entities: those of `column` at `which`. */
export function writeResiduals(
  out: BitWriter,
  column: Int32Array,
  from: number,
  which: Int32Array,
  count: number,
): void {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += zigzag(column[from + (which[i] as number)] as number);
  const first = riceBits(Math.min(LARGEST, sum / count) | 0);
  out.write(first, 5);
  let mean = 3 << (SCALE - 1 + first);
  for (let i = 0; i < count; i++) {
    const value = zigzag(column[from + (which[i] as number)] as number);
    writeRice(out, value, riceBits(mean >> SCALE));
    mean += (((value > LARGEST ? LARGEST : value) << SCALE) - mean) >> 3;
  }
}

/** Reads what `writeResiduals` wrote into `column`. */
export function readResiduals(reader: BitReader, column: Int32Array, count: number): void {
  let mean = 3 << (SCALE - 1 + Math.min(24, reader.read(5)));
  for (let i = 0; i < count; i++) {
    const value = readRice(reader, riceBits(mean >> SCALE));
    column[i] = unzigzag(value);
    mean += (((value > LARGEST ? LARGEST : value) << SCALE) - mean) >> 3;
  }
}

/** The k for numbers of this mean. */
function riceBits(mean: number): number {
  return mean === 0 ? 0 : 31 - Math.clz32(mean);
}
