import type { StoredPublication } from "@zocalo/protocol";
import { Cells, HEAD, type Ref } from "./cells.ts";
import { AFTER_KEYS, costOfKeeping, MemoryKeys } from "./memory-keys.ts";
import { indexedBefore, MemoryPublications, type Moment, type Staged } from "./memory-publications.ts";
import { MemoryShares } from "./memory-shares.ts";
import { Names } from "./names.ts";
import { RecordList } from "./record-list.ts";
import type { Retention } from "../engine/engine.ts";

/** The words of a log, which is found by its channel. */
const LOG = {
  older: AFTER_KEYS,
  newer: AFTER_KEYS + 1,
  /** Of the address that began it; 0: nobody's. */
  share: AFTER_KEYS + 2,
  /** The publications kept, linked from the oldest to the newest. */
  first: AFTER_KEYS + 3,
  last: AFTER_KEYS + 4,
  isOpen: AFTER_KEYS + 5,
  spareOlder: AFTER_KEYS + 6,
  spareNewer: AFTER_KEYS + 7,
  /** Numbers, of two words, the first of which is even. */
  head: AFTER_KEYS + 8,
  /** Of the publications kept, as UTF-8. */
  jsonBytes: AFTER_KEYS + 10,
  ttlMs: AFTER_KEYS + 12,
  generation: AFTER_KEYS + 14,
  content: AFTER_KEYS + 16,
} as const;

/** Logs looked at, and keys and publications dropped, by a step of a sweep: it takes about a millisecond. */
const SWEPT_AT_ONCE = 1_000;

/** In record 0: the ends of the lists of logs. */
const GIVING = { oldest: HEAD.fields, newest: HEAD.fields + 1 } as const;
const BARE = { oldest: HEAD.fields + 2, newest: HEAD.fields + 3 } as const;
const EMPTY = { oldest: HEAD.fields + 4, newest: HEAD.fields + 5 } as const;
const HOLDING = { oldest: HEAD.fields + 6, newest: HEAD.fields + 7 } as const;
/** In a log: its places in one of the first two, and in one of the others. */
const USED = { older: LOG.older, newer: LOG.newer } as const;
const SPARE = { older: LOG.spareOlder, newer: LOG.spareNewer } as const;

/** What can be had of a log: it can be forgotten, as nobody has it open and it has no key; */
const IS_SPARE = 1;
/** and publications can be dropped. */
const HOLDS = 2;

/** The logs of all channels, with their idempotency keys, in one memory. Time is an argument. */
export class MemoryLogs {
  readonly #cells = new Cells();
  readonly shares = new MemoryShares(this.#cells);
  readonly keys = new MemoryKeys(this.#cells, this.shares);
  readonly publications = new MemoryPublications(this.#cells);
  readonly #names = new Names(this.#cells, LOG.content);
  /** Logs of which something can be had, by when they were used. */
  readonly #giving = new RecordList(this.#cells, { ...USED, ...GIVING });
  /** All others. */
  readonly #bare = new RecordList(this.#cells, { ...USED, ...BARE });
  /** Logs that can be forgotten: these have no publication, */
  readonly #empty = new RecordList(this.#cells, { ...SPARE, ...EMPTY });
  /** and these have some. */
  readonly #holding = new RecordList(this.#cells, { ...SPARE, ...HOLDING });
  /** Which log a sweep comes to next; 0: it is at its end. */
  #sweptNext: Ref = 0;
  #open = 0;
  #openBytes = 0;

  get size(): number {
    return this.#names.size;
  }

  /** What all of it takes, in bytes. */
  get bytes(): number {
    return this.#cells.bytes;
  }

  /** Logs that somebody has open. */
  get open(): number {
    return this.#open;
  }

  /** What cannot be dropped for their sake, in bytes. */
  get openBytes(): number {
    return this.#openBytes;
  }

  /** The log of a channel; 0: there is none. */
  find(channel: string): Ref {
    return this.#names.find(channel);
  }

  /** Begins one, which must not be there. */
  begin(channel: string, generation: number): Ref {
    const log = this.#names.add(channel);
    this.#cells.setNumber(log, LOG.generation, generation);
    this.#cells.setNumber(log, LOG.ttlMs, Number.POSITIVE_INFINITY);
    this.#giving.add(0, log);
    this.#empty.add(0, log);
    return log;
  }

  /** Forgets one that nobody has open, with all that it holds. */
  forget(log: Ref): void {
    while (this.dropOldest(log));
    while (this.trimKeys(log, Number.POSITIVE_INFINITY) > 0);
    this.#empty.remove(0, log);
    const share = this.#share(log);
    if (share !== 0) {
      this.shares.idle.remove(share, log);
      this.shares.began(share, -1);
    }
    this.#leaveToSweep(log, this.#giving);
    this.#giving.remove(0, log);
    this.#names.remove(log);
  }

  /** Of those with publications, or that can be forgotten, the one used longest ago; 0: there is none. */
  get giving(): Ref {
    return this.#giving.oldest(0);
  }

  /** One that can be forgotten: one that holds nothing, or else the one used longest ago; 0: none. */
  get spare(): Ref {
    return this.#empty.oldest(0) || this.#holding.oldest(0);
  }

  generation(log: Ref): number {
    return this.#cells.number(log, LOG.generation);
  }

  /** The newest offset. */
  head(log: Ref): number {
    return this.#cells.number(log, LOG.head);
  }

  /** The oldest offset that is kept. */
  oldest(log: Ref): number {
    const first = this.#first(log);
    return first === 0 ? this.head(log) + 1 : this.publications.offset(first);
  }

  isOpen(log: Ref): boolean {
    return this.#cells.word(log, LOG.isOpen) === 1;
  }

  /** Somebody has it open, or nobody any more. */
  setOpen(log: Ref, isOpen: boolean): void {
    if (this.isOpen(log) === isOpen) return;
    const before = this.#kind(log);
    this.#cells.setWord(log, LOG.isOpen, isOpen ? 1 : 0);
    this.#open += isOpen ? 1 : -1;
    this.#openBytes += costOfKeeping(this.#cells, log) * (isOpen ? 1 : -1);
    this.#settle(log, before);
  }

  /** True if nobody's share has it yet. */
  isNobodys(log: Ref): boolean {
    return this.#share(log) === 0;
  }

  /** It counts for this share from now on. */
  assign(log: Ref, share: Ref): void {
    this.#cells.setWord(log, LOG.share, share);
    this.shares.began(share, 1);
    if (this.#kind(log) & IS_SPARE) this.shares.idle.add(share, log);
  }

  /**
   * Adds what was staged last, and its key.
   *
   * @param holder whose memory it takes; 0: of nobody who has a limit
   */
  append(
    log: Ref,
    staged: Staged,
    key: string | undefined,
    holder: Ref,
    retention: Retention,
    { wall, uptime }: Moment,
  ): number {
    const cells = this.#cells;
    const before = this.#kind(log);
    const offset = this.head(log) + 1;
    const publication = this.publications.add(log, offset, staged, holder, { wall, uptime });
    const last = cells.word(log, LOG.last);
    if (last === 0) cells.setWord(log, LOG.first, publication);
    else this.publications.setNext(last, publication);
    cells.setWord(log, LOG.last, publication);
    cells.setNumber(log, LOG.head, offset);
    cells.setNumber(log, LOG.ttlMs, retention.ttlMs);
    this.#count(log, publication, 1);
    if (last === 0) this.#place(log, 0, holder);
    if (key !== undefined && retention.keyMs > 0) {
      this.keys.add(log, key, holder, { offset, at: wall, expires: uptime + retention.keyMs });
    }
    this.#settle(log, before);
    const isTooMuch = (): boolean =>
      offset - this.oldest(log) >= retention.publications ||
      cells.number(log, LOG.jsonBytes) > retention.bytes;
    while (isTooMuch() && this.dropOldest(log));
    this.trim(log, uptime);
    this.#used(log);
    return offset;
  }

  /** At most `limit` publications with offsets above `after`. */
  page(log: Ref, after: number, limit: number): StoredPublication[] {
    const publications: StoredPublication[] = [];
    let ref = this.#from(log, Math.max(after + 1, this.oldest(log)));
    for (; ref !== 0 && publications.length < limit; ref = this.publications.next(ref)) {
      publications.push(this.publications.read(ref));
    }
    return publications;
  }

  /**
   * Drops what is past its time: publications, up to so many, and some keys.
   *
   * @returns how many of both
   */
  trim(log: Ref, uptime: number, most = Number.POSITIVE_INFINITY): number {
    const from = uptime - this.#cells.number(log, LOG.ttlMs);
    let dropped = 0;
    for (let first = this.#first(log); first !== 0 && dropped < most; first = this.#first(log)) {
      if (this.publications.cameAt(first) > from) break;
      this.dropOldest(log);
      dropped++;
    }
    return dropped + this.trimKeys(log, uptime);
  }

  /** Drops some keys that are past their time. */
  trimKeys(log: Ref, uptime: number): number {
    const before = this.#kind(log);
    const dropped = this.keys.trim(log, uptime);
    if (dropped > 0) this.#settle(log, before);
    return dropped;
  }

  /** Begins to drop what is past its time where nobody publishes or reads. */
  beginSweep(): void {
    this.#sweptNext = this.#giving.oldest(0) || this.#bare.oldest(0);
  }

  /** Does a step of it. @returns true at the end */
  sweep(uptime: number): boolean {
    for (let left = SWEPT_AT_ONCE; left > 0; left--) {
      const log = this.#sweptNext;
      if (log === 0) return true;
      const dropped = this.trim(log, uptime, left);
      if (dropped === 0) this.#leaveToSweep(log, this.#usedList(this.#kind(log)));
      left -= dropped;
    }
    return false;
  }

  /** Drops one publication; false if there is none. */
  dropOldest(log: Ref): boolean {
    const first = this.#first(log);
    if (first === 0) return false;
    const cells = this.#cells;
    const holder = this.publications.holder(first);
    const second = this.publications.next(first);
    const before = this.#kind(log);
    cells.setWord(log, LOG.first, second);
    if (second === 0) {
      cells.setWord(log, LOG.last, 0);
      this.#settle(log, before);
    }
    this.#place(log, holder, this.#nextHolder(log));
    this.#count(log, first, -1);
    this.publications.remove(first);
    return true;
  }

  #first(log: Ref): Ref {
    return this.#cells.word(log, LOG.first);
  }

  #share(log: Ref): Ref {
    return this.#cells.word(log, LOG.share);
  }

  /** Who published what `dropOldest` takes next. */
  #nextHolder(log: Ref): Ref {
    const first = this.#first(log);
    return first === 0 ? 0 : this.publications.holder(first);
  }

  /** What goes next may be somebody else's now. */
  #place(log: Ref, before: Ref, now: Ref): void {
    if (before === now) return;
    if (before !== 0) this.shares.next.remove(before, log);
    if (now !== 0) this.shares.next.add(now, log);
  }

  /** It was published to. */
  #used(log: Ref): void {
    const kind = this.#kind(log);
    const used = this.#usedList(kind);
    this.#leaveToSweep(log, used);
    used.touch(0, log);
    this.#spareList(kind)?.touch(0, log);
    const share = this.#share(log);
    if (share !== 0 && kind & IS_SPARE) this.shares.idle.touch(share, log);
    const holder = this.#nextHolder(log);
    if (holder !== 0) this.shares.next.touch(holder, log);
  }

  #kind(log: Ref): number {
    const isSpare = !this.isOpen(log) && this.keys.count(log) === 0;
    return (isSpare ? IS_SPARE : 0) + (this.#first(log) === 0 ? 0 : HOLDS);
  }

  #usedList(kind: number): RecordList {
    return kind === 0 ? this.#bare : this.#giving;
  }

  #spareList(kind: number): RecordList | undefined {
    if ((kind & IS_SPARE) === 0) return undefined;
    return kind & HOLDS ? this.#holding : this.#empty;
  }

  /** It may have to be in other lists now. @param before its kind when it was put where it is */
  #settle(log: Ref, before: number): void {
    const now = this.#kind(log);
    if (now === before) return;
    const used = this.#usedList(before);
    if (used !== this.#usedList(now)) {
      const next = used.newer(log);
      used.remove(0, log);
      this.#usedList(now).add(0, log);
      this.#leaveToSweep(log, used, next);
    }
    this.#spareList(before)?.remove(0, log);
    this.#spareList(now)?.add(0, log);
    const share = this.#share(log);
    if (share === 0 || (before & IS_SPARE) === (now & IS_SPARE)) return;
    if (before & IS_SPARE) this.shares.idle.remove(share, log);
    else this.shares.idle.add(share, log);
  }

  /** A sweep that would come to this log next goes past the place that it has, or had, in a list. */
  #leaveToSweep(log: Ref, used: RecordList, next = used.newer(log)): void {
    if (this.#sweptNext !== log) return;
    this.#sweptNext = next || (used === this.#giving ? this.#bare.oldest(0) : 0);
  }

  #count(log: Ref, publication: Ref, sign: 1 | -1): void {
    const cells = this.#cells;
    const holder = this.publications.holder(publication);
    const jsonBytes = sign * this.publications.jsonBytes(publication);
    cells.setNumber(log, LOG.jsonBytes, cells.number(log, LOG.jsonBytes) + jsonBytes);
    if (holder !== 0) this.shares.hold(holder, sign * cells.cost(publication));
  }

  /** The kept publication with this offset; 0 if it is past the head. */
  #from(log: Ref, offset: number): Ref {
    if (offset > this.head(log)) return 0;
    const oldest = this.oldest(log);
    const indexed = indexedBefore(offset);
    const isIndexed = indexed > oldest;
    let ref = isIndexed ? this.publications.find(log, indexed) : this.#first(log);
    for (let known = isIndexed ? indexed : oldest; known < offset; known++) ref = this.publications.next(ref);
    return ref;
  }
}
