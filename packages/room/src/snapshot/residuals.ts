import type { BitReader } from "../bits/reader.ts";
import { readRice, unzigzag } from "../bits/rice.ts";

// The adaptive code of one cell's residuals, one entity after the other: Rice's, with the k that fits a
// running mean. There is a mean for each order of magnitude of what is expected: an entity that was fast, or
// that is far from where its other cells were foretold, has larger residuals than one that hardly moves. Of
// 901 boxes rolling that takes a sixth off.

/** Means are kept in sixteenths. */
export const SCALE = 4;
/** What is larger counts as this much. */
export const LARGEST = 1 << 24;
/** How many orders of magnitude are told apart, and what their means are at first. */
export const CLASSES = 28;
export const FIRST_MEANS = Int32Array.from(
  { length: CLASSES },
  (_, i) => 2 << (SCALE + Math.max(0, Math.min(21, i - 1))),
);
/** How fast a mean follows: the first ones faster. */
export const FIRST_SHIFT = 1;
export const LAST_SHIFT = 3;

/** Reads the residuals of one cell. */
export class ResidualReader {
  readonly #means = new Int32Array(CLASSES);
  readonly #shifts = new Uint8Array(CLASSES);

  /** Begins to read another cell. */
  reset(): void {
    this.#means.set(FIRST_MEANS);
    this.#shifts.fill(FIRST_SHIFT);
  }

  /** Reads the next residual, which is not 0 if `isSome`. */
  read(reader: BitReader, which: number, isSome: boolean): number {
    const mean = this.#means[which] as number;
    const shift = this.#shifts[which] as number;
    const value = readRice(reader, riceBits(mean));
    this.#means[which] = learned(mean, value, shift);
    if (shift < LAST_SHIFT) this.#shifts[which] = shift + 1;
    return unzigzag(isSome ? value + 1 : value);
  }
}

/**
 * A mean and one value more. What is far off counts as four times the mean, lest one outlier lengthens all.
 */
export function learned(mean: number, value: number, shift: number): number {
  const most = Math.min(LARGEST, ((mean >> SCALE) + 1) << 2);
  return mean + ((((value > most ? most : value) << SCALE) - mean) >> shift);
}

/** The k for residuals of this mean: near the middle of them, which lies below. */
export function riceBits(mean: number): number {
  return 31 - Math.clz32(((3 * mean) >> (SCALE + 2)) | 1);
}

/** The size of a difference, held below the largest that counts. */
export function magnitude(difference: number): number {
  const size = difference < 0 ? -difference : difference;
  return size > LARGEST ? LARGEST : size;
}

/**
 * The order of magnitude of a residual, as it is expected.
 *
 * @param sum Of the magnitudes of `count` residuals of this entity, of cells that are like this one.
 * @param speed How much the cell changed from the tick before the base to the base.
 */
export function classOf(sum: number, count: number, speed: number): number {
  if (count === 0) return 32 - Math.clz32(4 * speed);
  return 32 - Math.clz32(2 * speed + 4 * (count === 1 ? sum : (sum / count) | 0));
}
