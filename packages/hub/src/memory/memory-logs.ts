import type { StoredPublication } from "@zocalo/protocol";
import { Cells, HEAD, type Ref } from "./cells.ts";
import { Content, sizeOf } from "./content.ts";
import { hash, HashIndex } from "./hash-index.ts";
import { AFTER_KEYS, costOfKeeping, MemoryKeys } from "./memory-keys.ts";
import { MemoryShares } from "./memory-shares.ts";
import { Names } from "./names.ts";
import { RecordList } from "./record-list.ts";
import type { NewPublication, Retention } from "../engine/engine.ts";

/** A moment: `wall` is stored and shown, all ages are differences of `uptime`. */
export type Moment = Readonly<Record<"wall" | "uptime", number>>;

/** The words of a log, which is found by its channel. */
const LOG = {
  older: AFTER_KEYS,
  newer: AFTER_KEYS + 1,
  /** Of the address that began it; 0: nobody's. */
  share: AFTER_KEYS + 2,
  /** The publications kept, linked from the oldest to the newest. */
  first: AFTER_KEYS + 3,
  last: AFTER_KEYS + 4,
  kept: AFTER_KEYS + 5,
  isOpen: AFTER_KEYS + 6,
  /** Numbers, of two words. */
  head: 20,
  /** Of the publications kept, as UTF-8. */
  jsonBytes: 22,
  ttlMs: 24,
  generation: 26,
  content: 28,
} as const;

/** The words of a publication. Its content is user, info and data. */
const PUBLICATION = {
  next: HEAD.fields,
  /** Whose memory it takes; 0: of nobody who has a limit. */
  holder: HEAD.fields + 1,
  /** The codes of the texts. */
  user: HEAD.fields + 2,
  info: HEAD.fields + 3,
  data: HEAD.fields + 4,
  jsonBytes: HEAD.fields + 5,
  /** Numbers, of two words. */
  offset: 10,
  at: 12,
  /** Uptime. */
  cameAt: 14,
  log: 16,
  content: 17,
} as const;

/** Of so many publications one is in the index. */
const STRIDE = 16;

/** In record 0: the ends of the list of all logs. */
const ALL = { oldest: HEAD.fields, newest: HEAD.fields + 1 } as const;

const content = new Content();

/** The logs of all channels, with their idempotency keys, in one memory. Time is an argument. */
export class MemoryLogs {
  readonly #cells = new Cells();
  readonly shares = new MemoryShares(this.#cells);
  readonly keys = new MemoryKeys(this.#cells, this.shares);
  readonly #names = new Names(this.#cells, LOG.content);
  readonly #publications = new HashIndex(this.#cells);
  readonly #all = new RecordList(this.#cells, { older: LOG.older, newer: LOG.newer, ...ALL });
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
    this.#all.add(0, log);
    return log;
  }

  /** Forgets one, with all that it holds. */
  forget(log: Ref): void {
    while (this.dropOldest(log));
    this.keys.trim(log, Number.POSITIVE_INFINITY);
    this.setOpen(log, false);
    const share = this.#share(log);
    if (share !== 0) {
      this.shares.idle.remove(share, log);
      this.shares.began(share, -1);
    }
    this.#all.remove(0, log);
    this.#names.remove(log);
  }

  /** By when they were published to, the oldest first; the current one may be forgotten meanwhile. */
  all(): IterableIterator<Ref> {
    return this.#all.of(0);
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
    return this.head(log) - this.#cells.word(log, LOG.kept) + 1;
  }

  /** True if forgetting it would lose no publication and no key. */
  isEmpty(log: Ref): boolean {
    return this.#first(log) === 0 && this.keys.count(log) === 0;
  }

  isOpen(log: Ref): boolean {
    return this.#cells.word(log, LOG.isOpen) === 1;
  }

  /** Somebody has it open, or nobody any more. */
  setOpen(log: Ref, isOpen: boolean): void {
    if (this.isOpen(log) === isOpen) return;
    this.#cells.setWord(log, LOG.isOpen, isOpen ? 1 : 0);
    this.#open += isOpen ? 1 : -1;
    this.#openBytes += costOfKeeping(this.#cells, log) * (isOpen ? 1 : -1);
    const share = this.#share(log);
    if (share === 0) return;
    if (isOpen) this.shares.idle.remove(share, log);
    else this.shares.idle.add(share, log);
  }

  /** True if nobody's share has it yet. */
  isNobodys(log: Ref): boolean {
    return this.#share(log) === 0;
  }

  /** It counts for this share from now on. */
  assign(log: Ref, share: Ref): void {
    this.#cells.setWord(log, LOG.share, share);
    this.shares.began(share, 1);
    if (!this.isOpen(log)) this.shares.idle.add(share, log);
  }

  /** True if `dropOldest` frees memory of this share. */
  isNextOf(log: Ref, share: Ref): boolean {
    return this.#nextHolder(log) === share;
  }

  /**
   * Reads what a publication says, for `append`.
   *
   * @throws TypeError for what is no text
   */
  stage({ user, info, data }: NewPublication): Staged {
    const userCode = content.clear().put(user);
    const userBytes = content.utf8Length;
    const infoCode = content.put(info);
    const dataCode = content.put(data);
    return { user: userCode, info: infoCode, data: dataCode, jsonBytes: content.utf8Length - userBytes };
  }

  /**
   * Adds what was staged last, and its key.
   *
   * @param holder whose memory it takes; 0: of nobody who has a limit
   */
  append(
    log: Ref,
    { user, info, data, jsonBytes }: Staged,
    key: string | undefined,
    holder: Ref,
    retention: Retention,
    { wall, uptime }: Moment,
  ): number {
    const cells = this.#cells;
    const publication = cells.add(PUBLICATION.content, content);
    const offset = this.head(log) + 1;
    cells.setWord(publication, PUBLICATION.holder, holder);
    cells.setWord(publication, PUBLICATION.user, user);
    cells.setWord(publication, PUBLICATION.info, info);
    cells.setWord(publication, PUBLICATION.data, data);
    cells.setWord(publication, PUBLICATION.jsonBytes, jsonBytes);
    cells.setNumber(publication, PUBLICATION.offset, offset);
    cells.setNumber(publication, PUBLICATION.at, wall);
    cells.setNumber(publication, PUBLICATION.cameAt, uptime);
    cells.setWord(publication, PUBLICATION.log, log);
    if (offset % STRIDE === 0) this.#publications.add(publication, hashOf(log, offset));
    const last = cells.word(log, LOG.last);
    if (last === 0) cells.setWord(log, LOG.first, publication);
    else cells.setWord(last, PUBLICATION.next, publication);
    cells.setWord(log, LOG.last, publication);
    cells.setNumber(log, LOG.head, offset);
    cells.setNumber(log, LOG.ttlMs, retention.ttlMs);
    this.#count(log, publication, 1);
    if (last === 0) this.#place(log, 0, holder);
    if (key !== undefined && retention.keyTtlMs > 0) {
      this.keys.add(log, key, holder, { offset, at: wall, expires: uptime + retention.keyTtlMs });
    }
    while (
      cells.word(log, LOG.kept) > retention.publications ||
      cells.number(log, LOG.jsonBytes) > retention.bytes
    ) {
      this.dropOldest(log);
    }
    this.trim(log, uptime);
    this.#used(log);
    return offset;
  }

  /** At most `limit` publications with offsets above `after`. */
  page(log: Ref, after: number, limit: number): StoredPublication[] {
    const publications: StoredPublication[] = [];
    let ref = this.#from(log, Math.max(after + 1, this.oldest(log)));
    for (; ref !== 0 && publications.length < limit; ref = this.#cells.word(ref, PUBLICATION.next)) {
      publications.push(this.#read(ref));
    }
    return publications;
  }

  /** Drops what is past its time. */
  trim(log: Ref, uptime: number): void {
    const from = uptime - this.#cells.number(log, LOG.ttlMs);
    for (let first = this.#first(log); first !== 0; first = this.#first(log)) {
      if (this.#cells.number(first, PUBLICATION.cameAt) > from) break;
      this.dropOldest(log);
    }
    this.keys.trim(log, uptime);
  }

  /** Drops one publication; false if there is none. */
  dropOldest(log: Ref): boolean {
    const first = this.#first(log);
    if (first === 0) return false;
    const cells = this.#cells;
    const holder = cells.word(first, PUBLICATION.holder);
    const second = cells.word(first, PUBLICATION.next);
    cells.setWord(log, LOG.first, second);
    if (second === 0) cells.setWord(log, LOG.last, 0);
    this.#place(log, holder, this.#nextHolder(log));
    this.#count(log, first, -1);
    if (cells.number(first, PUBLICATION.offset) % STRIDE === 0) this.#publications.remove(first);
    cells.remove(first);
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
    return first === 0 ? 0 : this.#cells.word(first, PUBLICATION.holder);
  }

  /** What goes next may be somebody else's now. */
  #place(log: Ref, before: Ref, now: Ref): void {
    if (before === now) return;
    if (before !== 0) this.shares.next.remove(before, log);
    if (now !== 0) this.shares.next.add(now, log);
  }

  /** It was published to. */
  #used(log: Ref): void {
    this.#all.touch(0, log);
    const share = this.#share(log);
    if (share !== 0 && !this.isOpen(log)) this.shares.idle.touch(share, log);
    const holder = this.#nextHolder(log);
    if (holder !== 0) this.shares.next.touch(holder, log);
  }

  #count(log: Ref, publication: Ref, sign: 1 | -1): void {
    const cells = this.#cells;
    const jsonBytes = cells.word(publication, PUBLICATION.jsonBytes);
    const holder = cells.word(publication, PUBLICATION.holder);
    cells.setWord(log, LOG.kept, cells.word(log, LOG.kept) + sign);
    cells.setNumber(log, LOG.jsonBytes, cells.number(log, LOG.jsonBytes) + sign * jsonBytes);
    if (holder !== 0) this.shares.hold(holder, sign * cells.cost(publication));
  }

  /** The kept publication with this offset; 0 if it is past the head. */
  #from(log: Ref, offset: number): Ref {
    if (offset > this.head(log)) return 0;
    let known = this.oldest(log);
    let ref = this.#first(log);
    const indexed = offset - (offset % STRIDE);
    if (indexed > known) {
      known = indexed;
      ref = this.#indexed(log, indexed);
    }
    for (; known < offset; known++) ref = this.#cells.word(ref, PUBLICATION.next);
    return ref;
  }

  #indexed(log: Ref, offset: number): Ref {
    let ref = this.#publications.first(hashOf(log, offset));
    while (
      this.#cells.word(ref, PUBLICATION.log) !== log ||
      this.#cells.number(ref, PUBLICATION.offset) !== offset
    ) {
      ref = this.#publications.after(ref);
    }
    return ref;
  }

  #read(ref: Ref): StoredPublication {
    const cells = this.#cells;
    const user = cells.word(ref, PUBLICATION.user);
    const info = cells.word(ref, PUBLICATION.info);
    const data = cells.word(ref, PUBLICATION.data);
    cells.read(ref, PUBLICATION.content, content.expect(sizeOf(user) + sizeOf(info) + sizeOf(data)));
    return {
      offset: cells.number(ref, PUBLICATION.offset),
      at: cells.number(ref, PUBLICATION.at),
      user: content.take(user) as string,
      info: content.take(info) as string | undefined,
      data: content.take(data) ?? "",
    };
  }
}

/** What a publication says, as it is kept. */
export interface Staged {
  readonly user: number;
  readonly info: number;
  readonly data: number;
  readonly jsonBytes: number;
}

const nothing = new Int32Array(0);

function hashOf(log: Ref, offset: number): number {
  return hash(log, offset / STRIDE, nothing, 0);
}
