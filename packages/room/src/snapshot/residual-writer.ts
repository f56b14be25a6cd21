import { writeRice } from "../bits/rice.ts";
import type { BitWriter } from "../bits/writer.ts";
import { CLASSES, FIRST_MEANS, FIRST_SHIFT, LAST_SHIFT, learned, riceBits } from "./residuals.ts";

/** Writes what `ResidualReader` reads. */
export class ResidualWriter {
  readonly #means = new Int32Array(CLASSES);
  readonly #shifts = new Uint8Array(CLASSES);

  /** Writes `count` residuals in zigzag, each by its class. */
  write(out: BitWriter, values: Uint32Array, classes: Uint8Array, count: number): void {
    const means = this.#means;
    const shifts = this.#shifts;
    means.set(FIRST_MEANS);
    shifts.fill(FIRST_SHIFT);
    for (let i = 0; i < count; i++) {
      const which = classes[i] as number;
      const value = values[i] as number;
      const mean = means[which] as number;
      const shift = shifts[which] as number;
      writeRice(out, value, riceBits(mean));
      means[which] = learned(mean, value, shift);
      if (shift < LAST_SHIFT) shifts[which] = shift + 1;
    }
  }
}
