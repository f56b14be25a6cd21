import { widthOf, writeMarks } from "../bits/marks.ts";
import { writeGamma } from "../bits/rice.ts";
import type { BitWriter } from "../bits/writer.ts";
import type { KindLayout, Layout } from "../contracts/layout.ts";
import { ColumnsWriter } from "./columns-writer.ts";
import type { History } from "./history.ts";
import { grown } from "./memory.ts";
import type { ShownEntities } from "./shown.ts";

/**
 * Writes what follows the header of a whole snapshot: who left, who entered, and how those who stayed are not
 * what was foretold. One serves all rooms of a layout; it keeps nothing but memory to work in. Hot: `npm run
 * bench -- room` guards it.
 */
export class BodyWriter {
  readonly #layout: Layout;
  readonly #kindWidth: number;
  readonly #columns: ColumnsWriter;
  /** By number of the kind, from 1: how many entities stayed, and how many entered. */
  readonly #stayedCounts: Int32Array;
  readonly #enteredCounts: Int32Array;
  /** Ids that stayed, and that entered, and how many. */
  #stayed = new Int32Array(0);
  #stayedCount = 0;
  #entered = new Int32Array(0);
  #enteredCount = 0;
  #list = new Int32Array(0);

  constructor(layout: Layout) {
    this.#layout = layout;
    this.#kindWidth = widthOf(layout.kinds.length - 1);
    this.#columns = new ColumnsWriter(layout);
    this.#stayedCounts = new Int32Array(layout.kinds.length + 1);
    this.#enteredCounts = new Int32Array(layout.kinds.length + 1);
  }

  /**
   * Writes all that is shown at the history's tick, against `base` and the tick `previous` before it. They
   * are -1 for none.
   */
  writeWhole(out: BitWriter, history: History, shown: ShownEntities, base: number, previous: number): void {
    this.#reserve(shown.end);
    const leftCount = this.#compare(history, shown, base);
    if (base >= 0) {
      // The usual: the two ticks follow each other, and nobody came or went.
      const behind = previous < 0 ? 0 : base - previous;
      const isUsual = behind === 1 && leftCount === 0 && this.#enteredCount === 0;
      out.write(isUsual ? 1 : 0, 1);
      if (!isUsual) {
        writeGamma(out, behind);
        writeMarks(out, this.#stayedCount + leftCount, this.#list, leftCount);
        this.#writeEntered(out, history, shown);
      }
    } else this.#writeEntered(out, history, shown);
    for (let k = 0; k < this.#layout.kinds.length && !out.overflowed; k++) {
      if (this.#stayedCounts[k + 1] !== 0) this.#writeStayed(out, history, shown, k, base, previous);
      if (this.#enteredCounts[k + 1] !== 0) this.#writeRows(out, history, shown, k);
    }
    out.finish();
  }

  #reserve(ids: number): void {
    this.#columns.reserve(ids);
    if (ids <= this.#list.length) return;
    const room = grown(this.#list.length, ids);
    this.#list = new Int32Array(room);
    this.#stayed = new Int32Array(room);
    this.#entered = new Int32Array(room);
  }

  /**
   * Finds who stayed, who entered, and in the list who of those who were there left; returns how many left.
   */
  #compare(history: History, shown: ShownEntities, base: number): number {
    const { copies, marks, end } = shown;
    const { kinds } = history;
    const now = shown.at(history.tick);
    const old = shown.at(base);
    const stayed = this.#stayed;
    const entered = this.#entered;
    const left = this.#list;
    const stayedCounts = this.#stayedCounts.fill(0);
    const enteredCounts = this.#enteredCounts.fill(0);
    let stayedCount = 0;
    let enteredCount = 0;
    let leftCount = 0;
    for (let id = 0; id < end; id++) {
      const was = base < 0 ? 0 : (copies[old + id] as number);
      const is = copies[now + id] as number;
      if (is !== 0) {
        const kind = kinds[is - 1] as number;
        if (was !== 0 && marks[now + id] === marks[old + id]) {
          stayed[stayedCount++] = id;
          stayedCounts[kind] = (stayedCounts[kind] as number) + 1;
          continue;
        }
        entered[enteredCount++] = id;
        enteredCounts[kind] = (enteredCounts[kind] as number) + 1;
      }
      if (was !== 0) {
        left[leftCount] = stayedCount + leftCount;
        leftCount++;
      }
    }
    this.#stayedCount = stayedCount;
    this.#enteredCount = enteredCount;
    return leftCount;
  }

  /** Each that entered, by how many ids that nobody has lie before it. */
  #writeEntered(out: BitWriter, history: History, shown: ShownEntities): void {
    const now = shown.at(history.tick);
    let at = 0;
    let next = 0;
    for (let i = 0; i < this.#enteredCount; i++) {
      const id = this.#entered[i] as number;
      let gap = id - next;
      for (; at < this.#stayedCount && (this.#stayed[at] as number) < id; at++) {
        if ((this.#stayed[at] as number) >= next) gap--;
      }
      next = id + 1;
      out.write(1, 1);
      writeGamma(out, gap);
      out.write((history.kinds[(shown.copies[now + id] as number) - 1] as number) - 1, this.#kindWidth);
      out.write(shown.marks[now + id] as number, 8);
    }
    out.write(0, 1);
  }

  /** Those of a kind that entered, as they are. */
  #writeRows(out: BitWriter, history: History, shown: ShownEntities, k: number): void {
    const now = shown.at(history.tick);
    const places = this.#list;
    let count = 0;
    for (let i = 0; i < this.#enteredCount; i++) {
      const at = now + (this.#entered[i] as number);
      if (history.kinds[(shown.copies[at] as number) - 1] === k + 1) places[count++] = at;
    }
    this.#columns.writeWhole(out, this.#layout.kinds[k] as KindLayout, history, shown, places, count);
  }

  /**
   * Those of a kind that stayed: first which of them are not what was foretold, apart for those that moved
   * before and those that rested; then what they are.
   */
  #writeStayed(
    out: BitWriter,
    history: History,
    shown: ShownEntities,
    k: number,
    base: number,
    previous: number,
  ): void {
    const { measured } = this.#columns;
    measured.measure(history, shown, k, this.#stayed, this.#stayedCount, base, previous);
    const { which, ranks, count, moved, moving, rested } = measured;
    writeMarks(out, moving, which, moved);
    writeMarks(out, rested, ranks, count - moved);
    if (count > 0) this.#columns.writeMeasured(out, k, history);
  }
}
