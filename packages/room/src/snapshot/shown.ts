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
  /** By id: which entity of its slot it is, and of which kind: a world that went back may have others. */
  #entities: Uint32Array = NO_NUMBERS;
  #kinds: Uint8Array = NO_BYTES;
  /** By id: which entity of this id is the last, modulo 256. */
  #lastMarks: Uint8Array = NO_BYTES;
  /** By slot: 1 plus its id, or 0. */
  #ids: Int32Array = NO_INTEGERS;
  /** By slot: 1 plus the index of the kind of what is to be shown, or 0; and which of its entities. */
  #wanted: Uint8Array = NO_BYTES;
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
    const kind = rows.kinds[slot] as number;
    if (this.#wanted[slot] === kind && this.#generations[slot] === generation) return;
    this.#wanted[slot] = kind;
    this.#generations[slot] = generation;
    if (this.#awaitedCount === this.#awaited.length) {
      this.#awaited = regrown(this.#awaited, new Int32Array(grown(this.#awaitedCount, 0)));
    }
    this.#awaited[this.#awaitedCount++] = slot;
  }

  hide(slot: number): void {
    if (slot < this.#wanted.length) this.#wanted[slot] = 0;
  }

  /** Whether it is to be shown: what is in this slot now. */
  isShown(rows: Rows, slot: number): boolean {
    const kind = this.#wanted[slot] ?? 0;
    return kind !== 0 && rows.kinds[slot] === kind && this.#generations[slot] === rows.generations[slot];
  }

  /** The id of what is in this slot, as of the last commit, or -1 if it was not shown. */
  idOf(slot: number): number {
    return (this.#ids[slot] ?? 0) - 1;
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
    for (let id = 0; id < this.end; id++) {
      const slot = (this.#slots[id] as number) - 1;
      if (slot < 0) continue;
      const kind = this.#kinds[id] as number;
      const entity = this.#entities[id] as number;
      const isWanted = this.#wanted[slot] === kind && this.#generations[slot] === entity;
      const isThere = this.#isThere(slot, kind, entity);
      if (isWanted && isThere) continue;
      if (isWanted) this.#wanted[slot] = 0;
      this.#slots[id] = 0;
      this.#ids[slot] = 0;
      this.#firstFree = Math.min(this.#firstFree, id);
    }
  }

  #giveIds(): void {
    for (let i = 0; i < this.#awaitedCount; i++) {
      const slot = this.#awaited[i] as number;
      const kind = this.#wanted[slot] as number;
      const entity = this.#generations[slot] as number;
      if (kind === 0 || this.#ids[slot] !== 0) continue;
      if (!this.#isThere(slot, kind, entity)) {
        this.#wanted[slot] = 0;
        continue;
      }
      const id = this.#lowestFree();
      this.#slots[id] = slot + 1;
      this.#ids[slot] = id + 1;
      this.#entities[id] = entity;
      this.#kinds[id] = kind;
      this.#lastMarks[id] = (this.#lastMarks[id] as number) + 1;
    }
    this.#awaitedCount = 0;
  }

  /** Whether a slot has this entity at the last tick of the history. */
  #isThere(slot: number, kind: number, entity: number): boolean {
    const { copies, now, kinds, generations } = this.#history;
    const copy = slot < this.#history.end ? (copies[now + slot] as number) - 1 : -1;
    return copy >= 0 && generations[copy] === entity && kinds[copy] === kind;
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
      const last = this.copies[before + id] as number;
      let hasChanged = copy !== last;
      if (copy !== 0 && last !== 0) {
        if (mark !== this.marks[before + id]) hasChanged = true;
        else if (hasChanged) hasChanged = this.#differ(copy - 1, last - 1);
      }
      this.copies[now + id] = copy;
      this.marks[now + id] = mark;
      if (copy !== 0 && this.referenceCount > 0 && this.#refer(copy - 1, now + id, before + id))
        hasChanged = true;
      if (hasChanged) this.changedAt[id] = tick + 1;
    }
  }

  /** Whether two copies of an entity differ in more than whom they name, of whom some may not be shown. */
  #differ(one: number, other: number): boolean {
    const { cells, kinds, pitch } = this.#history;
    const { references, others } = this.#plan[(kinds[one] as number) - 1] as KindPlan;
    if (references.length === 0) return true;
    for (let i = 0; i < others.length; i++) {
      const c = others[i] as number;
      if (cells[one * pitch + c] !== cells[other * pitch + c]) return true;
    }
    return false;
  }

  /** Notes what a row names, by ids. Says whether that has changed. */
  #refer(copy: number, to: number, from: number): boolean {
    const { cells, kinds, pitch } = this.#history;
    const which = (this.#plan[(kinds[copy] as number) - 1] as KindPlan).references;
    let hasChanged = false;
    for (let i = 0; i < which.length; i++) {
      const slot = (cells[copy * pitch + (which[i] as number)] as number) - 1;
      const id = slot >= 0 && slot < this.#ids.length ? (this.#ids[slot] as number) : 0;
      if (this.references[from * this.referenceCount + i] !== id) hasChanged = true;
      this.references[to * this.referenceCount + i] = id;
    }
    return hasChanged;
  }

  #growSlots(needed: number): void {
    const count = grown(this.#ids.length, needed);
    this.#ids = regrown(this.#ids, new Int32Array(count));
    this.#wanted = regrown(this.#wanted, new Uint8Array(count));
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
    this.#kinds = regrown(this.#kinds, new Uint8Array(width));
    this.width = width;
  }
}
