import { chmodSync, copyFileSync, existsSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Channels, SET_ASIDE } from "./channels.ts";
import { Damage } from "./damage.ts";
import { DirectoryLock } from "./lock.ts";
import { machineClock } from "./moment.ts";
import { keyChecksum } from "./keys.ts";
import { checksum } from "./row.ts";
import { Shares } from "./shares.ts";
import { findSqlite } from "./sqlite.ts";
import { makeDirectory, STORE, SUFFIXES, WITNESS } from "./store-directory.ts";
import { StoreError } from "./store-error.ts";
import { type Older, StoreFile } from "./store-file.ts";
import { synchronize } from "./synchronize.ts";
import { type Seen, Witness } from "./witness.ts";

/** Entries and keys that are looked at in one query. */
const ROWS_AT_ONCE = 500;

/** What `checkStore` found. */
export interface StoreReport {
  readonly channels: number;
  /** Entries that subscribers may still read. */
  readonly publications: number;
  readonly keys: number;
  /** Channels that were damaged, and are kept under another name. */
  readonly setAside: readonly string[];
  /** What is not as it was written; empty: nothing. */
  readonly problems: readonly string[];
}

/**
 * Reads all of a store that is still of use, and holds each row against its checksum: not what is past its
 * time, nor what was set aside. A server may run meanwhile.
 *
 * @throws StoreError
 */
export function checkStore(directory: string): StoreReport {
  const file = openExisting(join(resolve(directory), STORE));
  try {
    file.database.exec("BEGIN"); // All of it as it is at one moment.
    const rows = file.database.prepare("PRAGMA integrity_check(20)").all();
    const ofSqlite = rows.flatMap((row) => Object.values(row).map(String)).filter((line) => line !== "ok");
    const counts = { channels: 0, publications: 0, keys: 0 };
    const setAside: string[] = [];
    const problems = [...ofSqlite];
    const most = Number.MAX_SAFE_INTEGER;
    const shares = new Shares(file, { maxBytes: most, maxChannels: most, maxKeysPerChannel: most });
    const channels = new Channels(file, shares, most);
    const names = file.database.prepare("SELECT id, name FROM channel WHERE id > ? ORDER BY id LIMIT ?");
    const told = (what: string, work: () => void): void => {
      try {
        work();
      } catch (error) {
        problems.push(`${what}: ${error instanceof Damage ? error.message : String(error)}`);
      }
    };
    for (
      let id = 0, some = names.all(id, ROWS_AT_ONCE);
      some.length > 0;
      some = names.all(id, ROWS_AT_ONCE)
    ) {
      for (const { id: each, name } of some) {
        id = Number(each);
        const text = String(name);
        if (text.startsWith(SET_ASIDE)) setAside.push(text);
        else {
          counts.channels++;
          told(`channel ${text}`, () => (counts.publications += countEntries(channels, text)));
        }
      }
      channels.committed();
    }
    told("keys", () => (counts.keys = countKeys(file, problems)));
    told("shares", () => checkShares(file, problems));
    return { ...counts, setAside, problems };
  } finally {
    file.close();
  }
}

/**
 * Copies a store into one new file, as it is at one moment. A server may run meanwhile. Nobody else may read
 * the file (0600).
 *
 * @throws StoreError `unusable` if the file is there already, or cannot be written
 */
export function backupStore(directory: string, path: string): void {
  // Until it is whole, so that what is left by a process that was killed is no backup.
  const partial = `${path}.partial`;
  const file = openExisting(join(resolve(directory), STORE));
  try {
    reserve(path);
    rmSync(partial, { force: true });
    reserve(partial);
    file.database.prepare("VACUUM INTO ?").run(partial);
    synchronize(partial, "r+");
    renameSync(partial, path);
  } catch (cause) {
    if (cause instanceof StoreError) throw cause;
    for (const each of [partial, path]) rmSync(each, { force: true });
    throw new StoreError("unusable", `${path} cannot be written: ${String(cause)}`, { cause });
  } finally {
    file.close();
  }
}

/** Makes an empty file, which SQLite takes for none; one that is there stays as it is. */
function reserve(path: string): void {
  try {
    writeFileSync(path, "", { flag: "wx", mode: 0o600 });
  } catch (cause) {
    const isThere = (cause as NodeJS.ErrnoException).code === "EEXIST";
    const why = isThere ? "is there already" : `cannot be written: ${(cause as Error).message}`;
    throw new StoreError("unusable", `${path} ${why}`, { cause });
  }
}

/**
 * Puts a backup, or another store, in the place of a directory's store, which is kept beside it. Every epoch
 * turns: whoever comes back is told `reset`.
 *
 * @param path of the backup, which stays as it is; it may be in a place that cannot be written
 * @returns where the store is that was there; nothing if there was none
 * @throws StoreError `in_use` while a server has the directory, or if one wrote to the backup meanwhile;
 *   `unusable` if the backup is none
 */
export function restoreStore(path: string, directory: string): string | undefined {
  const place = resolve(directory);
  const store = join(place, STORE);
  const arriving = `${store}.restoring`;
  if (!existsSync(path)) throw new StoreError("unusable", `there is no ${path}`);
  if (statSync(path).isDirectory()) {
    const sentence = `${path} is a directory: name the file in it, ${join(path, STORE)}`;
    throw new StoreError("unusable", sentence);
  }
  let lock: DirectoryLock | undefined;
  try {
    makeDirectory(place);
    lock = new DirectoryLock(findSqlite(), place);
    // A log of changes that another restore has left would be taken for that of this one.
    for (const suffix of SUFFIXES) rmSync(arriving + suffix, { force: true });
    copyStore(path, arriving);
    const seen = turned(arriving, Witness.read(join(place, WITNESS)));
    const aside = existsSync(store)
      ? `${store}.replaced-${new Date().toISOString().replaceAll(":", "-")}`
      : undefined;
    for (const suffix of SUFFIXES) {
      if (aside !== undefined && existsSync(store + suffix)) renameSync(store + suffix, aside + suffix);
    }
    renameSync(arriving, store);
    const witness = new Witness(join(place, WITNESS));
    witness.write(seen);
    witness.close();
    return aside;
  } catch (cause) {
    // Who restores knows the backup, and not its copy.
    if (cause instanceof StoreError)
      throw new StoreError(cause.code, cause.message.replaceAll(arriving, path), { cause });
    const why = (cause as Error).message;
    throw new StoreError("unusable", `${path} cannot be restored to ${place}: ${why}`, { cause });
  } finally {
    if (lock !== undefined) for (const suffix of SUFFIXES) rmSync(arriving + suffix, { force: true });
    lock?.release();
  }
}

/**
 * Copies a backup, or a store that was not closed: what is in its log of changes alone is no less of it.
 * SQLite would fold that log into it if it were opened where it stands.
 */
function copyStore(path: string, copy: string): void {
  const before = stateOf(path);
  for (const suffix of COPIED) {
    if (!existsSync(path + suffix)) continue;
    copyFileSync(path + suffix, copy + suffix);
    chmodSync(copy + suffix, 0o600); // whatever the mode of a backup is
  }
  if (stateOf(path) === before) return;
  throw new StoreError("in_use", `${path} changed while it was copied; stop the server that has it`);
}

/** A file, and its log of changes. What SQLite has beside them (`-shm`) it makes anew. */
const COPIED = ["", "-wal"];

/** Is another one once anything was written to a store. */
function stateOf(path: string): string {
  const states = COPIED.map((suffix) => statSync(path + suffix, { bigint: true, throwIfNoEntry: false }));
  return states.map((state) => `${state?.ino} ${state?.size} ${state?.mtimeNs}`).join();
}

/** Ends every epoch of a store; gives what its witness has to say, after what the former one said. */
function turned(path: string, former: Seen | undefined): Seen {
  const clock = machineClock();
  const now = { wall: Math.round(clock.wall()), uptime: Math.round(clock.uptime()) };
  const file = openExisting(path, "migrate");
  try {
    file.database.exec("BEGIN IMMEDIATE");
    file.turnAll(now, former);
    file.database.exec("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
    return { store: file.identity.name, commits: file.commits };
  } finally {
    file.close();
  }
}

function openExisting(path: string, older: Older = "refuse"): StoreFile {
  if (!existsSync(path)) throw new StoreError("unusable", `there is no ${path}`);
  if (statSync(path).size === 0) throw new StoreError("unusable", `${path} is empty`);
  const clock = machineClock();
  const settings = { durability: "disk", maxBytes: Number.MAX_SAFE_INTEGER } as const;
  try {
    const now = { wall: clock.wall(), uptime: clock.uptime() };
    return StoreFile.open(findSqlite(), path, settings, clock.boot, now, older);
  } catch (cause) {
    if (cause instanceof StoreError) throw cause;
    throw new StoreError("unusable", `${path} is damaged: ${(cause as Error).message}`, { cause });
  }
}

function countEntries(channels: Channels, name: string): number {
  const log = channels.find(name);
  if (!log) throw new Damage("its index does not have it");
  const { head, oldest } = log.state;
  for (let after = oldest - 1; after < head; after += ROWS_AT_ONCE) log.page(after, ROWS_AT_ONCE);
  return head - oldest + 1;
}

function countKeys(file: StoreFile, problems: string[]): number {
  const next = file.database.prepare(
    `SELECT channel, key, offset, at, expires, holder, crc FROM key WHERE (channel, key) > (?, ?)
     ORDER BY channel, key LIMIT ${ROWS_AT_ONCE}`,
  );
  let count = 0;
  for (let rows = next.all(0, ""); rows.length > 0; ) {
    for (const { crc, ...row } of rows) {
      count++;
      const fields = Object.values(row) as [number, string, number, number, number, number];
      if (crc !== keyChecksum(...fields))
        problems.push(`the key of entry ${row["offset"]} of channel ${row["channel"]} was changed`);
    }
    const last = rows.at(-1);
    rows = next.all(last?.["channel"] ?? 0, last?.["key"] ?? "");
  }
  return count;
}

function checkShares(file: StoreFile, problems: string[]): void {
  const next = file.database.prepare(
    `SELECT id, bytes, channels, keys, crc FROM share WHERE id > ? ORDER BY id LIMIT ${ROWS_AT_ONCE}`,
  );
  for (let rows = next.all(Number.MIN_SAFE_INTEGER); rows.length > 0; ) {
    for (const { crc, ...row } of rows)
      if (crc !== checksum(...Object.values(row))) problems.push(`what share ${row["id"]} holds was changed`);
    rows = next.all(rows.at(-1)?.["id"] ?? 0);
  }
}
