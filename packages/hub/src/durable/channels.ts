import { ProtocolError } from "@zocalo/protocol";
import { createHash } from "node:crypto";
import { randomName, systemRandom } from "../primitives/random.ts";
import type { LogState } from "../engine/engine.ts";
import { ChannelLog, type ChannelRow } from "./channel-log.ts";
import { Damage } from "./damage.ts";
import { checksum } from "./row.ts";
import type { SqlRow } from "./sqlite.ts";
import type { StoreFile } from "./store-file.ts";

/** Channels that are known without asking the file: about half a kilobyte each. */
const KNOWN_CHANNELS = 10_000;
/** What stands before the name of a channel that was set aside; no channel's name may begin so. */
export const SET_ASIDE = "!";
/** Channels that are looked at when there are too many, and of which the empty ones are forgotten. */
const LOOKED_AT = 1_000;

const COLUMNS = "id, name, epoch, head, oldest, bytes, keys, ttl, crc";

/** The channels of a store, found when they are needed. */
export class Channels {
  readonly #file: StoreFile;
  readonly #most: number;
  readonly #byName = new Map<string, ChannelLog>();
  readonly #byId = new Map<number, ChannelLog>();
  /** Those whose numbers in the file may be old. */
  readonly #touched = new Set<ChannelLog>();
  /** Where the next look for empty ones begins. */
  #lookedTo = 0;

  constructor(file: StoreFile, most: number) {
    this.#file = file;
    this.#most = most;
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
  findOrBegin(name: string): ChannelLog {
    const known = this.find(name);
    if (known) return known;
    const { channels } = this.#file.identity;
    if (channels >= this.#most && !this.#forgetEmpty()) {
      throw new ProtocolError("limit_reached", `this server keeps at most ${this.#most} channels`);
    }
    return this.#begin(name, this.#newEpoch);
  }

  /** What a channel that nobody published in looks like. */
  get nothing(): LogState {
    return { epoch: this.#newEpoch + this.#file.identity.turn, head: 0, oldest: 1 };
  }

  /** Nothing for one that was set aside, either. */
  byId(id: number): ChannelLog | undefined {
    const known = this.#byId.get(id);
    if (known) {
      this.#touched.add(known);
      return known;
    }
    const row = this.#file.sql(`SELECT ${COLUMNS} FROM channel WHERE id = ?`).get(id);
    return row && !String(row["name"]).startsWith(SET_ASIDE) ? this.#know(row) : undefined;
  }

  /** Those that follow, by their number in the file. */
  after(id: number, count: number): ChannelLog[] {
    const rows = this.#file
      .sql(
        `SELECT ${COLUMNS} FROM channel WHERE id > ? AND name NOT GLOB '${SET_ASIDE}*' ORDER BY id LIMIT ?`,
      )
      .all(id, count);
    return rows.map((row) => {
      const known = this.#byId.get(Number(row["id"]));
      if (known) this.#touched.add(known);
      return known ?? this.#know(row);
    });
  }

  /** Writes down what has changed, within the transaction; true if there was anything. */
  save(): boolean {
    let hasChanged = false;
    for (const log of this.#touched) if (log.save()) hasChanged = true;
    return hasChanged;
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
    const aside = `${SET_ASIDE}${randomName(systemRandom, 8)} ${name}`;
    this.#file.sql("UPDATE channel SET name = ?, hash = ? WHERE id = ?").run(aside, hashOf(aside), id);
    return this.#begin(name, `${this.#file.identity.name}-${randomName(systemRandom, 8)}`).state;
  }

  get #newEpoch(): string {
    const { name, generation } = this.#file.identity;
    return `${name}-${generation}`;
  }

  #begin(name: string, epoch: string): ChannelLog {
    const numbers = [0, 1, 0, 0, 0] as const;
    this.#file
      .sql("INSERT INTO channel VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, 0)")
      .run(hashOf(name), name, epoch, ...numbers);
    const id = Number(this.#file.sql("SELECT last_insert_rowid() AS id").get()?.["id"]);
    this.#file.sql("UPDATE channel SET crc = ? WHERE id = ?").run(checksum(id, name, epoch, ...numbers), id);
    this.#file.identify({ channels: this.#file.identity.channels + 1 });
    return this.#add({ id, name, epoch, head: 0, oldest: 1, bytes: 0, keys: 0, ttlMs: 0 });
  }

  #know(row: SqlRow): ChannelLog {
    const [id, name, epoch, head, oldest, bytes, keys, ttlMs] = Object.values(row) as [
      ...[number, string, string],
      ...[number, number, number, number, number],
    ];
    if (row["crc"] !== checksum(id, name, epoch, head, oldest, bytes, keys, ttlMs)) {
      throw new Damage("its row was changed", { id, name });
    }
    return this.#add({ id, name, epoch, head, oldest, bytes, keys, ttlMs });
  }

  #add(row: ChannelRow): ChannelLog {
    const log = new ChannelLog(this.#file, row);
    this.#byName.set(row.name, log);
    this.#byId.set(row.id, log);
    this.#touched.add(log);
    return log;
  }

  /** Forgets some that hold nothing, with their heads; true if there were any. */
  #forgetEmpty(): boolean {
    const before = this.#file.identity;
    let { channels } = before;
    const some = this.after(this.#lookedTo, LOOKED_AT);
    this.#lookedTo = some.length < LOOKED_AT ? 0 : (some.at(-1)?.id ?? 0);
    for (const log of some) {
      if (!log.isEmpty) continue;
      this.#file.sql("DELETE FROM log WHERE channel = ?").run(log.id); // entries that are gone already
      this.#file.sql("DELETE FROM channel WHERE id = ?").run(log.id);
      this.#byName.delete(log.name);
      this.#byId.delete(log.id);
      this.#touched.delete(log);
      channels--;
    }
    if (channels === before.channels) return false;
    // The same name may begin again, with other offsets.
    this.#file.identify({ channels, generation: before.generation + 1 });
    return true;
  }
}

/** 48 bits of a name: a number that JavaScript and SQLite both hold. */
function hashOf(name: string): number {
  return createHash("sha1").update(name).digest().readUIntBE(0, 6);
}
