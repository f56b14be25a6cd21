import { widthOf, writeMarks } from "../bits/marks.ts";
import { writeGamma } from "../bits/rice.ts";
import type { BitWriter } from "../bits/writer.ts";
import type { KindLayout, Layout } from "../contracts/layout.ts";
import { ColumnsWriter } from "./columns-writer.ts";
import type { History } from "./history.ts";
import type { ShownEntities } from "./shown.ts";

/** What a part says of an id: that nobody has it, who has it, or how that one is not as it was at a tick. */
export const LEFT = 1;
export const ENTERED = 2;
export const UPDATED = 3;

/** What a part says. */
export interface PartPlan {
  /** By id: one of the three, or 0 where it says nothing. */
  readonly says: Uint8Array;
  /** By id: how many ticks ago that tick was. */
  readonly distances: Uint8Array;
}

/** Writes some of what is shown, each against a base of its own. Keeps nothing but memory to work in. */
export class PartWriter {
  readonly #layout: Layout;
  readonly #kindWidth: number;
  readonly #columns: ColumnsWriter;
  #list = new Int32Array(0);

  constructor(layout: Layout) {
    this.#layout = layout;
    this.#kindWidth = widthOf(layout.kinds.length - 1);
    this.#columns = new ColumnsWriter(layout);
  }

  write(out: BitWriter, history: History, shown: ShownEntities, plan: PartPlan): void {
    const { copies, marks, end } = shown;
    const now = shown.at(history.tick);
    if (end > this.#list.length) this.#list = new Int32Array(shown.width);
    this.#columns.reserve(end);
    writeGamma(out, end);
    this.#writeWhich(out, plan, LEFT, end);
    this.#writeWhich(out, plan, ENTERED, end);
    for (let id = 0; id < end; id++) {
      if (plan.says[id] !== ENTERED) continue;
      out.write((history.kinds[(copies[now + id] as number) - 1] as number) - 1, this.#kindWidth);
      out.write(marks[now + id] as number, 8);
    }
    this.#writeDistances(out, plan, this.#writeWhich(out, plan, UPDATED, end));
    for (let k = 0; k < this.#layout.kinds.length && !out.overflowed; k++) {
      const kind = this.#layout.kinds[k] as KindLayout;
      const columns = this.#columns;
      if (this.#measure(history, shown, plan, k) > 0) columns.writeMeasured(out, k, history);
      const entered = this.#gather(history, shown, plan, k);
      if (entered > 0) columns.writeWhole(out, kind, history, shown, this.#list, entered);
    }
    out.finish();
  }

  #writeWhich(out: BitWriter, plan: PartPlan, what: number, end: number): number {
    let count = 0;
    for (let id = 0; id < end; id++) if (plan.says[id] === what) this.#list[count++] = id;
    writeMarks(out, end, this.#list, count);
    return count;
  }

  /** How old the bases are of the `count` in the list. */
  #writeDistances(out: BitWriter, plan: PartPlan, count: number): void {
    const { distances } = plan;
    let isOne = true;
    for (let i = 1; i < count; i++) {
      if (distances[this.#list[i] as number] !== distances[this.#list[0] as number]) isOne = false;
    }
    if (count > 1) out.write(isOne ? 1 : 0, 1);
    for (let i = 0; i < (isOne ? Math.min(1, count) : count); i++) {
      out.write(distances[this.#list[i] as number] as number, 6);
    }
  }

  /** Measures those of a kind that are told against a base. Returns how many they are. */
  #measure(history: History, shown: ShownEntities, plan: PartPlan, k: number): number {
    const { measured } = this.#columns;
    const { tick, kinds } = history;
    const now = shown.at(tick);
    measured.begin();
    for (let id = 0; id < shown.end; id++) {
      if (plan.says[id] !== UPDATED || kinds[(shown.copies[now + id] as number) - 1] !== k + 1) continue;
      measured.add(history, shown, now + id, shown.at(tick - (plan.distances[id] as number)) + id);
    }
    measured.measureAdded(history, shown, k);
    return measured.count;
  }

  /** Lists where those of a kind that entered are. Returns how many they are. */
  #gather(history: History, shown: ShownEntities, plan: PartPlan, k: number): number {
    const now = shown.at(history.tick);
    let count = 0;
    for (let id = 0; id < shown.end; id++) {
      if (plan.says[id] !== ENTERED) continue;
      if (history.kinds[(shown.copies[now + id] as number) - 1] === k + 1) this.#list[count++] = now + id;
    }
    return count;
  }
}
