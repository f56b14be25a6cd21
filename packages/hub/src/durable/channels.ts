import { ProtocolError } from "@zocalo/protocol";
import { randomName, systemRandom } from "../primitives/random.ts";
import type { LogState } from "../engine/engine.ts";
import { channelChecksum, ChannelLog, type ChannelRow, MAX_REMOVED_AT_ONCE } from "./channel-log.ts";
import { Damage } from "./damage.ts";
import { hashOf } from "./row.ts";
import type { Shares } from "./shares.ts";
import type { SqlRow, SqlValue } from "./sqlite.ts";
import type { StoreFile } from "./store-file.ts";

/** Channels that are known without asking the file: about half a kilobyte each. */
const KNOWN_CHANNELS = 10_000;
/** What stands before the name of a channel that was set aside; no channel's name may begin so. */
export const SET_ASIDE = "!";
/** Those that are kept; with one more what was set aside first is removed. */
const MAX_SET_ASIDE = 64;
/** Channels that are looked at together, for those that are empty or have something past its time. */
const LOOKED_AT = 64;

const COLUMNS = "id, name, epoch, head, oldest, bytes, keys, ttl, crc, holder, due";

/** The channels of a store, found when they are needed. */
export class Channels {
  readonly #file: StoreFile;
  readonly #shares: Shares;
  readonly #most: number;
  readonly #byName = new Map<string, ChannelLog>();
  readonly #byId = new Map<number, ChannelLog>();
  /** Those whose numbers in the file may be old. */
  readonly #touched = new Set<ChannelLog>();
  /** Those that somebody has open, and the epoch that they were told if nobody published there. */
  readonly #open = new Map<string, string>();
  /** Where the next look for empty ones begins. */
  #lookedTo: readonly [holder: number, id: number] = [-1, 0];

  /** @param open names of those that somebody has open */
  constructor(file: StoreFile, shares: Shares, most: number, open: Iterable<string> = []) {
    this.#file = file;
    this.#shares = shares;
    this.#most = most;
    for (const name of open) this.#open.set(name, this.#newEpoch);
  }

  /** Nothing if nobody ever published in it. @throws Damage */
  find(name: string): ChannelLog | undefined {
    const known = this.#byName.get(name);
    if (known) {
      this.#touched.add(known);
      return known;
    }
    const row = this.#file
      .sql(`SELECT ${COLUMNS} FROM channel INDEXED BY channel_hash WHERE hash = ? AND name = ?`)
      .get(hashOf(name), name);
    if (row) return this.#know(row);
    // Also asked of the other index, which is in other pages: to find nothing there proves that it is new.
    const other = this.#file.sql("SELECT id FROM channel INDEXED BY channel_name WHERE name = ?").get(name);
    if (other) throw new Damage("two indexes disagree", { id: Number(other["id"]), name });
    return undefined;
  }

  /** @throws ProtocolError `limit_reached` */
  findOrBegin(name: string, holder: number, time: number): ChannelLog {
    const known = this.find(name);
    if (known) return known;
    const isFull = (): boolean => this.#file.identity.channels >= this.#most;
    const hasAll = (): boolean => this.#shares.hasAllChannels(holder);
    if (hasAll()) this.#forgetEmpty(time, holder);
    if (hasAll()) {
      const { maxChannels } = this.#shares;
      throw new ProtocolError(
        "limit_reached",
        `this server keeps at most ${maxChannels} channels that one address began`,
      );
    }
    if (isFull()) this.#forgetEmpty(time);
    if (isFull()) {
      throw new ProtocolError("limit_reached", `this server keeps at most ${this.#most} channels`);
    }
    this.#shares.countChannel(holder, name, 1);
    return this.#begin(name, this.#open.get(name) ?? this.#newEpoch, holder);
  }

  /** What a channel that nobody published in looks like. */
  nothing(name: string): LogState {
    const epoch = this.#open.get(name) ?? this.#newEpoch;
    return { epoch: epoch + this.#file.identity.turn, head: 0, oldest: 1 };
  }

  /** Somebody has it open: until it is released it is not forgotten, and its epoch does not change. */
  open(name: string): LogState {
    this.#open.set(name, this.#newEpoch);
    return this.find(name)?.state ?? this.nothing(name);
  }

  release(name: string): void {
    this.#open.delete(name);
  }

  /** Names of those that somebody has open. */
  get openNames(): Iterable<string> {
    return this.#open.keys();
  }

  /** Nothing for one that was set aside, either. */
  byId(id: number): ChannelLog | undefined {
    const known = this.#byId.get(id);
    if (known) {
      this.#touched.add(known);
      return known;
    }
    const row = this.#file.sql(`SELECT ${COLUMNS} FROM channel WHERE id = ?`).get(id);
    return row && !isSetAside(row) ? this.#know(row) : undefined;
  }

  /** Some that may have something to remove by now. */
  due(time: number): ChannelLog[] {
    return this.#some(`WHERE due > 0 AND due <= ? AND name NOT GLOB '${SET_ASIDE}*' ORDER BY due`, time);
  }

  /** True if `save` has something to do. */
  get areChanged(): boolean {
    for (const { isChanged } of this.#touched) if (isChanged) return true;
    return false;
  }

  /** Writes down what has changed, within the transaction. */
  save(time: number): void {
    let isMostlyFull: boolean | undefined;
    const isRoomScarce = (): boolean => (isMostlyFull ??= this.#file.isMostlyFull);
    for (const log of this.#touched) log.save(time, isRoomScarce);
  }

  /** The transaction is over: those used longest ago need not be known. */
  committed(): void {
    for (const log of this.#touched) {
      this.#byName.delete(log.name);
      this.#byName.set(log.name, log);
    }
    this.#touched.clear();
    for (const [name, log] of this.#byName) {
      if (this.#byName.size <= KNOWN_CHANNELS) break;
      this.#byName.delete(name);
      this.#byId.delete(log.id);
    }
  }

  /** The transaction was undone. */
  forgetChanges(): void {
    this.#byName.clear();
    this.#byId.clear();
    this.#touched.clear();
  }

  /** Keeps what is there under another name, and begins an empty log in its place, within the transaction. */
  setAside({ id, name }: { readonly id: number; readonly name: string }): LogState {
    this.forgetChanges();
    const row = this.#file.sql("SELECT oldest, head, holder FROM channel WHERE id = ?").get(id);
    this.#shares.countOut(id, Number(row?.["oldest"]), Number(row?.["head"]));
    // They sort by when it was done. The number tells two of one channel apart.
    const aside = `${SET_ASIDE}${new Date().toISOString()} ${id} ${name}`;
    this.#file
      .sql("UPDATE channel SET name = ?, hash = ?, due = 0 WHERE id = ?")
      .run(aside, hashOf(aside), id);
    const epoch = `${this.#file.identity.name}-${randomName(systemRandom, 8)}`;
    return this.#begin(name, epoch, Number(row?.["holder"] ?? 0)).state;
  }

  /** Removes a part of what was set aside first, if too much was. True if there is more to remove. */
  removeSetAside(): boolean {
    const asides = this.#file
      .sql(`SELECT id FROM channel WHERE name >= ? AND name < ? ORDER BY name LIMIT ${MAX_SET_ASIDE + 1}`)
      .all(SET_ASIDE, '"');
    const [oldest] = asides;
    if (!oldest || asides.length <= MAX_SET_ASIDE) return false;
    const id = oldest["id"] ?? null;
    const { changes } = this.#file
      .sql(
        `DELETE FROM log WHERE channel = ? AND offset IN
         (SELECT offset FROM log WHERE channel = ? ORDER BY offset LIMIT ${MAX_REMOVED_AT_ONCE})`,
      )
      .run(id, id);
    if (Number(changes) === MAX_REMOVED_AT_ONCE) return true;
    this.#file.sql("DELETE FROM channel WHERE id = ?").run(id);
    this.#file.identify({ channels: this.#file.identity.channels - 1 });
    return true;
  }

  get #newEpoch(): string {
    const { name, generation } = this.#file.identity;
    return `${name}-${generation}`;
  }

  #begin(name: string, epoch: string, holder: number): ChannelLog {
    const row = { name, epoch, head: 0, oldest: 1, bytes: 0, keys: 0, ttlMs: 0 };
    const { lastInsertRowid } = this.#file
      .sql("INSERT INTO channel VALUES (NULL, ?, ?, ?, 0, 1, 0, 0, 0, 0, ?, 0)")
      .run(hashOf(name), name, epoch, holder);
    const id = Number(lastInsertRowid);
    this.#file
      .sql("UPDATE channel SET crc = ? WHERE id = ?")
      .run(channelChecksum({ ...row, id, holder }), id);
    this.#file.identify({ channels: this.#file.identity.channels + 1 });
    return this.#add({ ...row, id, holder, due: 0 });
  }

  #know(row: SqlRow): ChannelLog {
    const {
      id,
      name,
      epoch,
      head,
      oldest,
      bytes,
      keys,
      ttl: ttlMs,
      holder,
      due,
      crc,
    } = row as {
      readonly [Name in "name" | "epoch"]: string;
    } & {
      readonly [Name in
        | "id"
        | "head"
        | "oldest"
        | "bytes"
        | "keys"
        | "ttl"
        | "holder"
        | "due"
        | "crc"]: number;
    };
    const known = { id, name, epoch, head, oldest, bytes, keys, ttlMs, holder };
    if (crc !== channelChecksum(known)) throw new Damage("its row was changed", { id, name });
    return this.#add({ ...known, due });
  }

  #add(row: ChannelRow): ChannelLog {
    const log = new ChannelLog(this.#file, this.#shares, row);
    this.#byName.set(row.name, log);
    this.#byId.set(row.id, log);
    this.#touched.add(log);
    return log;
  }

  #some(where: string, ...values: SqlValue[]): ChannelLog[] {
    const rows = this.#file.sql(`SELECT ${COLUMNS} FROM channel ${where} LIMIT ${LOOKED_AT}`).all(...values);
    return rows.map((row) => {
      const known = this.#byId.get(Number(row["id"]));
      if (known) this.#touched.add(known);
      return known ?? this.#know(row);
    });
  }

  /**
   * Some that seem to be empty, as the file has it, and that are this holder's, if one is given: each look
   * goes on where the last one ended, since what is open is in its way.
   */
  #nextEmpty(holder?: number): ChannelLog[] {
    const [lastHolder, lastId] = this.#lookedTo;
    const from = holder === undefined || holder === lastHolder ? lastId : 0;
    const whose = holder === undefined ? "(holder, id) > (?, ?)" : "holder = ? AND id > ?";
    const some = this.#some(
      `WHERE oldest > head AND keys = 0 AND ${whose} AND name NOT GLOB '${SET_ASIDE}*' ORDER BY holder, id`,
      holder ?? lastHolder,
      from,
    );
    const last = some.at(-1);
    this.#lookedTo = last && some.length === LOOKED_AT ? [last.holder, last.id] : [holder ?? -1, 0];
    return some;
  }

  /**
   * Forgets some that hold nothing and that nobody has open, with their heads; if there is none, some whose
   * entries are past their age.
   *
   * @param holder only those that are its own
   */
  #forgetEmpty(time: number, holder?: number): void {
    const { channels, generation } = this.#file.identity;
    let forgotten = 0;
    const forget = (log: ChannelLog): void => {
      if (!log.isEmpty || this.#open.has(log.name) || log.removeGone()) return;
      this.#file.sql("DELETE FROM channel WHERE id = ?").run(log.id);
      this.#shares.countChannel(log.holder, log.name, -1);
      this.#byName.delete(log.name);
      this.#byId.delete(log.id);
      this.#touched.delete(log);
      forgotten++;
    };
    for (const log of this.#nextEmpty(holder)) forget(log);
    if (forgotten === 0) {
      for (const log of this.due(time)) {
        log.tidy(time);
        if (holder === undefined || log.holder === holder) forget(log);
      }
    }
    if (forgotten === 0) return;
    // The same name may begin again, with other offsets.
    this.#file.identify({ channels: channels - forgotten, generation: generation + 1 });
  }
}

function isSetAside(row: SqlRow): boolean {
  return String(row["name"]).startsWith(SET_ASIDE);
}
