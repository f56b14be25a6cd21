import { readMarks, widthOf } from "../bits/marks.ts";
import type { BitReader } from "../bits/reader.ts";
import { readGamma } from "../bits/rice.ts";
import type { KindLayout } from "../contracts/layout.ts";
import { valueOf } from "./foretell.ts";
import type { Frame } from "./frame.ts";
import { readResiduals } from "./residuals.ts";

/** Reads what `ColumnsWriter` wrote, into rows that are as was foretold. */
export class ColumnsReader {
  /** Ids of the entities that are read. */
  readonly which: Int32Array;
  readonly #residuals: Int32Array;
  readonly #some: Int32Array;
  readonly #columns = new Int32Array(64);

  /** @param maxEntities How many there can be. */
  constructor(maxEntities: number) {
    this.which = new Int32Array(maxEntities);
    this.#residuals = new Int32Array(maxEntities);
    this.#some = new Int32Array(maxEntities);
  }

  /** How the first `count` of `which` are not what was foretold. Says whether it can be. */
  readMeasured(reader: BitReader, kind: KindLayout, frame: Frame, count: number): boolean {
    const { which } = this;
    const some = this.#some;
    const residuals = this.#residuals;
    const told = readMarks(reader, kind.cells.length, this.#columns);
    for (let t = 0; t < told; t++) {
      const c = this.#columns[t] as number;
      const cell = kind.cells[c];
      if (cell === undefined) return false;
      let length = count;
      const isSparse = reader.read(1) === 1;
      if (isSparse) length = readMarks(reader, count, some);
      if (length < 0 || reader.isPast) return false;
      readResiduals(reader, residuals, length);
      for (let i = 0; i < length; i++) {
        const id = which[isSparse ? (some[i] as number) : i] as number;
        const at = id * frame.layout.stride + c;
        const value = valueOf(cell, frame.cells[at] as number, residuals[i] as number);
        if (value < cell.min || value > cell.max) return false;
        frame.cells[at] = value;
      }
    }
    return told >= 0;
  }

  /** All cells of the first `count` of `which`. Says whether it can be. */
  readWhole(reader: BitReader, kind: KindLayout, frame: Frame, count: number): boolean {
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
