import { writeMarks, widthOf } from "../bits/marks.ts";
import { writeGamma, zigzag } from "../bits/rice.ts";
import type { BitWriter } from "../bits/writer.ts";
import type { Cell, KindLayout, Layout } from "../contracts/layout.ts";
import { differenceOf, foretell, isBinary, isSimilar, speedOf } from "./foretell.ts";
import type { History } from "./history.ts";
import { grown } from "./memory.ts";
import { ResidualWriter } from "./residual-writer.ts";
import { classOf, magnitude } from "./residuals.ts";
import type { ShownEntities } from "./shown.ts";

/** Cells within this of 0 on both sides are foretold in 32-bit integers. */
const SMALL = 2 ** 23;

/**
 * Entities of one kind, which are written cell by cell: first one cell of all of them, then the next. Cells
 * of which none has anything to tell cost next to nothing so, and each has its own code. Hot: `npm run bench
 * -- room` guards it.
 */
export class ColumnsWriter {
  /** By entity: where its cells and its references are, now, at its base, and before that. */
  now = new Int32Array(0);
  base = new Int32Array(0);
  previous = new Int32Array(0);
  nowAt = new Int32Array(0);
  baseAt = new Int32Array(0);
  /** Those of which a cell that does not move may be another. */
  held = new Int32Array(0);
  /** By entity: not 0 where it is not what was foretold. */
  touched = new Int32Array(0);
  /** Those that are written; the first `moving` of them moved before. */
  which = new Int32Array(0);
  /** By cell and entity, `#room` apart. */
  #residuals = new Int32Array(0);
  /** The same way: how much a cell that moves did before. */
  #speeds = new Int32Array(0);
  #room = 0;
  readonly #stride: number;
  /** By cell: how many entities have another than was foretold. */
  readonly #counts: Int32Array;
  readonly #columns: Int32Array;
  /** Indices in `which` of the few that have anything to tell of a cell; and values of a cell. */
  #some = new Int32Array(0);
  /**
   * By index in `which`: of the magnitudes of its residuals in this cell's neighbours, and how many they are.
   */
  #sums = new Int32Array(0);
  #similar = 0;
  readonly #code = new ResidualWriter();
  /** Indices in `which` of all of them. */
  #all = new Int32Array(0);
  /** What is coded of a cell, and of which class it is. */
  #values = new Uint32Array(0);
  #classes = new Uint8Array(0);

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
    this.held = new Int32Array(room);
    this.touched = new Int32Array(room);
    this.which = new Int32Array(room);
    this.#some = new Int32Array(room);
    this.#sums = new Int32Array(room);
    this.#all = Int32Array.from({ length: room }, (_, i) => i);
    this.#values = new Uint32Array(room);
    this.#classes = new Uint8Array(room);
    this.#residuals = new Int32Array(room * this.#stride);
    this.#speeds = new Int32Array(room * this.#stride);
  }

  /**
   * Finds how far entities are from what was foretold: the first `moving`, which moved before, and from
   * `rest` up to `end` those that rested.
   *
   * @param heldCount How many are in `held`.
   * @param ahead Ticks since the base.
   * @param behind Ticks from the one before it to the base.
   */
  measure(
    kind: KindLayout,
    history: History,
    shown: ShownEntities,
    moving: number,
    rest: number,
    end: number,
    heldCount: number,
    ahead: number,
    behind: number,
  ): void {
    this.touched.fill(0, 0, end);
    let reference = 0;
    for (let c = 0; c < kind.cells.length; c++) {
      const cell = kind.cells[c] as Cell;
      const at = c * this.#room;
      let different: number;
      if (cell.refers) {
        different = this.#measureReference(shown, reference, c, 0, moving);
        different += this.#measureReference(shown, reference++, c, rest, end);
      } else if (cell.moves) {
        const isSmall = behind === 1 && !cell.wraps && cell.min >= -SMALL && cell.max <= SMALL;
        different = isSmall
          ? this.#measureSmall(cell, history.cells, c, 0, moving, ahead)
          : this.#measureMoving(cell, history.cells, c, 0, moving, ahead, behind);
        different += this.#measureMoving(cell, history.cells, c, rest, end, 0, 1);
      } else {
        this.#residuals.fill(0, at, at + moving);
        this.#residuals.fill(0, at + rest, at + end);
        different = this.#measureHeld(cell, history.cells, c, heldCount);
      }
      this.#counts[c] = different;
    }
  }

  #measureHeld(cell: Cell, cells: Int32Array, c: number, heldCount: number): number {
    const { now, base, touched, held } = this;
    const residuals = this.#residuals;
    const to = c * this.#room;
    let different = 0;
    for (let j = 0; j < heldCount; j++) {
      const i = held[j] as number;
      const value = cells[(now[i] as number) + c] as number;
      const was = cells[(base[i] as number) + c] as number;
      if (value === was) continue;
      residuals[to + i] = differenceOf(cell, value, was);
      touched[i] = 1;
      different++;
    }
    return different;
  }

  #measureSmall(cell: Cell, cells: Int32Array, c: number, from: number, end: number, ahead: number): number {
    const { now, base, previous, touched } = this;
    const residuals = this.#residuals;
    const speeds = this.#speeds;
    const to = c * this.#room;
    const { min, max } = cell;
    let different = 0;
    for (let i = from; i < end; i++) {
      const was = cells[(base[i] as number) + c] as number;
      const step = was - (cells[(previous[i] as number) + c] as number);
      let expected = was + Math.imul(step, ahead);
      if (expected < min) expected = min;
      else if (expected > max) expected = max;
      const residual = (cells[(now[i] as number) + c] as number) - expected;
      residuals[to + i] = residual;
      speeds[to + i] = step < 0 ? -step : step;
      if (residual !== 0) {
        touched[i] = 1;
        different++;
      }
    }
    return different;
  }

  #measureMoving(
    cell: Cell,
    cells: Int32Array,
    c: number,
    from: number,
    end: number,
    ahead: number,
    behind: number,
  ): number {
    const { now, base, previous, touched } = this;
    const residuals = this.#residuals;
    const speeds = this.#speeds;
    const to = c * this.#room;
    let different = 0;
    for (let i = from; i < end; i++) {
      const was = cells[(base[i] as number) + c] as number;
      const before = cells[(previous[i] as number) + c] as number;
      const expected = foretell(cell, was, before, ahead, behind);
      const residual = differenceOf(cell, cells[(now[i] as number) + c] as number, expected);
      residuals[to + i] = residual;
      speeds[to + i] = was === before ? 0 : speedOf(cell, was, before);
      if (residual !== 0) {
        touched[i] = 1;
        different++;
      }
    }
    return different;
  }

  #measureReference(shown: ShownEntities, reference: number, c: number, from: number, end: number): number {
    const { nowAt, baseAt, touched } = this;
    const { references, referenceCount } = shown;
    const to = c * this.#room;
    let different = 0;
    for (let i = from; i < end; i++) {
      const is = references[(nowAt[i] as number) * referenceCount + reference] as number;
      const residual = is - (references[(baseAt[i] as number) * referenceCount + reference] as number);
      this.#residuals[to + i] = residual;
      if (residual !== 0) {
        touched[i] = 1;
        different++;
      }
    }
    return different;
  }

  /**
   * Writes the first `count` of `which`, as they were measured; of those, the first `moving` moved before.
   */
  writeMeasured(out: BitWriter, kind: KindLayout, history: History, count: number, moving: number): void {
    const columns = kind.cells.length;
    let told = 0;
    for (let c = 0; c < columns; c++) if (this.#counts[c] !== 0) this.#columns[told++] = c;
    writeMarks(out, columns, this.#columns, told);
    let last = -1;
    for (let t = 0; t < told && !out.overflowed; t++) {
      const c = this.#columns[t] as number;
      this.#similar = last === c - 1 && isSimilar(kind, c) ? this.#similar + 1 : 0;
      last = c;
      this.#writeColumn(out, kind.cells[c] as Cell, history.cells, c, count, moving);
    }
  }

  /** Writes one cell of the first `count` of `which`: of all of them, or of the few that differ. */
  #writeColumn(
    out: BitWriter,
    cell: Cell,
    cells: Int32Array,
    c: number,
    count: number,
    moving: number,
  ): void {
    const { which } = this;
    const from = c * this.#room;
    const residuals = this.#residuals;
    const few = this.#some;
    // A cell of two values is the other one; nothing is to be said of it.
    const isFlip = isBinary(cell);
    const isSparse = isFlip || (this.#counts[c] as number) * 2 <= count;
    if (!isFlip) out.write(isSparse ? 1 : 0, 1);
    const sums = this.#sums;
    if (this.#similar === 0) sums.fill(0, 0, count);
    let told = count;
    if (isSparse) {
      told = 0;
      for (let i = 0; i < count; i++) if (residuals[from + (which[i] as number)] !== 0) few[told++] = i;
      writeMarks(out, count, few, told);
      if (isFlip) return;
    }
    const list = isSparse ? few : this.#all;
    this.#expect(cell, cells, c, list, told, moving);
    const values = this.#values;
    for (let j = 0; j < told; j++) {
      const i = list[j] as number;
      const residual = residuals[from + (which[i] as number)] as number;
      values[j] = zigzag(residual) - (isSparse ? 1 : 0);
      sums[i] = (sums[i] as number) + magnitude(residual);
    }
    this.#code.write(out, values, this.#classes, told);
  }

  /** Finds how large the residuals of a cell are expected to be. */
  #expect(cell: Cell, cells: Int32Array, c: number, list: Int32Array, count: number, moving: number): void {
    const { which, base, previous } = this;
    const classes = this.#classes;
    const sums = this.#sums;
    const similar = this.#similar;
    const speeds = this.#speeds;
    const from = c * this.#room;
    for (let j = 0; j < count; j++) {
      const i = list[j] as number;
      let speed = 0;
      if (i < moving) {
        const entity = which[i] as number;
        if (cell.moves) speed = speeds[from + entity] as number;
        else if (!cell.refers) {
          const is = cells[(base[entity] as number) + c] as number;
          speed = speedOf(cell, is, cells[(previous[entity] as number) + c] as number);
        }
      }
      classes[j] = classOf(sums[i] as number, similar, speed);
    }
  }

  /** Writes the first `count` entities without a base. */
  writeWhole(out: BitWriter, kind: KindLayout, history: History, shown: ShownEntities, count: number): void {
    const { now, nowAt } = this;
    const { cells } = history;
    let reference = 0;
    for (let c = 0; c < kind.cells.length && !out.overflowed; c++) {
      const cell = kind.cells[c];
      if (cell === undefined) continue;
      const values = this.#some;
      for (let i = 0; i < count; i++) {
        values[i] = cell.refers
          ? (shown.references[(nowAt[i] as number) * shown.referenceCount + reference] as number)
          : (cells[(now[i] as number) + c] as number);
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
