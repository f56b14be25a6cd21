import type { Layout } from "../contracts/layout.ts";
import type { Rows } from "../contracts/rows.ts";
import type { History } from "./history.ts";
import { grown, regrown, spread, NO_BYTES, NO_INTEGERS, NO_NUMBERS } from "./memory.ts";
import { type KindPlan, planOf } from "./plan.ts";
import { RING, RING_MASK } from "./ring.ts";

/**
 * Which entities are shown, by ids of its own: small numbers that say nothing of what is not shown. An id is
 * given anew as soon as it is free; each entity that has it bears another mark, which recurs after 256, when
 * the last one is long out of the ring.
 */
export class ShownEntities {
  readonly layout: Layout;
  /** Ids below this may have been in use. */
  end = 0;
  /** How far apart ticks lie in `copies` and `marks`. */
  width = 0;
  /** By place in the ring and id: 1 plus the number of the copy in the history, or 0 for none. */
  copies: Int32Array = NO_INTEGERS;
  /** By place in the ring and id: which entity of this id it is, modulo 256. */
  marks: Uint8Array = NO_BYTES;
  /** By place in the ring, id and reference: 1 plus the id of what it names, or 0 if that is not shown. */
  references: Int32Array = NO_INTEGERS;
  /** How many references an id has in it. */
  readonly referenceCount: number;
  /** By id: 1 plus the tick at which it last became other than it had been; 0 for never. */
  changedAt: Uint32Array = NO_NUMBERS;
  readonly #history: History;
  readonly #plan: readonly KindPlan[];
  /** By id: 1 plus the slot that has it, or 0. No id below `#firstFree` is free. */
  #slots: Int32Array = NO_INTEGERS;
  #firstFree = 0;
  /** By id: which entity of its slot it is. */
  #entities: Uint32Array = NO_NUMBERS;
  /** By id: which entity of this id is the last, modulo 256. */
  #lastMarks: Uint8Array = NO_BYTES;
  /** By slot: 1 plus its id, or 0. */
  #ids: Int32Array = NO_INTEGERS;
  /** By slot: whether it is to be shown, and which of its entities. */
  #isWanted: Uint8Array = NO_BYTES;
  #generations: Uint32Array = NO_NUMBERS;
  /** Slots that are to be shown and may have no id yet. */
  #awaited: Int32Array = NO_INTEGERS;
  #awaitedCount = 0;

  constructor(history: History) {
    this.#history = history;
    this.layout = history.layout;
    this.#plan = planOf(history.layout);
    this.referenceCount = Math.max(...this.#plan.map((kind) => kind.references.length));
  }

  /** Shows what is in this slot, until it is hidden or gone. */
  show(rows: Rows, slot: number): void {
    if (slot >= this.#ids.length) this.#growSlots(slot + 1);
    const generation = rows.generations[slot] as number;
    if (this.#isWanted[slot] === 1 && this.#generations[slot] === generation) return;
    this.#isWanted[slot] = 1;
    this.#generations[slot] = generation;
    if (this.#awaitedCount === this.#awaited.length) {
      this.#awaited = regrown(this.#awaited, new Int32Array(grown(this.#awaitedCount, 0)));
    }
    this.#awaited[this.#awaitedCount++] = slot;
  }

  hide(slot: number): void {
    if (slot < this.#isWanted.length) this.#isWanted[slot] = 0;
  }

  /** Whether it is to be shown: what is in this slot now. */
  isShown(rows: Rows, slot: number): boolean {
    return this.#isWanted[slot] === 1 && this.#generations[slot] === rows.generations[slot];
  }

  /** The id of what is in this slot, as of the last commit, or -1 if it was not shown. */
  idOf(slot: number): number {
    return slot < this.#ids.length ? (this.#ids[slot] as number) - 1 : -1;
  }

  /** Gives and takes ids, and remembers what is shown at the last tick of the history. */
  commit(): void {
    if (this.end > 0) this.#takeIds();
    if (this.#awaitedCount > 0) this.#giveIds();
    if (this.end > 0) this.#remember();
  }

  /** Where a tick begins in `copies` and `marks`. */
  at(tick: number): number {
    return (tick & RING_MASK) * this.width;
  }

  /** Ids of slots that are not wanted any more, or have another entity than the one that was shown. */
  #takeIds(): void {
    const { copies, now, generations } = this.#history;
    for (let id = 0; id < this.end; id++) {
      const slot = (this.#slots[id] as number) - 1;
      if (slot < 0) continue;
      const copy = copies[now + slot] as number;
      const isGone = copy === 0 || generations[copy - 1] !== this.#entities[id];
      if (!isGone && this.#isWanted[slot] === 1) continue;
      if (isGone && this.#generations[slot] === this.#entities[id]) this.#isWanted[slot] = 0;
      this.#slots[id] = 0;
      this.#ids[slot] = 0;
      this.#firstFree = Math.min(this.#firstFree, id);
    }
  }

  #giveIds(): void {
    const { copies, now, generations } = this.#history;
    for (let i = 0; i < this.#awaitedCount; i++) {
      const slot = this.#awaited[i] as number;
      if (this.#isWanted[slot] === 0 || this.#ids[slot] !== 0) continue;
      const copy = slot < this.#history.end ? (copies[now + slot] as number) : 0;
      if (copy === 0 || generations[copy - 1] !== this.#generations[slot]) {
        this.#isWanted[slot] = 0;
        continue;
      }
      const id = this.#lowestFree();
      this.#slots[id] = slot + 1;
      this.#ids[slot] = id + 1;
      this.#entities[id] = this.#generations[slot] as number;
      this.#lastMarks[id] = (this.#lastMarks[id] as number) + 1;
    }
    this.#awaitedCount = 0;
  }

  #lowestFree(): number {
    let id = this.#firstFree;
    while (id < this.end && this.#slots[id] !== 0) id++;
    this.#firstFree = id + 1;
    if (id === this.end) {
      this.end++;
      if (this.end > this.width) this.#growIds();
    }
    return id;
  }

  #remember(): void {
    const { tick, copies, now: from } = this.#history;
    const now = this.at(tick);
    const before = this.at(tick - 1);
    for (let id = 0; id < this.end; id++) {
      const slot = (this.#slots[id] as number) - 1;
      const copy = slot < 0 ? 0 : (copies[from + slot] as number);
      const mark = this.#lastMarks[id] as number;
      let hasChanged = copy !== this.copies[before + id] || (copy !== 0 && mark !== this.marks[before + id]);
      this.copies[now + id] = copy;
      this.marks[now + id] = mark;
      if (copy !== 0 && this.referenceCount > 0 && this.#refer(copy - 1, now + id, before + id))
        hasChanged = true;
      if (hasChanged) this.changedAt[id] = tick + 1;
    }
  }

  /** Notes what a row names, by ids. Says whether that has changed. */
  #refer(copy: number, to: number, from: number): boolean {
    const { cells, kinds, layout } = this.#history;
    const which = (this.#plan[(kinds[copy] as number) - 1] as KindPlan).references;
    let hasChanged = false;
    for (let i = 0; i < which.length; i++) {
      const slot = (cells[copy * layout.stride + (which[i] as number)] as number) - 1;
      const id = slot >= 0 && slot < this.#ids.length ? (this.#ids[slot] as number) : 0;
      if (this.references[from * this.referenceCount + i] !== id) hasChanged = true;
      this.references[to * this.referenceCount + i] = id;
    }
    return hasChanged;
  }

  #growSlots(needed: number): void {
    const count = grown(this.#ids.length, needed);
    this.#ids = regrown(this.#ids, new Int32Array(count));
    this.#isWanted = regrown(this.#isWanted, new Uint8Array(count));
    this.#generations = regrown(this.#generations, new Uint32Array(count));
  }

  #growIds(): void {
    const width = grown(this.width, this.end);
    const perId = this.referenceCount;
    this.copies = spread(this.copies, this.width, new Int32Array(RING * width), width);
    this.marks = spread(this.marks, this.width, new Uint8Array(RING * width), width);
    this.references = spread(
      this.references,
      this.width * perId,
      new Int32Array(RING * width * perId),
      width * perId,
    );
    this.changedAt = regrown(this.changedAt, new Uint32Array(width));
    this.#slots = regrown(this.#slots, new Int32Array(width));
    this.#lastMarks = regrown(this.#lastMarks, new Uint8Array(width));
    this.#entities = regrown(this.#entities, new Uint32Array(width));
    this.width = width;
  }
}
