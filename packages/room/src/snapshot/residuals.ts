import type { BitReader } from "../bits/reader.ts";
import { readRice, unzigzag, writeRice, zigzag } from "../bits/rice.ts";
import type { BitWriter } from "../bits/writer.ts";

// The adaptive code of one cell's residuals, one entity after the other: Rice's, with the k that fits a
// running mean. There is a mean for each order of magnitude of what is expected: an entity that was fast, or
// that is far from where its other cells were foretold, has larger residuals than one that hardly moves. Of
// 901 boxes rolling that takes a sixth off.

/** Means are kept in sixteenths. */
const SCALE = 4;
/** What is larger counts as this much. */
const LARGEST = 1 << 24;
const CLASSES = 28;
/** How fast a mean follows: the first ones faster. */
const FIRST_SHIFT = 1;
const LAST_SHIFT = 3;

/** The residuals of one cell. */
export class ResidualCode {
  readonly #means = new Int32Array(CLASSES);
  readonly #shifts = new Uint8Array(CLASSES);

  /** Begins with another cell. */
  reset(): void {
    for (let i = 0; i < CLASSES; i++) {
      this.#means[i] = 3 << (SCALE - 1 + Math.max(0, Math.min(22, i - 1)));
      this.#shifts[i] = FIRST_SHIFT;
    }
  }

  write(out: BitWriter, residual: number, expected: number): void {
    const which = 32 - Math.clz32(expected);
    const value = zigzag(residual);
    writeRice(out, value, this.#bits(which));
    this.#learn(which, value);
  }

  read(reader: BitReader, expected: number): number {
    const which = 32 - Math.clz32(expected);
    const value = readRice(reader, this.#bits(which));
    this.#learn(which, value);
    return unzigzag(value);
  }

  /** The k for residuals of this class. */
  #bits(which: number): number {
    return 31 - Math.clz32(((this.#means[which] as number) >> SCALE) | 1);
  }

  #learn(which: number, value: number): void {
    const mean = this.#means[which] as number;
    const shift = this.#shifts[which] as number;
    this.#means[which] = mean + ((((value > LARGEST ? LARGEST : value) << SCALE) - mean) >> shift);
    if (shift < LAST_SHIFT) this.#shifts[which] = shift + 1;
  }
}

/** How large a difference is, as far as it counts. */
export function magnitude(difference: number): number {
  const size = difference < 0 ? -difference : difference;
  return size > LARGEST ? LARGEST : size;
}

/**
 * Twice how large a residual is expected to be.
 *
 * @param sum Of the magnitudes of `count` residuals of this entity, of cells that are like this one.
 * @param speed How much the cell changed from the tick before the base to the base.
 */
export function expectation(sum: number, count: number, speed: number): number {
  return count === 0 ? 4 * speed : ((2 * sum) / count + 2 * speed) | 0;
}
