import { writeMarks, widthOf } from "../bits/marks.ts";
import { writeGamma } from "../bits/rice.ts";
import type { BitWriter } from "../bits/writer.ts";
import type { Cell, KindLayout, Layout } from "../contracts/layout.ts";
import { differenceOf, foretell, isSimilar, speedOf } from "./foretell.ts";
import type { History } from "./history.ts";
import { grown } from "./memory.ts";
import { expectation, magnitude, ResidualCode } from "./residuals.ts";
import type { ShownEntities } from "./shown.ts";

/**
 * Entities of one kind, which are written cell by cell: first one cell of all of them, then the next. Cells
 * of which none has anything to tell cost next to nothing so, and each has its own code.
 */
export class ColumnsWriter {
  /** How many entities there are. */
  count = 0;
  /** By entity: the copies and where the references are, now, at its base, and before that. */
  now = new Int32Array(0);
  base = new Int32Array(0);
  previous = new Int32Array(0);
  nowAt = new Int32Array(0);
  baseAt = new Int32Array(0);
  /** By entity: not 0 where it is not what was foretold. */
  touched = new Int32Array(0);
  /** Those that are written. */
  which = new Int32Array(0);
  /** By cell and entity, `#room` apart. */
  #residuals = new Int32Array(0);
  #room = 0;
  readonly #stride: number;
  readonly #counts: Int32Array;
  readonly #columns: Int32Array;
  #some = new Int32Array(0);
  /**
   * By entity of `which`: of the magnitudes of its residuals in this cell's neighbours, and how many they
   * are.
   */
  #sums = new Int32Array(0);
  #similar = 0;
  readonly #code = new ResidualCode();

  constructor(layout: Layout) {
    this.#stride = layout.stride;
    this.#counts = new Int32Array(layout.stride);
    this.#columns = new Int32Array(layout.stride);
  }

  /** Makes room for `count` entities. What was there is lost. */
  reserve(count: number): void {
    if (count <= this.#room) return;
    const room = grown(this.#room, count);
    this.#room = room;
    this.now = new Int32Array(room);
    this.base = new Int32Array(room);
    this.previous = new Int32Array(room);
    this.nowAt = new Int32Array(room);
    this.baseAt = new Int32Array(room);
    this.touched = new Int32Array(room);
    this.which = new Int32Array(room);
    this.#some = new Int32Array(room);
    this.#sums = new Int32Array(room);
    this.#residuals = new Int32Array(room * this.#stride);
  }

  /** Finds how far each entity is from what was foretold. */
  measure(kind: KindLayout, history: History, shown: ShownEntities, ahead: number, behind: number): void {
    const { count, now, base, previous, nowAt, baseAt, touched } = this;
    const { cells } = history;
    const stride = this.#stride;
    const residuals = this.#residuals;
    const { references, referenceCount } = shown;
    let reference = 0;
    touched.fill(0, 0, count);
    for (let c = 0; c < kind.cells.length; c++) {
      const cell = kind.cells[c];
      if (cell === undefined) continue;
      const to = c * this.#room;
      for (let i = 0; i < count; i++) {
        let residual: number;
        if (cell.refers) {
          residual =
            (references[(nowAt[i] as number) * referenceCount + reference] as number) -
            (references[(baseAt[i] as number) * referenceCount + reference] as number);
        } else {
          const value = cells[(now[i] as number) * stride + c] as number;
          const was = cells[(base[i] as number) * stride + c] as number;
          if (cell.moves) {
            const before = cells[(previous[i] as number) * stride + c] as number;
            residual = differenceOf(cell, value, foretell(cell, was, before, ahead, behind));
          } else residual = value === was ? 0 : differenceOf(cell, value, was);
        }
        residuals[to + i] = residual;
        touched[i] = (touched[i] as number) | residual;
      }
      if (cell.refers) reference++;
    }
  }

  /** Writes the first `count` of `which`, as they were measured. */
  writeMeasured(out: BitWriter, kind: KindLayout, history: History, count: number): void {
    const { which } = this;
    const columns = kind.cells.length;
    let told = 0;
    for (let c = 0; c < columns; c++) {
      let different = 0;
      const from = c * this.#room;
      for (let i = 0; i < count; i++) if (this.#residuals[from + (which[i] as number)] !== 0) different++;
      this.#counts[c] = different;
      if (different > 0) this.#columns[told++] = c;
    }
    writeMarks(out, columns, this.#columns, told);
    let last = -1;
    for (let t = 0; t < told && !out.overflowed; t++) {
      const c = this.#columns[t] as number;
      this.#similar = last === c - 1 && isSimilar(kind, c) ? this.#similar + 1 : 0;
      last = c;
      this.#writeColumn(out, kind, history, c, count);
    }
  }

  /** Writes one cell of the first `count` of `which`: of all of them, or of the few that differ. */
  #writeColumn(out: BitWriter, kind: KindLayout, history: History, c: number, count: number): void {
    const { which } = this;
    const from = c * this.#room;
    const residuals = this.#residuals;
    const few = this.#some;
    const isSparse = (this.#counts[c] as number) * 3 <= count;
    out.write(isSparse ? 1 : 0, 1);
    let told = count;
    if (isSparse) {
      told = 0;
      for (let i = 0; i < count; i++) if (residuals[from + (which[i] as number)] !== 0) few[told++] = i;
      writeMarks(out, count, few, told);
    }
    const cell = kind.cells[c] as Cell;
    const { cells } = history;
    const { base, previous } = this;
    const stride = this.#stride;
    const similar = this.#similar;
    const sums = this.#sums;
    const code = this.#code;
    code.reset();
    if (similar === 0) sums.fill(0, 0, count);
    for (let j = 0; j < told; j++) {
      const i = isSparse ? (few[j] as number) : j;
      const entity = which[i] as number;
      const now = base[entity] as number;
      const before = previous[entity] as number;
      let speed = 0;
      if (now !== before && !cell.refers) {
        speed = speedOf(cell, cells[now * stride + c] as number, cells[before * stride + c] as number);
      }
      const residual = residuals[from + entity] as number;
      code.write(out, residual, expectation(sums[i] as number, similar, speed));
      sums[i] = (sums[i] as number) + magnitude(residual);
    }
  }

  /** Writes all entities without a base. */
  writeWhole(out: BitWriter, kind: KindLayout, history: History, shown: ShownEntities): void {
    const { count, now, nowAt } = this;
    const { cells } = history;
    const stride = this.#stride;
    let reference = 0;
    for (let c = 0; c < kind.cells.length && !out.overflowed; c++) {
      const cell = kind.cells[c];
      if (cell === undefined) continue;
      const values = this.#some;
      for (let i = 0; i < count; i++) {
        values[i] = cell.refers
          ? (shown.references[(nowAt[i] as number) * shown.referenceCount + reference] as number)
          : (cells[(now[i] as number) * stride + c] as number);
      }
      if (cell.refers) reference++;
      let told = count;
      if (count > 1) {
        let isSame = true;
        for (let i = 1; i < count; i++) if (values[i] !== values[0]) isSame = false;
        out.write(isSame ? 1 : 0, 1);
        if (isSame) told = 1;
      }
      const width = widthOf(cell.max - cell.min);
      for (let i = 0; i < told; i++) {
        if (cell.refers) writeGamma(out, values[i] as number);
        else out.write((values[i] as number) - cell.min, width);
      }
    }
  }
}
