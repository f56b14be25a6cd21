import type { Cells, Ref } from "./cells.ts";

/** In which words of a record a list has its links. */
export interface ListFields {
  readonly older: number;
  readonly newer: number;
  /** In the record whose list it is. */
  readonly oldest: number;
  readonly newest: number;
}

/**
 * Lists of records by how long ago they were used, each step in constant time: doubly linked. Each list is of
 * a record, its owner, or of record 0.
 */
export class RecordList {
  readonly #cells: Cells;
  readonly #fields: ListFields;

  constructor(cells: Cells, fields: ListFields) {
    this.#cells = cells;
    this.#fields = fields;
  }

  /** Adds a record as the one used last. */
  add(owner: Ref, ref: Ref): void {
    const { older, newer, oldest, newest } = this.#fields;
    const last = this.#cells.word(owner, newest);
    this.#cells.setWord(ref, older, last);
    this.#cells.setWord(ref, newer, 0);
    this.#cells.setWord(last === 0 ? owner : last, last === 0 ? oldest : newer, ref);
    this.#cells.setWord(owner, newest, ref);
  }

  remove(owner: Ref, ref: Ref): void {
    const { older, newer, oldest, newest } = this.#fields;
    const before = this.#cells.word(ref, older);
    const after = this.#cells.word(ref, newer);
    this.#cells.setWord(before === 0 ? owner : before, before === 0 ? oldest : newer, after);
    this.#cells.setWord(after === 0 ? owner : after, after === 0 ? newest : older, before);
  }

  /** Makes it the one used last. */
  touch(owner: Ref, ref: Ref): void {
    if (this.newer(ref) === 0) return;
    this.remove(owner, ref);
    this.add(owner, ref);
  }

  /** The one used longest ago; 0: there is none. */
  oldest(owner: Ref): Ref {
    return this.#cells.word(owner, this.#fields.oldest);
  }

  /** The one used after this one; 0: none was. */
  newer(ref: Ref): Ref {
    return this.#cells.word(ref, this.#fields.newer);
  }
}
