import { CELL_COST, type Cells, type Ref } from "./cells.ts";
import { AFTER_SHARES, type MemoryShares } from "./memory-shares.ts";
import { AFTER_NAME, Names } from "./names.ts";

/** The words of a key, which is found by its text and its log: of one that is not found any more it is 0. */
const LOG = AFTER_NAME;
const NEXT = AFTER_NAME + 1;
/** Whose memory it takes; 0: of nobody who has a limit. */
const HOLDER = AFTER_NAME + 2;
/** Numbers, of two words. */
const OFFSET = AFTER_NAME + 3;
const AT = AFTER_NAME + 5;
/** Uptime. */
const EXPIRES = AFTER_NAME + 7;
const CONTENT = AFTER_NAME + 9;

/** The words that a log has for its keys, which are linked in the order in which they were used first. */
const FIRST = AFTER_SHARES;
const LAST = AFTER_SHARES + 1;
const COUNT = AFTER_SHARES + 2;
/** Where its other fields begin. */
export const AFTER_KEYS = AFTER_SHARES + 3;

/**
 * Keys forgotten at once: each takes about a microsecond, and a log may have a million of one time. Those
 * that are left are not known any more either.
 */
const MOST_AT_ONCE = 64;

/** Where the publication stands that had a key first, and for how long that is known. */
export interface Keyed {
  readonly offset: number;
  readonly at: number;
  /** Uptime. */
  readonly expires: number;
}

/** What is kept because a log is, though it is empty: itself, and the share of the address that began it. */
export function costOfKeeping(cells: Cells, log: Ref): number {
  return cells.cost(log) + CELL_COST;
}

/** The idempotency keys of all logs. None is forgotten before its time. */
export class MemoryKeys {
  readonly #cells: Cells;
  readonly #shares: MemoryShares;
  readonly #names: Names;
  #bytes = 0;

  constructor(cells: Cells, shares: MemoryShares) {
    this.#cells = cells;
    this.#shares = shares;
    this.#names = new Names(cells, CONTENT, LOG);
  }

  /** What cannot be dropped for their sake, in bytes: they, their logs, and shares. */
  get bytes(): number {
    return this.#bytes + this.#shares.keyBytes;
  }

  /** How many a log knows. */
  count(log: Ref): number {
    return this.#cells.word(log, COUNT);
  }

  /** A key whose time is not over at this uptime. */
  find(log: Ref, text: string, uptime: number): Keyed | undefined {
    const cells = this.#cells;
    const key = this.#names.find(text, log);
    if (key === 0) return undefined;
    const expires = cells.number(key, EXPIRES);
    if (expires > uptime) return { offset: cells.number(key, OFFSET), at: cells.number(key, AT), expires };
    this.#names.hide(key);
    cells.setWord(key, LOG, 0);
    return undefined;
  }

  /**
   * Adds one that was not found.
   *
   * @param holder whose memory it takes; 0: of nobody who has a limit
   */
  add(log: Ref, text: string, holder: Ref, { offset, at, expires }: Keyed): void {
    const cells = this.#cells;
    const key = this.#names.add(text, log);
    cells.setWord(key, HOLDER, holder);
    cells.setNumber(key, OFFSET, offset);
    cells.setNumber(key, AT, at);
    cells.setNumber(key, EXPIRES, expires);
    const last = cells.word(log, LAST);
    if (last === 0) cells.setWord(log, FIRST, key);
    else cells.setWord(last, NEXT, key);
    cells.setWord(log, LAST, key);
    this.#counted(log, key, 1);
  }

  /**
   * Forgets those of a log whose time is over at this uptime, up to some.
   *
   * @returns how many
   */
  trim(log: Ref, uptime: number): number {
    const cells = this.#cells;
    let forgotten = 0;
    for (let key = cells.word(log, FIRST); key !== 0 && forgotten < MOST_AT_ONCE; forgotten++) {
      if (cells.number(key, EXPIRES) > uptime) break;
      const next = cells.word(key, NEXT);
      cells.setWord(log, FIRST, next);
      if (next === 0) cells.setWord(log, LAST, 0);
      this.#counted(log, key, -1);
      if (cells.word(key, LOG) === 0) cells.remove(key);
      else this.#names.remove(key);
      key = next;
    }
    return forgotten;
  }

  #counted(log: Ref, key: Ref, sign: 1 | -1): void {
    const cells = this.#cells;
    const before = this.count(log);
    cells.setWord(log, COUNT, before + sign);
    const isOnly = Math.min(before, before + sign) === 0;
    this.#bytes += sign * (cells.cost(key) + (isOnly ? costOfKeeping(cells, log) : 0));
    const holder = cells.word(key, HOLDER);
    if (holder !== 0) this.#shares.holdKey(holder, sign * cells.cost(key));
  }
}
