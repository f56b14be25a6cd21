import { rmSync } from "node:fs";
import { randomName, systemRandom } from "../primitives/random.ts";
import { Damage } from "./damage.ts";
import type { StoreSettings } from "./messages.ts";
import { type LastCommit, type Moment, StoreTime } from "./moment.ts";
import { checksum } from "./row.ts";
import { APPLICATION_ID, createTables, FORMAT, pragma } from "./schema.ts";
import type { Database, OpenDatabase, SqlRow, Statement } from "./sqlite.ts";
import { StoreError } from "./store-error.ts";
import { synchronize } from "./synchronize.ts";
import type { Seen } from "./witness.ts";

/** What a store knows of itself. */
export interface Identity {
  /** Random, and a part of every epoch that begins in it. */
  readonly name: string;
  /** Ends every epoch. */
  readonly turn: string;
  /**
   * Raised when a channel that had offsets is forgotten, so that no epoch ever names two logs of a channel.
   */
  readonly generation: number;
  /** Channels that it has. */
  readonly channels: number;
}

/** How often the log of changes is copied into the file, in pages of it. */
const CHECKPOINT_PAGES = 4_000;

const WRITE_COMMITS =
  "UPDATE commits SET number = ?, time = ?, wall = ?, uptime = ?, boot = ?, crc = ? WHERE number = ?";

/** More pages no database has. */
const MAX_PAGES = 2 ** 32 - 2;

/** What becomes of a store of an older format: it is refused, brought to this one, or copied before. */
export type Older = "refuse" | "migrate" | "copy";

/** Another process has committed to the file that is open here: what is known of it is old. */
export class SecondWriter extends Error {}

/** The database of a store while it is open. */
export class StoreFile {
  readonly database: Database;
  readonly time: StoreTime;
  /** Where it is as it was before it was brought to this format; unset: it had it. */
  readonly former: { readonly path: string; readonly format: number } | undefined;
  readonly #boot: string;
  readonly #statements = new Map<string, Statement>();
  #identity: Identity;
  #isIdentitySaved = true;
  #commits: number;
  /** The same as the file has it. */
  #written: number;
  /** The latest that the wall clock showed at any commit. */
  #wall: number;

  private constructor(
    database: Database,
    identity: Identity,
    commits: number,
    last: LastCommit,
    boot: string,
    time: StoreTime,
    former: StoreFile["former"],
  ) {
    this.database = database;
    this.former = former;
    this.#identity = identity;
    this.#commits = commits;
    this.#written = commits;
    this.#wall = last.wall;
    this.#boot = boot;
    this.time = time;
  }

  /**
   * Opens a file, or makes one.
   *
   * @throws StoreError `newer_format`, `unusable` for an older one; Damage if what a store knows of itself is
   *   not to be read; what SQLite throws
   */
  static open(
    open: OpenDatabase,
    path: string,
    settings: Pick<StoreSettings, "durability" | "maxBytes">,
    boot: string,
    now: Moment,
    older: Older,
  ): StoreFile {
    const database = open(path);
    try {
      database.exec("PRAGMA busy_timeout = 5000");
      const isNew = isEmpty(database, path);
      // Before the first table, or never.
      if (isNew) database.exec("PRAGMA auto_vacuum = INCREMENTAL");
      const level = settings.durability === "disk" ? "FULL" : "NORMAL";
      database.exec(
        `PRAGMA journal_mode = WAL; PRAGMA synchronous = ${level};
         PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}; PRAGMA cache_size = -32768`,
      );
      if (isNew) make(database, boot, now);
      const former = isNew ? undefined : migrate(database, path, older);
      const pages = Math.floor(settings.maxBytes / pragma(database, "page_size"));
      database.exec(`PRAGMA max_page_count = ${Math.min(pages, MAX_PAGES)}`);
      const identity = readIdentity(database);
      const { number, last } = readCommits(database);
      const time = new StoreTime(boot, now, last);
      return new StoreFile(database, identity, number, last, boot, time, former);
    } catch (error) {
      database.close();
      throw error;
    }
  }

  get identity(): Identity {
    return this.#identity;
  }

  get commits(): number {
    return this.#commits;
  }

  /** More than three quarters of the pages that it may have are in use. */
  get isMostlyFull(): boolean {
    const [pages, free, most] = ["page_count", "freelist_count", "max_page_count"].map((name) =>
      Number(Object.values(this.sql(`PRAGMA ${name}`).get() ?? {})[0]),
    ) as [number, number, number];
    return pages - free > 0.75 * most;
  }

  /** A statement, prepared once. */
  sql(text: string): Statement {
    let statement = this.#statements.get(text);
    if (!statement) this.#statements.set(text, (statement = this.database.prepare(text)));
    return statement;
  }

  /** Changes what the store knows of itself, within the transaction; `saveIdentity` writes it down. */
  identify(change: Partial<Identity>): void {
    this.#identity = { ...this.#identity, ...change };
    this.#isIdentitySaved = false;
  }

  /** Once for all that a transaction has changed, before its end. */
  saveIdentity(): void {
    if (this.#isIdentitySaved) return;
    writeIdentity(this.database, this.#identity);
    this.#isIdentitySaved = true;
  }

  /**
   * Ends the epoch of every channel, within the transaction.
   *
   * @param seen what the witness of this store has counted. It goes on from there: a copy of what the store
   *   was before, put back later, is to have fewer, and be noticed.
   */
  turnAll(now: Moment, seen: Seen | undefined): void {
    if (seen?.store === this.#identity.name) this.#commits = Math.max(this.#commits, seen.commits);
    this.identify({ turn: `.${randomName(systemRandom, 8)}` });
    this.saveIdentity();
    this.countCommit(now);
  }

  /**
   * Counts a commit, within its transaction, and remembers when it was.
   *
   * @throws SecondWriter if somebody else has counted one: a lock that was removed, or given up behind
   *   SQLite's back, keeps nobody out, and offsets would be given twice
   */
  countCommit({ wall, uptime }: Moment): void {
    // A machine may start in 1970, and again after its clock was set: that half a century is no age.
    this.#wall = Math.max(this.#wall, wall);
    const time = this.time.at({ wall, uptime });
    const row = [this.#commits + 1, time, this.#wall, uptime, this.#boot] as const;
    const { changes } = this.sql(WRITE_COMMITS).run(...row, checksum(...row), this.#written);
    if (Number(changes) === 0) throw new SecondWriter("another process has written to it");
    this.#written = ++this.#commits;
  }

  /** The transaction was undone: what is known here is read again. */
  forgetChanges(): void {
    this.#identity = readIdentity(this.database);
    this.#isIdentitySaved = true;
    this.#commits = readCommits(this.database).number;
    this.#written = this.#commits;
  }

  close(): void {
    this.#statements.clear();
    this.database.close();
  }
}

/** @throws StoreError `newer_format`; Damage if it is no store */
function isEmpty(database: Database, path: string): boolean {
  const format = pragma(database, "user_version");
  if (format > FORMAT) {
    throw new StoreError(
      "newer_format",
      `${path} has format ${format}; this release reads up to ${FORMAT}, so update it`,
    );
  }
  const application = pragma(database, "application_id");
  if (format === 0 && application === 0 && pragma(database, "schema_version") === 0) return true;
  if (format === 0 || application !== APPLICATION_ID) throw new Damage("it is no store");
  return false;
}

/** Brings an older store to this format, in one transaction. */
function migrate(database: Database, path: string, older: Older): StoreFile["former"] {
  const format = pragma(database, "user_version");
  if (format === FORMAT) return undefined;
  if (older === "refuse") {
    const message = `${path} has format ${format}; serve from it once, which brings it to ${FORMAT}`;
    throw new StoreError("unusable", message);
  }
  const copy = `${path}.format-${format}`;
  if (older === "copy") {
    rmSync(copy, { force: true }); // of a process that was killed before it was whole
    synchronize(copy, "w"); // SQLite takes it for an empty one, and nobody else may read it
    database.prepare("VACUUM INTO ?").run(copy);
    synchronize(copy, "r+");
  }
  database.exec("BEGIN IMMEDIATE");
  createTables(database, format);
  database.exec("COMMIT");
  return older === "copy" ? { path: copy, format } : undefined;
}

/** All of it or nothing: a process that is killed meanwhile leaves an empty file. */
function make(database: Database, boot: string, { wall, uptime }: Moment): void {
  database.exec("BEGIN IMMEDIATE");
  createTables(database, 0);
  database.exec(
    "INSERT INTO store VALUES (1, '', '', 0, 0, 0); INSERT INTO commits VALUES (1, 0, 0, 0, 0, '', 0)",
  );
  writeIdentity(database, { name: randomName(systemRandom, 12), turn: "", generation: 0, channels: 0 });
  const first = [0, 0, wall, uptime, boot] as const;
  database.prepare(WRITE_COMMITS).run(...first, checksum(...first), 0);
  database.exec("COMMIT");
}

function writeIdentity(database: Database, { name, turn, generation, channels }: Identity): void {
  const row = [name, turn, generation, channels] as const;
  database
    .prepare("UPDATE store SET name = ?, turn = ?, generation = ?, channels = ?, crc = ?")
    .run(...row, checksum(...row));
}

function readIdentity(database: Database): Identity {
  const { name, turn, generation, channels } = checked(
    database.prepare("SELECT name, turn, generation, channels, crc FROM store").get(),
  );
  return {
    name: String(name),
    turn: String(turn),
    generation: Number(generation),
    channels: Number(channels),
  };
}

function readCommits(database: Database): { readonly number: number; readonly last: LastCommit } {
  const { number, time, wall, uptime, boot } = checked(
    database.prepare("SELECT number, time, wall, uptime, boot, crc FROM commits").get(),
  );
  const last = { time: Number(time), wall: Number(wall), uptime: Number(uptime), boot: String(boot) };
  return { number: Number(number), last };
}

/** @throws Damage if the checksum, in the last column, is not that of the others. */
function checked(row: SqlRow | undefined): SqlRow {
  const fields = Object.values(row ?? {});
  const crc = fields.pop();
  if (!row || crc !== checksum(...fields)) throw new Damage("what it knows of itself was changed");
  return row;
}
