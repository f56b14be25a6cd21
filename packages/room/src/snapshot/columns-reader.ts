import { readMarks, widthOf } from "../bits/marks.ts";
import type { BitReader } from "../bits/reader.ts";
import { readGamma } from "../bits/rice.ts";
import type { KindLayout } from "../contracts/layout.ts";
import { isBinary, isSimilar, speedOf, valueOf } from "./foretell.ts";
import type { SnapshotFrame } from "./frame.ts";
import { classOf, magnitude, ResidualReader } from "./residuals.ts";

/** Reads what `ColumnsWriter` wrote, into rows that are as was foretold. */
export class ColumnsReader {
  /** Ids of the entities that are read. */
  readonly which: Int32Array;
  readonly #sums: Int32Array;
  readonly #few: Int32Array;
  readonly #code = new ResidualReader();
  readonly #columns = new Int32Array(64);

  /** @param maxEntities How many there can be. */
  constructor(maxEntities: number) {
    this.which = new Int32Array(maxEntities);
    this.#sums = new Int32Array(maxEntities);
    this.#few = new Int32Array(maxEntities);
  }

  /**
   * How the first `count` of `which` are not what was foretold; of those, the first `moving` had moved from
   * `previous` to `base`. Says whether it can be.
   */
  readMeasured(
    reader: BitReader,
    kind: KindLayout,
    frame: SnapshotFrame,
    count: number,
    moving: number,
    base: SnapshotFrame | undefined,
    previous: SnapshotFrame | undefined,
  ): boolean {
    const { which } = this;
    const sums = this.#sums;
    const few = this.#few;
    const code = this.#code;
    const { stride } = frame.layout;
    const columns = readMarks(reader, kind.cells.length, this.#columns);
    let similar = 0;
    for (let t = 0; t < columns; t++) {
      const c = this.#columns[t] as number;
      const cell = kind.cells[c];
      if (cell === undefined) return false;
      similar = t > 0 && this.#columns[t - 1] === c - 1 && isSimilar(kind, c) ? similar + 1 : 0;
      if (similar === 0) sums.fill(0, 0, count);
      const isFlip = isBinary(cell);
      const isSparse = isFlip || reader.read(1) === 1;
      const told = isSparse ? readMarks(reader, count, few) : count;
      if (told < 0) return false;
      code.reset();
      for (let j = 0; j < told; j++) {
        if (reader.isPast) return false;
        const i = isSparse ? (few[j] as number) : j;
        const at = (which[i] as number) * stride + c;
        let speed = 0;
        if (i < moving && base !== undefined && previous !== undefined && !cell.refers) {
          speed = speedOf(cell, base.cells[at] as number, previous.cells[at] as number);
        }
        if (isFlip) {
          frame.cells[at] = cell.min + cell.max - (frame.cells[at] as number);
          continue;
        }
        const residual = code.read(reader, classOf(sums[i] as number, similar, speed), isSparse);
        sums[i] = (sums[i] as number) + magnitude(residual);
        const value = valueOf(cell, frame.cells[at] as number, residual);
        if (value < cell.min || value > cell.max) return false;
        frame.cells[at] = value;
      }
    }
    return columns >= 0;
  }

  /** All cells of the first `count` of `which`. Says whether it can be. */
  readWhole(reader: BitReader, kind: KindLayout, frame: SnapshotFrame, count: number): boolean {
    const { stride } = frame.layout;
    const { which } = this;
    for (let i = 0; i < count; i++)
      frame.cells.fill(0, (which[i] as number) * stride, ((which[i] as number) + 1) * stride);
    for (let c = 0; c < kind.cells.length; c++) {
      const cell = kind.cells[c];
      if (cell === undefined || reader.isPast) return false;
      const isSame = count > 1 && reader.read(1) === 1;
      const width = widthOf(cell.max - cell.min);
      let value = 0;
      for (let i = 0; i < count; i++) {
        if (i === 0 || !isSame) value = cell.refers ? readGamma(reader) : cell.min + reader.read(width);
        if (value > cell.max) return false;
        frame.cells[(which[i] as number) * stride + c] = value;
      }
    }
    return true;
  }
}
