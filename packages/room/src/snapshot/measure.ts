import type { Cell, KindLayout, Layout } from "../contracts/layout.ts";
import { differenceOf, foretell, speedOf } from "./foretell.ts";
import type { History } from "./history.ts";
import { grown } from "./memory.ts";
import { type KindPlan, planOf } from "./plan.ts";
import type { ShownEntities } from "./shown.ts";

/** Places in a row of `#rows`, and its length. */
const BASE = 1;
const PREVIOUS = 2;
const OTHER = 3;
const ROW = 4;

/**
 * How far entities of one kind are from what was foretold. Those that moved before are measured one cell
 * after the other, each in a loop of its own, with its ends in local variables. Hot: `npm run bench -- room`
 * guards it.
 */
export class Measurement {
  /** How many moved before; they have the indices from 0 on. Those that rested and may differ follow. */
  moving = 0;
  /** How many did not move before, and at most so many indices there are. */
  rested = 0;
  end = 0;
  /** Indices of those that are not as foretold, `count` of them. The first `moved` moved before. */
  which = new Int32Array(0);
  count = 0;
  moved = 0;
  /** Of the others of these: how many that rested were before. */
  ranks = new Int32Array(0);
  /**
   * By cell and index, `room` pairs apart: a residual, and how much the cell had changed. Of a cell whose
   * count is 0 there is nothing.
   */
  residuals = new Int32Array(0);
  room = 0;
  /** By cell: how many have another than was foretold. */
  readonly counts: Int32Array;
  readonly #layout: Layout;
  readonly #plans: readonly KindPlan[];
  /**
   * By index four numbers: where its cells are in the history, now, at the base and before that; and not 0
   * where it is not as foretold. One array, because each takes registers.
   */
  #rows = new Int32Array(0);
  /** By index: where its references are, now and at the base. */
  #nowAt = new Int32Array(0);
  #baseAt = new Int32Array(0);
  /** Indices of those of which a cell that does not move may be another. */
  #held = new Int32Array(0);
  /** Ids of those that rested and have to be looked at. */
  #resting = new Int32Array(0);
  #heldCount = 0;

  constructor(layout: Layout) {
    this.#layout = layout;
    this.#plans = planOf(layout);
    this.counts = new Int32Array(layout.stride);
  }

  /** Makes room for `count` entities. What was there is lost. */
  reserve(count: number): void {
    if (count <= this.room) return;
    const room = grown(this.room, count);
    const { stride } = this.#layout;
    this.room = room;
    this.which = new Int32Array(room);
    this.ranks = new Int32Array(room);
    this.residuals = new Int32Array(2 * room * stride);
    this.#rows = new Int32Array(ROW * room);
    this.#nowAt = new Int32Array(room);
    this.#baseAt = new Int32Array(room);
    this.#held = new Int32Array(room);
    this.#resting = new Int32Array(room);
  }

  /**
   * Measures those of a kind among the first `stayedCount` ids in `stayed`, at the history's tick, against
   * `base` and the tick `previous` before it, or -1.
   */
  measure(
    history: History,
    shown: ShownEntities,
    k: number,
    stayed: Int32Array,
    stayedCount: number,
    base: number,
    previous: number,
  ): void {
    this.#gather(history, shown, k, stayed, stayedCount, base, previous);
    this.#measureAll(history, shown, k, history.tick - base, base - previous);
    const { moving, which } = this;
    const rows = this.#rows;
    let count = 0;
    for (let i = 0; i < moving; i++) if (rows[ROW * i + OTHER] !== 0) which[count++] = i;
    this.moved = count;
    const moved = count;
    const { ranks } = this;
    for (let i = moving; i < this.end; i++) {
      if (rows[ROW * i + OTHER] === 0) continue;
      ranks[count - moved] = ranks[i - moving] as number;
      which[count++] = i;
    }
    this.count = count;
  }

  /** Measures none; `add` some, and then `measureAdded`. */
  begin(): void {
    this.moving = this.rested = this.moved = this.count = this.end = this.#heldCount = 0;
  }

  /** One that rested, whose places in what is shown these are. */
  add(history: History, shown: ShownEntities, nowAt: number, baseAt: number): void {
    const is = (shown.copies[nowAt] as number) - 1;
    const was = (shown.copies[baseAt] as number) - 1;
    const { cells, pitch } = history;
    const { stride } = this.#layout;
    const i = this.end++;
    const row = ROW * i;
    this.#rows[row] = is * pitch;
    this.#rows[row + BASE] = this.#rows[row + PREVIOUS] = was * pitch;
    this.#rows[row + OTHER] = 0;
    this.#nowAt[i] = nowAt;
    this.#baseAt[i] = baseAt;
    if (((cells[is * pitch + stride] as number) ^ (cells[was * pitch + stride] as number)) >>> 1 !== 0)
      this.#held[this.#heldCount++] = i;
  }

  /** Measures those that were added, of a kind, and has all be told. */
  measureAdded(history: History, shown: ShownEntities, k: number): void {
    this.#measureAll(history, shown, k, 0, 1);
    this.count = this.end;
    for (let i = 0; i < this.count; i++) this.which[i] = i;
  }

  /** Finds who moved before, and who of those that rested has to be looked at. */
  #gather(
    history: History,
    shown: ShownEntities,
    k: number,
    stayed: Int32Array,
    stayedCount: number,
    base: number,
    previous: number,
  ): void {
    const { cells, kinds, pitch } = history;
    const { copies, marks } = shown;
    const { stride, kinds: layoutKinds } = this.#layout;
    const now = shown.at(history.tick);
    const old = shown.at(base);
    const older = shown.at(previous);
    const isNext = previous === base - 1;
    const isOnly = layoutKinds.length === 1;
    const { moving: movingCells, references } = this.#plans[k] as KindPlan;
    const refers = references.length > 0;
    const { ranks } = this;
    const rows = this.#rows;
    const helds = this.#held;
    const ids = this.#resting;
    let moving = 0;
    let rested = 0;
    let resting = 0;
    let heldCount = 0;
    for (let j = 0; j < stayedCount; j++) {
      const id = stayed[j] as number;
      const was = copies[old + id] as number;
      if (!isOnly && kinds[was - 1] !== k + 1) continue;
      const is = copies[now + id] as number;
      const before = previous < 0 ? 0 : (copies[older + id] as number);
      const from = (was - 1) * pitch;
      const to = (is - 1) * pitch;
      if (before !== 0 && before !== was && marks[older + id] === marks[old + id]) {
        const last = (before - 1) * pitch;
        const held = cells[from + stride] as number;
        if (isNext ? (held & 1) !== 0 : hasMoved(cells, movingCells, from, last)) {
          const row = ROW * moving;
          rows[row] = to;
          rows[row + BASE] = from;
          rows[row + PREVIOUS] = last;
          rows[row + OTHER] = 0;
          if (((cells[to + stride] as number) ^ held) >>> 1 !== 0) helds[heldCount++] = moving;
          if (refers) {
            this.#nowAt[moving] = now + id;
            this.#baseAt[moving] = old + id;
          }
          moving++;
          continue;
        }
      }
      if (is !== was || refers) {
        ranks[resting] = rested;
        ids[resting++] = id;
      }
      rested++;
    }
    this.moving = moving;
    this.rested = rested;
    this.end = moving;
    this.#heldCount = heldCount;
    for (let i = 0; i < resting; i++) {
      const id = ids[i] as number;
      this.add(history, shown, now + id, old + id);
    }
  }

  #measureAll(history: History, shown: ShownEntities, k: number, ahead: number, behind: number): void {
    const { cells } = history;
    const { counts, moving, end } = this;
    const { cells: kindCells } = this.#layout.kinds[k] as KindLayout;
    const plan = this.#plans[k] as KindPlan;
    let reference = 0;
    for (let c = 0; c < kindCells.length; c++) {
      const cell = kindCells[c] as Cell;
      if (cell.refers) counts[c] = this.#measureReference(shown, reference++, c);
      else if (!cell.moves) counts[c] = this.#measureHeld(cell, cells, c);
      else {
        const isSmall = behind === 1 && plan.isSmall[c] !== 0;
        const different = !isSmall
          ? this.#measureMoving(cell, cells, c, 0, moving, ahead, behind)
          : cell.wraps
            ? this.#measureTurning(cells, c, cell.max - cell.min, ahead)
            : this.#measureSmall(cells, c, cell.min, cell.max, ahead);
        counts[c] = different + (moving < end ? this.#measureMoving(cell, cells, c, moving, end, 0, 1) : 0);
      }
    }
  }

  /** A cell that does not wrap, of all that moved, in 32-bit integers. */
  #measureSmall(cells: Int32Array, c: number, min: number, max: number, ahead: number): number {
    const { residuals, moving } = this;
    const rows = this.#rows;
    let to = 2 * c * this.room;
    let different = 0;
    for (let row = 0, end = ROW * moving; row < end; row += ROW) {
      const was = cells[(rows[row + BASE] as number) + c] as number;
      const step = (was - (cells[(rows[row + PREVIOUS] as number) + c] as number)) | 0;
      let expected = (was + Math.imul(step, ahead)) | 0;
      if (expected < min) expected = min;
      else if (expected > max) expected = max;
      const residual = ((cells[(rows[row] as number) + c] as number) - expected) | 0;
      const sign = step >> 31;
      residuals[to++] = residual;
      residuals[to++] = (step ^ sign) - sign;
      rows[row + OTHER] = (rows[row + OTHER] as number) | residual;
      different += (residual | -residual) >>> 31;
    }
    return different;
  }

  /** A cell that wraps, of all that moved; its span is a power of two, `mask` plus 1. */
  #measureTurning(cells: Int32Array, c: number, mask: number, ahead: number): number {
    const { residuals, moving } = this;
    const rows = this.#rows;
    let to = 2 * c * this.room;
    const half = (mask + 1) >> 1;
    let different = 0;
    for (let row = 0, end = ROW * moving; row < end; row += ROW) {
      const was = cells[(rows[row + BASE] as number) + c] as number;
      const step = ((was - (cells[(rows[row + PREVIOUS] as number) + c] as number) + half) & mask) - half;
      const value = cells[(rows[row] as number) + c] as number;
      const residual = ((value - was - Math.imul(step, ahead) + half) & mask) - half;
      const sign = step >> 31;
      residuals[to++] = residual;
      residuals[to++] = (step ^ sign) - sign;
      rows[row + OTHER] = (rows[row + OTHER] as number) | residual;
      different += (residual | -residual) >>> 31;
    }
    return different;
  }

  /** Any cell that moves. */
  #measureMoving(
    cell: Cell,
    cells: Int32Array,
    c: number,
    from: number,
    end: number,
    ahead: number,
    behind: number,
  ): number {
    const { residuals } = this;
    const rows = this.#rows;
    const to = 2 * c * this.room;
    let different = 0;
    for (let i = from; i < end; i++) {
      const row = ROW * i;
      const was = cells[(rows[ROW * i + BASE] as number) + c] as number;
      const before = cells[(rows[ROW * i + PREVIOUS] as number) + c] as number;
      const expected = foretell(cell, was, before, ahead, behind);
      const residual = differenceOf(cell, cells[(rows[ROW * i] as number) + c] as number, expected);
      residuals[to + 2 * i] = residual;
      residuals[to + 2 * i + 1] = was === before ? 0 : speedOf(cell, was, before);
      if (residual === 0) continue;
      rows[row + OTHER] = 1;
      different++;
    }
    return different;
  }

  #measureHeld(cell: Cell, cells: Int32Array, c: number): number {
    const rows = this.#rows;
    let different = 0;
    for (let j = 0; j < this.#heldCount; j++) {
      const i = this.#held[j] as number;
      const value = cells[(rows[ROW * i] as number) + c] as number;
      const was = cells[(rows[ROW * i + BASE] as number) + c] as number;
      if (value !== was) this.#note(c, i, differenceOf(cell, value, was), different++);
    }
    return different;
  }

  #measureReference(shown: ShownEntities, reference: number, c: number): number {
    const { references, referenceCount } = shown;
    let different = 0;
    for (let i = 0; i < this.end; i++) {
      const is = references[(this.#nowAt[i] as number) * referenceCount + reference] as number;
      const was = references[(this.#baseAt[i] as number) * referenceCount + reference] as number;
      if (is !== was) this.#note(c, i, is - was, different++);
    }
    return different;
  }

  /** Notes a residual, which is not 0, of a cell that does not move, of which there were `before`. */
  #note(c: number, i: number, residual: number, before: number): void {
    const from = 2 * c * this.room;
    if (before === 0) this.residuals.fill(0, from, from + 2 * this.end);
    this.residuals[from + 2 * i] = residual;
    this.#rows[ROW * i + OTHER] = 1;
  }

  /** Works out how much a cell that does not move had changed, of the first `count` in the list. */
  findSpeeds(cell: Cell, cells: Int32Array, c: number, list: Int32Array, count: number): void {
    const rows = this.#rows;
    const from = 2 * c * this.room + 1;
    for (let j = 0; j < count; j++) {
      const i = list[j] as number;
      let speed = 0;
      if (i < this.moving && !cell.refers) {
        const was = cells[(rows[ROW * i + BASE] as number) + c] as number;
        speed = speedOf(cell, was, cells[(rows[ROW * i + PREVIOUS] as number) + c] as number);
      }
      this.residuals[from + 2 * i] = speed;
    }
  }
}

/** Whether any of these cells is another in one row than in the other. */
function hasMoved(cells: Int32Array, which: Int32Array, is: number, was: number): boolean {
  for (let i = 0; i < which.length; i++) {
    const c = which[i] as number;
    if (cells[is + c] !== cells[was + c]) return true;
  }
  return false;
}
