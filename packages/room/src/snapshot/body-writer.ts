import { widthOf, writeMarks } from "../bits/marks.ts";
import { writeGamma } from "../bits/rice.ts";
import type { BitWriter } from "../bits/writer.ts";
import type { KindLayout, Layout } from "../contracts/layout.ts";
import { ColumnsWriter } from "./columns-writer.ts";
import type { History } from "./history.ts";
import { grown } from "./memory.ts";
import type { ShownEntities } from "./shown.ts";

/**
 * Writes what follows the header: who left, who entered, and how those who stayed are not what was foretold.
 * One serves all rooms of a layout; it keeps nothing but memory to work in.
 */
export class BodyWriter {
  readonly #layout: Layout;
  readonly #kindWidth: number;
  readonly #columns: ColumnsWriter;
  /** By kind: how many entities stayed, and how many entered. */
  readonly #stayed: Int32Array;
  readonly #entered: Int32Array;
  /** By kind: which cells move. */
  readonly #moving: readonly Int32Array[];
  #list = new Int32Array(0);
  #resting = new Int32Array(0);

  constructor(layout: Layout) {
    this.#layout = layout;
    this.#kindWidth = widthOf(layout.kinds.length - 1);
    this.#columns = new ColumnsWriter(layout);
    this.#stayed = new Int32Array(layout.kinds.length + 1);
    this.#entered = new Int32Array(layout.kinds.length + 1);
    this.#moving = layout.kinds.map((kind) =>
      Int32Array.from(kind.cells.flatMap((cell, index) => (cell.moves ? [index] : []))),
    );
  }

  /**
   * Writes all that is shown at the history's tick, against `base` and the tick `previous` before it. They
   * are -1 for none.
   */
  writeWhole(out: BitWriter, history: History, shown: ShownEntities, base: number, previous: number): void {
    this.#begin(shown.end);
    const now = shown.at(history.tick);
    const old = base < 0 ? -1 : shown.at(base);
    if (base >= 0) {
      const behind = previous < 0 ? 0 : base - previous;
      writeGamma(out, behind === 1 ? 0 : behind === 0 ? 1 : behind);
    }
    this.#writeComings(out, history, shown, now, old);
    for (let k = 0; k < this.#layout.kinds.length && !out.overflowed; k++) {
      const kind = this.#layout.kinds[k] as KindLayout;
      if ((this.#stayed[k + 1] as number) > 0) {
        this.#writeStayed(out, history, shown, k + 1, kind, base, previous);
      }
      if ((this.#entered[k + 1] as number) > 0) {
        this.#gatherEntered(history, shown, k + 1, now, old);
        this.#columns.writeWhole(out, kind, history, shown);
      }
    }
    out.finish();
  }

  #begin(ids: number): void {
    this.#stayed.fill(0);
    this.#entered.fill(0);
    this.#columns.reserve(2 * ids);
    if (ids <= this.#list.length) return;
    const room = grown(this.#list.length, ids);
    this.#list = new Int32Array(room);
    this.#resting = new Int32Array(room);
  }

  /** Who left and who entered, and counts by kind. */
  #writeComings(out: BitWriter, history: History, shown: ShownEntities, now: number, old: number): void {
    const { copies, marks, end } = shown;
    const { kinds } = history;
    const left = this.#list;
    let leftCount = 0;
    let oldCount = 0;
    for (let id = 0; id < end; id++) {
      const was = old < 0 ? 0 : (copies[old + id] as number);
      if (was !== 0 && copies[now + id] !== 0 && marks[now + id] === marks[old + id]) {
        const kind = kinds[was - 1] as number;
        this.#stayed[kind] = (this.#stayed[kind] as number) + 1;
      } else if (was !== 0) left[leftCount++] = oldCount;
      if (was !== 0) oldCount++;
    }
    if (old >= 0) writeMarks(out, oldCount, left, leftCount);
    // Each that entered by how many ids without an entity lie between.
    let gap = 0;
    for (let id = 0; id < end; id++) {
      const is = copies[now + id] as number;
      if (old >= 0 && copies[old + id] !== 0 && is !== 0 && marks[now + id] === marks[old + id]) continue;
      if (is === 0) {
        gap++;
        continue;
      }
      const kind = kinds[is - 1] as number;
      this.#entered[kind] = (this.#entered[kind] as number) + 1;
      out.write(1, 1);
      writeGamma(out, gap);
      out.write(kind - 1, this.#kindWidth);
      out.write(marks[now + id] as number, 8);
      gap = 0;
    }
    out.write(0, 1);
  }

  #gatherEntered(history: History, shown: ShownEntities, kind: number, now: number, old: number): void {
    const { copies, marks, end } = shown;
    const columns = this.#columns;
    columns.count = 0;
    for (let id = 0; id < end; id++) {
      const is = copies[now + id] as number;
      if (is === 0 || history.kinds[is - 1] !== kind) continue;
      if (old >= 0 && copies[old + id] !== 0 && marks[now + id] === marks[old + id]) continue;
      columns.now[columns.count] = is - 1;
      columns.nowAt[columns.count++] = now + id;
    }
  }

  /**
   * Those of a kind that stayed: first which of them are not what was foretold, apart for those that moved
   * and those that rested; then what they are.
   */
  #writeStayed(
    out: BitWriter,
    history: History,
    shown: ShownEntities,
    kindNumber: number,
    kind: KindLayout,
    base: number,
    previous: number,
  ): void {
    const { copies, marks, end } = shown;
    const now = shown.at(history.tick);
    const old = shown.at(base);
    const older = previous < 0 ? -1 : shown.at(previous);
    const hasReferences = kind.cells.some((cell) => cell.refers);
    const columns = this.#columns;
    const resting = this.#resting;
    let movingCount = 0;
    let restingCount = 0;
    let restingKept = 0;
    columns.count = 0;
    for (let pass = 0; pass < 2; pass++) {
      if (pass === 1) movingCount = columns.count;
      for (let id = 0; id < end; id++) {
        const was = copies[old + id] as number;
        const is = copies[now + id] as number;
        if (
          was === 0 ||
          is === 0 ||
          marks[now + id] !== marks[old + id] ||
          history.kinds[was - 1] !== kindNumber
        )
          continue;
        const isKnown = older >= 0 && copies[older + id] !== 0 && marks[older + id] === marks[old + id];
        const before = isKnown ? (copies[older + id] as number) : was;
        const isMoving = before !== was && this.#hasMoved(history, kindNumber, was - 1, before - 1);
        if (isMoving !== (pass === 0)) continue;
        if (pass === 1) {
          restingCount++;
          if (is === was && !hasReferences) continue;
          resting[restingKept++] = restingCount - 1;
        }
        const at = columns.count++;
        columns.now[at] = is - 1;
        columns.base[at] = was - 1;
        columns.previous[at] = isMoving ? before - 1 : was - 1;
        columns.nowAt[at] = now + id;
        columns.baseAt[at] = old + id;
      }
    }
    columns.measure(kind, history, shown, history.tick - base, Math.max(1, base - previous));
    let count = 0;
    const list = this.#list;
    for (let i = 0; i < movingCount; i++) {
      if (columns.touched[i] === 0) continue;
      columns.which[count] = i;
      list[count++] = i;
    }
    writeMarks(out, movingCount, list, count);
    const from = count;
    for (let i = movingCount; i < columns.count; i++) {
      if (columns.touched[i] === 0) continue;
      columns.which[count] = i;
      list[count++ - from] = resting[i - movingCount] as number;
    }
    writeMarks(out, restingCount, list, count - from);
    if (count > 0) columns.writeMeasured(out, kind, history, count);
  }

  #hasMoved(history: History, kind: number, a: number, b: number): boolean {
    const { cells, layout } = history;
    const which = this.#moving[kind - 1] as Int32Array;
    for (let i = 0; i < which.length; i++) {
      const c = which[i] as number;
      if (cells[a * layout.stride + c] !== cells[b * layout.stride + c]) return true;
    }
    return false;
  }
}
