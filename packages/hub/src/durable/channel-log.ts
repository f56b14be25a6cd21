import { crc32 } from "node:zlib";
import type { StoredPublication } from "@zocalo/protocol";
import type { LogPage, LogState } from "../engine/engine.ts";
import { Damage } from "./damage.ts";
import { later } from "./moment.ts";
import type { Shares } from "./shares.ts";
import { checksum, fromColumn, isAsWritten, toColumn, toJsonColumn } from "./row.ts";
import type { SqlRow } from "./sqlite.ts";
import type { StoreFile } from "./store-file.ts";

/** Entries of the oldest end that are looked at in one query. */
const FRONT_ROWS = 128;
/**
 * Entries that are past their age and let go at once, for somebody who publishes or reads, and while nobody
 * waits; the others wait for the next time.
 */
const MAX_AGED_AT_ONCE = 10_000;
const MAX_TIDIED_AT_ONCE = 512;
/** So many entries that are gone are removed together: to remove each costs a page of its own. */
const REMOVED_TOGETHER = 32;
/** Entries that one statement removes at most, for it holds all others up. */
export const MAX_REMOVED_AT_ONCE = 512;
/** After this time fewer than `REMOVED_TOGETHER` are removed, too, in milliseconds. */
const REMOVED_AFTER_MS = 60_000;

/** What is needed to let an entry go; the name of its user counts for the holder only. */
type FrontEntry = readonly [offset: number, time: number, bytes: number, userBytes: number, holder: number];
/**
 * Hot path (`npm run bench -- durable`): as one text they cost a third of what they cost as rows. `+ 0` makes
 * a number of whatever damage has made of one: JSON can hold no bytes.
 */
const FRONT = `
  SELECT json_group_array(json_array(offset + 0, time + 0, bytes, userBytes, holder + 0)) AS front FROM (
    SELECT offset, time, octet_length(data) + ifnull(octet_length(info), 0) AS bytes,
      octet_length(user) AS userBytes, holder
    FROM log WHERE channel = ? AND offset >= ? ORDER BY offset LIMIT ${FRONT_ROWS}
  )`;

/** How a channel stands in the file. */
export interface ChannelRow {
  readonly id: number;
  readonly name: string;
  readonly epoch: string;
  readonly head: number;
  readonly oldest: number;
  readonly bytes: number;
  readonly keys: number;
  readonly ttlMs: number;
  /** Whose share of all channels it is. */
  readonly holder: number;
  /** Not before this time is there anything to remove; 0: never. */
  readonly due: number;
}

/** What is checked of such a row: all formats have the same checksum where there is no holder. */
export function channelChecksum(row: Omit<ChannelRow, "due">): number {
  const { id, name, epoch, head, oldest, bytes, keys, ttlMs, holder } = row;
  const fields = [id, name, epoch, head, oldest, bytes, keys, ttlMs] as const;
  return holder === 0 ? checksum(...fields) : checksum(...fields, holder);
}

/** The log of one channel, as the transaction that is under way sees it. */
export class ChannelLog {
  readonly id: number;
  readonly name: string;
  readonly holder: number;
  readonly #file: StoreFile;
  readonly #shares: Shares;
  /** Without the turn of the store. */
  readonly #epoch: string;
  #head: number;
  #oldest: number;
  #bytes: number;
  #ttlMs: number;
  /** Idempotency keys that are remembered. */
  #keys: number;
  /** Entries before this one are removed from the file, as far as is known. */
  #removedTo = 0;
  /** The oldest entries, from `#oldest` on, as far as they were read. */
  #front: FrontEntry[] = [];
  #frontAt = 0;
  #due: number;
  /** As it is in the file. */
  #savedDue: number;
  #isChanged = false;

  constructor(file: StoreFile, shares: Shares, row: ChannelRow) {
    this.#file = file;
    this.#shares = shares;
    this.id = row.id;
    this.name = row.name;
    this.holder = row.holder;
    this.#due = row.due;
    this.#savedDue = row.due;
    if (row.oldest === 1) this.#removedTo = 1;
    this.#epoch = row.epoch;
    this.#head = row.head;
    this.#oldest = row.oldest;
    this.#bytes = row.bytes;
    this.#keys = row.keys;
    this.#ttlMs = row.ttlMs;
  }

  get state(): LogState {
    return { epoch: this.#epoch + this.#file.identity.turn, head: this.#head, oldest: this.#oldest };
  }

  get keys(): number {
    return this.#keys;
  }

  /** True if it holds nothing, and to forget it would lose no more than its head. */
  get isEmpty(): boolean {
    return this.#oldest > this.#head && this.#keys === 0;
  }

  countKeys(more: number): void {
    this.#keys += more;
    this.#isChanged = true;
  }

  /** Adds an entry, and lets go what is past the bounds. */
  append(
    { at, user, info, data }: Omit<StoredPublication, "offset">,
    holder: number,
    time: number,
    bounds: { readonly publications: number; readonly bytes: number; readonly ttlMs: number },
  ): number {
    const offset = this.#head + 1;
    const row = {
      user: toColumn(user),
      info: info === undefined ? null : toJsonColumn(info),
      data: typeof data === "string" ? toJsonColumn(data) : data,
    };
    const bytes = Buffer.byteLength(row.data) + Buffer.byteLength(row.info ?? "");
    this.#isChanged = true;
    this.#ttlMs = bounds.ttlMs;
    this.#head = offset;
    if (bounds.publications === 0 || bytes > bounds.bytes) {
      this.#letAllGo();
      return offset;
    }
    // Node 22 has NULL for no bytes.
    this.#file
      .sql("INSERT OR REPLACE INTO log VALUES (?, ?, ?, ?, ?, ?, ifnull(?, x''), ?, ?)")
      .run(
        this.id,
        offset,
        at,
        time,
        row.user,
        row.info,
        row.data,
        entryChecksum(this.id, offset, at, time, row, holder),
        holder,
      );
    this.#bytes += bytes;
    this.#shares.countEntry(holder, bytes + Buffer.byteLength(row.user), 1);
    while (this.#head - this.#oldest >= bounds.publications || this.#bytes > bounds.bytes)
      this.#letOldestGo();
    this.letAgedGo(time);
    return offset;
  }

  /** Lets go what is past its age. */
  letAgedGo(time: number, most = MAX_AGED_AT_ONCE): void {
    for (let left = most; left > 0 && this.#oldest <= this.#head; left--) {
      if (!this.#isAged(time)) return;
      this.#letOldestGo();
    }
  }

  /** @throws Damage if an entry that should be there is not what was written */
  page(after: number, limit: number): LogPage {
    const from = Math.max(after + 1, this.#oldest);
    const to = Math.min(from + limit - 1, this.#head);
    if (to < from) return { ...this.state, publications: [] };
    const rows = this.#file
      .sql(
        `SELECT offset, at, time, user, info, data, crc, holder FROM log
         WHERE channel = ? AND offset BETWEEN ? AND ? ORDER BY offset`,
      )
      .all(this.id, from, to);
    const publications = rows.map((row, index) => this.#entry(row, from + index));
    if (rows.length !== to - from + 1) this.#damaged(`entry ${from + rows.length} is missing`);
    return { ...this.state, publications };
  }

  /** True if `save` has something to do. */
  get isChanged(): boolean {
    return this.#isChanged;
  }

  /**
   * Writes down what has changed, within the transaction.
   *
   * @param isRoomScarce tells if what is gone is not to take any, whatever it costs; asked if it matters
   */
  save(time: number, isRoomScarce: () => boolean): void {
    if (!this.#isChanged) return;
    const gone = this.#oldest - this.#removedTo;
    if (gone >= REMOVED_TOGETHER || (gone > 0 && isRoomScarce())) this.removeGone();
    this.#isChanged = false;
    // It may be too early, which costs a look; to change it costs more.
    const due = this.#nextDue(time);
    if (this.#due === 0 || (due > 0 && due < this.#due)) this.#due = due;
    const numbers = {
      head: this.#head,
      oldest: this.#oldest,
      bytes: this.#bytes,
      keys: this.#keys,
      ttlMs: this.#ttlMs,
    };
    const { id, name, holder } = this;
    const crc = channelChecksum({ id, name, epoch: this.#epoch, ...numbers, holder });
    const set = "UPDATE channel SET head = ?, oldest = ?, bytes = ?, keys = ?, ttl = ?, crc = ?";
    const values = [...Object.values(numbers), crc];
    if (this.#due === this.#savedDue) {
      this.#file.sql(`${set} WHERE id = ?`).run(...values, id);
    } else {
      // To name it would change its index, even if it is the same.
      this.#file.sql(`${set}, due = ? WHERE id = ?`).run(...values, this.#due, id);
      this.#savedDue = this.#due;
    }
  }

  /** Removes what is past its age, as much as is done at once; true if some is left for the next time. */
  tidy(time: number): boolean {
    this.letAgedGo(time, MAX_TIDIED_AT_ONCE);
    const isLeft = this.removeGone() || this.#isAged(time);
    this.#due = isLeft ? time : this.#nextDue(time);
    this.#isChanged = true;
    return isLeft;
  }

  #isAged(time: number): boolean {
    return this.#oldest <= this.#head && time - this.#frontTime >= this.#ttlMs;
  }

  #nextDue(time: number): number {
    const ofGone = this.#removedTo < this.#oldest ? time + REMOVED_AFTER_MS : Number.POSITIVE_INFINITY;
    const ofAge = this.#oldest <= this.#head ? later(this.#frontTime, this.#ttlMs) : Number.POSITIVE_INFINITY;
    const due = Math.min(ofGone, ofAge);
    return Number.isFinite(due) ? Math.max(1, due) : 0;
  }

  /** Removes from the file what is gone; true if some is left for the next time. */
  removeGone(): boolean {
    const first = this.#file
      .sql("SELECT offset FROM log WHERE channel = ? AND offset < ? ORDER BY offset LIMIT 1")
      .get(this.id, this.#oldest);
    if (!first) {
      this.#removedTo = this.#oldest;
      return false;
    }
    const to = Math.min(this.#oldest, Number(first["offset"]) + MAX_REMOVED_AT_ONCE);
    this.#file.sql("DELETE FROM log WHERE channel = ? AND offset < ?").run(this.id, to);
    this.#removedTo = to;
    this.#isChanged = true;
    return to < this.#oldest;
  }

  #entry(row: SqlRow, offset: number): StoredPublication {
    const { at, time, user, info, data, crc, holder } = row as {
      readonly user: string;
      readonly info: string | null;
      readonly data: string | Uint8Array;
    } & { readonly [Name in "offset" | "at" | "time" | "crc" | "holder"]: number };
    if (row["offset"] !== offset) this.#damaged(`entry ${offset} is missing`);
    const areTexts = [user, info].every(isAsWritten);
    if (!areTexts || crc !== entryChecksum(this.id, offset, at, time, { user, info, data }, holder)) {
      this.#damaged(`entry ${offset} was changed`);
    }
    return { offset, at, user: fromColumn(user), info: info ?? undefined, data };
  }

  #letAllGo(): void {
    if (this.#oldest <= this.#head) this.#shares.countOut(this.id, this.#oldest, this.#head);
    this.#oldest = this.#head + 1;
    this.#bytes = 0;
    this.#front = [];
    this.#frontAt = 0;
  }

  #letOldestGo(): void {
    const [, , bytes, userBytes, holder] = this.#frontEntry();
    this.#bytes -= bytes;
    this.#shares.countEntry(holder, bytes + userBytes, -1);
    this.#oldest++;
    this.#frontAt++;
    this.#isChanged = true;
  }

  get #frontTime(): number {
    const [, time] = this.#frontEntry();
    return time;
  }

  #frontEntry(): FrontEntry {
    const known = this.#front[this.#frontAt];
    if (known) return known;
    const row = this.#file.sql(FRONT).get(this.id, this.#oldest);
    const front = JSON.parse(String(row?.["front"])) as FrontEntry[];
    for (const [index, [offset]] of front.entries()) {
      if (offset !== this.#oldest + index) this.#damaged(`entry ${this.#oldest + index} is missing`);
    }
    this.#front = front;
    this.#frontAt = 0;
    return front[0] ?? this.#damaged(`entry ${this.#oldest} is missing`);
  }

  #damaged(what: string): never {
    throw new Damage(what, this);
  }
}

/**
 * Hot path: one text for all of them. Of bytes it is another one than of the same text: a bit of a row's
 * header tells them apart.
 */
function entryChecksum(
  id: number,
  offset: number,
  at: number,
  time: number,
  row: { readonly user: string; readonly info: string | null; readonly data: string | Uint8Array },
  holder: number,
): number {
  const { user, info, data } = row;
  const whose = holder === 0 ? "" : ` ${holder}`;
  const head = `${id} ${offset} ${at} ${time}${whose}\0${user}\0${info ?? ""}\0`;
  if (typeof data === "string") return crc32(`${head}${data}`);
  const before = crc32(`${head}bytes\0`);
  return data.length === 0 ? before : crc32(data, before); // of none, some Nodes give 0 whatever was before
}
