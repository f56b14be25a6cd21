import { PLAIN, writeRice } from "../bits/rice.ts";
import type { BitWriter } from "../bits/writer.ts";
import { CLASSES, FIRST_MEANS, FIRST_SHIFT, LARGEST, LAST_SHIFT, SCALE } from "./residuals.ts";

/** A mean, and below it in two bits its shift. */
const FIRST = FIRST_MEANS.map((mean) => (mean << 2) | FIRST_SHIFT);
/** By what is above the lowest k bits: what stands in its place, and in how many bits. */
const TABLE = 64;
const PREFIXES = Uint8Array.from({ length: TABLE }, (_, above) => (above < PLAIN ? 1 : above - 1));
const LENGTHS = Uint8Array.from({ length: TABLE }, (_, above) =>
  above < PLAIN ? above + 1 : PLAIN + 1 + 2 * (31 - Math.clz32(above - 1)),
);
/** Codes of this many bits and fewer are written here, longer ones, which are rare, by `writeRice`. */
const MOST_BITS = 31;

/**
 * Writes what `ResidualReader` reads. Hot: `npm run bench -- room` guards it, so what the reader has in
 * functions is all in one loop here, and bits are gathered in local variables.
 */
export class ResidualWriter {
  readonly #means = new Int32Array(CLASSES);

  /**
   * Writes residuals of one cell, which lie from `from` on, each with a speed: of the first `count` in the
   * list.
   *
   * @param isSome 1 if none is 0, else 0.
   * @param sums By entity, of its residuals in the `similar` cells before; grows by this one's.
   */
  write(
    out: BitWriter,
    residuals: Int32Array,
    from: number,
    list: Int32Array,
    count: number,
    isSome: number,
    sums: Int32Array,
    similar: number,
  ): void {
    const means = this.#means;
    for (let which = 0; which < CLASSES; which++) means[which] = FIRST[which] as number;
    let { word, free } = out;
    for (let j = 0; j < count; j++) {
      const i = list[j] as number;
      const residual = residuals[from + 2 * i] as number;
      const speed = residuals[from + 2 * i + 1] as number;
      const sum = sums[i] as number;
      // As `classOf` has it.
      let expected = 4 * speed;
      if (similar === 1) expected = 2 * speed + 4 * sum;
      else if (similar > 1) expected = 2 * speed + 4 * ((sum / similar) | 0);
      const which = 32 - Math.clz32(expected);
      // As `magnitude` and `zigzag` have it.
      const sign = residual >> 31;
      const size = ((residual ^ sign) - sign) >>> 0;
      sums[i] = sum + (size > LARGEST ? LARGEST : size);
      const value = (((residual << 1) ^ sign) - isSome) >>> 0;
      const packed = means[which] as number;
      const mean = packed >> 2;
      const shift = packed & 3;
      // As `riceBits` has it.
      const k = 31 - Math.clz32((Math.imul(3, mean) >> (SCALE + 2)) | 1);
      // As `learned` has it.
      let most = ((mean >> SCALE) + 1) << 2;
      if (most > LARGEST) most = LARGEST;
      const clipped = value > most ? most : value | 0;
      const next = mean + (((clipped << SCALE) - mean) >> shift);
      means[which] = (next << 2) | (shift < LAST_SHIFT ? shift + 1 : shift);
      // As `writeRice` has it.
      const above = value >>> k;
      const bits = (above < TABLE ? (LENGTHS[above] as number) : MOST_BITS + 1) + k;
      if (bits > MOST_BITS) {
        out.word = word;
        out.free = free;
        writeRice(out, value, k);
        ({ word, free } = out);
        continue;
      }
      const code = ((PREFIXES[above] as number) << k) | (value & ((1 << k) - 1));
      if (bits < free) {
        free -= bits;
        word |= code << free;
        continue;
      }
      const rest = bits - free;
      out.flush(word | (code >>> rest));
      // A shift by 32 would be none.
      word = rest === 0 ? 0 : code << (32 - rest);
      free = 32 - rest;
    }
    out.word = word;
    out.free = free;
  }
}
