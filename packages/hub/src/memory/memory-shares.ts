import type { Cells, Ref } from "./cells.ts";
import { AFTER_NAME, Names } from "./names.ts";
import { RecordList } from "./record-list.ts";

/** The words of a share, which is found by its address. */
const IDLE_OLDEST = AFTER_NAME;
const IDLE_NEWEST = AFTER_NAME + 1;
const NEXT_OLDEST = AFTER_NAME + 2;
const NEXT_NEWEST = AFTER_NAME + 3;
const COUNT = AFTER_NAME + 4;
/** Numbers, of two words. */
const WEIGHT = AFTER_NAME + 5;
const KEY_WEIGHT = AFTER_NAME + 7;
const CONTENT = AFTER_NAME + 9;

/** The words that a log has for the lists of shares. */
const IDLE_OLDER = AFTER_NAME;
const IDLE_NEWER = AFTER_NAME + 1;
const NEXT_OLDER = AFTER_NAME + 2;
const NEXT_NEWER = AFTER_NAME + 3;
/** Where its other fields begin. */
export const AFTER_SHARES = AFTER_NAME + 4;

/** What each address holds in a `MemoryEngine`: the logs that it began, and what it published in any. */
export class MemoryShares {
  readonly #cells: Cells;
  readonly #names: Names;
  /** Logs that a share began and that can be forgotten, by when they were used. */
  readonly idle: RecordList;
  /**
   * Logs, whoever began them, that would drop something of a share next, about in the order in which they
   * were published to.
   */
  readonly next: RecordList;
  /** The one that is published for: it stays though it holds nothing yet. */
  #inUse: Ref = 0;
  #keyBytes = 0;

  constructor(cells: Cells) {
    this.#cells = cells;
    this.#names = new Names(cells, CONTENT);
    this.idle = new RecordList(cells, {
      older: IDLE_OLDER,
      newer: IDLE_NEWER,
      oldest: IDLE_OLDEST,
      newest: IDLE_NEWEST,
    });
    this.next = new RecordList(cells, {
      older: NEXT_OLDER,
      newer: NEXT_NEWER,
      oldest: NEXT_OLDEST,
      newest: NEXT_NEWEST,
    });
  }

  /** Addresses that hold something. */
  get size(): number {
    return this.#names.size;
  }

  /** What the shares take that have keys, in bytes. */
  get keyBytes(): number {
    return this.#keyBytes;
  }

  /** The share of an address, or 0 if it holds nothing. */
  find(address: string): Ref {
    return this.#names.find(address);
  }

  /** The same, to be published for: until `done` it is there. */
  use(address: string): Ref {
    return (this.#inUse = this.#names.find(address) || this.#names.add(address));
  }

  done(): void {
    const share = this.#inUse;
    this.#inUse = 0;
    if (share !== 0) this.#settle(share);
  }

  /** Logs that it began, open ones included. */
  count(share: Ref): number {
    return this.#cells.word(share, COUNT);
  }

  /** What its publications and keys take, in bytes. */
  weight(share: Ref): number {
    return this.#cells.number(share, WEIGHT);
  }

  /** Of these its keys. */
  keyWeight(share: Ref): number {
    return this.#cells.number(share, KEY_WEIGHT);
  }

  /** Counts so many bytes more, or, below 0, less. */
  hold(share: Ref, bytes: number): void {
    this.#cells.setNumber(share, WEIGHT, this.weight(share) + bytes);
    this.#settle(share);
  }

  /** The same for what a key takes, which is not dropped before its time is over. */
  holdKey(share: Ref, bytes: number): void {
    const before = this.keyWeight(share);
    const after = before + bytes;
    this.#cells.setNumber(share, KEY_WEIGHT, after);
    if (before === 0) this.#keyBytes += this.#cells.cost(share);
    if (after === 0) this.#keyBytes -= this.#cells.cost(share);
    this.hold(share, bytes);
  }

  /** Counts logs more that it began, or, below 0, less. */
  began(share: Ref, logs: number): void {
    this.#cells.setWord(share, COUNT, this.count(share) + logs);
    this.#settle(share);
  }

  /** One that holds nothing is forgotten. */
  #settle(share: Ref): void {
    if (share !== this.#inUse && this.count(share) === 0 && this.weight(share) === 0) {
      this.#names.remove(share);
    }
  }
}
