import { writeMarks, widthOf } from "../bits/marks.ts";
import { writeGamma } from "../bits/rice.ts";
import type { BitWriter } from "../bits/writer.ts";
import type { Cell, KindLayout, Layout } from "../contracts/layout.ts";
import { isBinary } from "./foretell.ts";
import type { History } from "./history.ts";
import { grown } from "./memory.ts";
import { Measurement } from "./measure.ts";
import { type KindPlan, planOf } from "./plan.ts";
import { ResidualWriter } from "./residual-writer.ts";
import type { ShownEntities } from "./shown.ts";

/**
 * Entities of one kind, which are written cell by cell: first one cell of all of them, then the next. Cells
 * of which none has anything to tell cost next to nothing so, and each has its own code. Hot: `npm run bench
 * -- room` guards it.
 */
export class ColumnsWriter {
  readonly measured: Measurement;
  readonly #layout: Layout;
  readonly #plans: readonly KindPlan[];
  /** Cells of which any entity has something to tell. */
  readonly #columns: Int32Array;
  /** Entities that have anything to tell of a cell; and values of a cell. */
  #some = new Int32Array(0);
  /** By entity: of the magnitudes of its residuals in this cell's neighbours. */
  #sums = new Int32Array(0);
  /** Their indices. */
  #list = new Int32Array(0);
  readonly #code = new ResidualWriter();

  constructor(layout: Layout) {
    this.measured = new Measurement(layout);
    this.#layout = layout;
    this.#plans = planOf(layout);
    this.#columns = new Int32Array(layout.stride);
  }

  /** Makes room for `count` entities. What was there is lost. */
  reserve(count: number): void {
    this.measured.reserve(count);
    if (count <= this.#some.length) return;
    const room = grown(this.#some.length, count);
    this.#some = new Int32Array(room);
    this.#sums = new Int32Array(room);
    this.#list = new Int32Array(room);
  }

  /** Writes what was measured. */
  writeMeasured(out: BitWriter, k: number, history: History): void {
    const { cells } = this.#layout.kinds[k] as KindLayout;
    const { similar: isSimilar } = this.#plans[k] as KindPlan;
    let told = 0;
    for (let c = 0; c < cells.length; c++) {
      if (this.measured.counts[c] !== 0) this.#columns[told++] = c;
    }
    writeMarks(out, cells.length, this.#columns, told);
    let last = -1;
    let similar = 0;
    for (let t = 0; t < told && !out.overflowed; t++) {
      const c = this.#columns[t] as number;
      similar = last === c - 1 && isSimilar[c] !== 0 ? similar + 1 : 0;
      last = c;
      this.#writeColumn(out, cells[c] as Cell, history.cells, c, similar);
    }
  }

  /** Writes one cell: of all that were measured, or of the few that differ. */
  #writeColumn(out: BitWriter, cell: Cell, cells: Int32Array, c: number, similar: number): void {
    const { residuals, room, count, which, counts } = this.measured;
    const from = 2 * c * room;
    // A cell of two values is the other one; nothing is to be said of it.
    const isFlip = isBinary(cell);
    const isSparse = isFlip || (counts[c] as number) * 2 <= count;
    if (!isFlip) out.write(isSparse ? 1 : 0, 1);
    const sums = this.#sums;
    if (similar === 0) sums.fill(0, 0, this.measured.end);
    let told = count;
    let list = which;
    if (isSparse) {
      list = this.#list;
      const some = this.#some;
      told = 0;
      for (let t = 0; t < count; t++) {
        const i = which[t] as number;
        if (residuals[from + 2 * i] === 0) continue;
        some[told] = t;
        list[told++] = i;
      }
      writeMarks(out, count, some, told);
      if (isFlip) return;
    }
    if (!cell.moves) this.measured.findSpeeds(cell, cells, c, list, told);
    this.#code.write(out, residuals, from, list, told, isSparse ? 1 : 0, sums, similar);
  }

  /** Writes the first `count` entities without a base. */
  writeWhole(
    out: BitWriter,
    kind: KindLayout,
    history: History,
    shown: ShownEntities,
    places: Int32Array,
    count: number,
  ): void {
    const { cells, pitch } = history;
    let reference = 0;
    for (let c = 0; c < kind.cells.length && !out.overflowed; c++) {
      const cell = kind.cells[c];
      if (cell === undefined) continue;
      const values = this.#some;
      for (let i = 0; i < count; i++) {
        const at = places[i] as number;
        values[i] = cell.refers
          ? (shown.references[at * shown.referenceCount + reference] as number)
          : (cells[((shown.copies[at] as number) - 1) * pitch + c] as number);
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
