import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { ProtocolError } from "@zocalo/protocol";
import { Damage } from "./damage.ts";
import { DirectoryLock } from "./lock.ts";
import type { StoreSettings } from "./messages.ts";
import type { Moment } from "./moment.ts";
import { failureOf, type OpenDatabase } from "./sqlite.ts";
import { StoreError } from "./store-error.ts";
import { StoreFile } from "./store-file.ts";
import { synchronize } from "./synchronize.ts";
import { type Seen, Witness } from "./witness.ts";

/** The store itself; SQLite has two more beside it, `-wal` and `-shm`. */
export const STORE = "zocalo.db";
/** Says how many commits the store had. */
export const WITNESS = "witness";
/**
 * There while commits may not be on the disk (`durability: "process"`), with the machine's boot. What they
 * were is lost with it, and nothing else tells: the witness is not synchronized either.
 */
const UNSYNCED = "unsynced";
/** SQLite's own files beside a database. */
export const SUFFIXES = ["", "-wal", "-shm"];

/** The directory of a store: whose it is, and which file in it is the store. */
export class StoreDirectory {
  readonly path: string;
  readonly #open: OpenDatabase;
  readonly #settings: StoreSettings;
  readonly #boot: string;
  readonly #lock: DirectoryLock;
  readonly #witnessPath: string;
  readonly #unsyncedPath: string;
  #witness: Witness | undefined;
  #file: StoreFile | undefined;
  /** Which file of the system's it is, whatever has its name by now. */
  #inode: bigint | undefined;

  /**
   * @param notice told, in a sentence, that others may enter it
   * @throws StoreError `in_use`, `unusable`
   */
  constructor(open: OpenDatabase, settings: StoreSettings, boot: string, notice: (sentence: string) => void) {
    const directory = resolve(settings.directory);
    this.path = join(directory, STORE);
    this.#witnessPath = join(directory, WITNESS);
    this.#unsyncedPath = join(directory, UNSYNCED);
    this.#open = open;
    this.#settings = settings;
    this.#boot = boot;
    try {
      if (!makeDirectory(directory) && isForOthers(directory)) {
        notice(`${directory} was there already, and others may enter it: "chmod 700" keeps them out`);
      }
      this.#lock = new DirectoryLock(open, directory);
    } catch (cause) {
      throw unusable(directory, cause);
    }
  }

  /**
   * Opens the store, or makes one. One that is damaged is set aside; in one that has lost commits every epoch
   * ends.
   *
   * @param notice told of either, in a sentence
   * @throws StoreError
   */
  openFile(now: Moment, notice: (sentence: string) => void): StoreFile {
    const isThere = existsSync(this.path);
    const isNew = !isThere || this.#wasBegun;
    // Not one that was set aside just now.
    if (!isThere && this.#witness === undefined && existsSync(this.#witnessPath))
      notice(`${this.path} was here and is gone: every channel begins anew`);
    try {
      try {
        this.#file = StoreFile.open(this.#open, this.path, this.#settings, this.#boot, now, "copy");
        const { former } = this.#file;
        if (former) notice(`${this.path} had format ${former.format}, and is kept so as ${former.path}`);
        if (!isNew) this.#compare(this.#file, now, notice);
      } catch (error) {
        if (!(error instanceof Damage) && failureOf(error) !== "corrupt") throw error;
        const aside = this.setFileAside();
        notice(
          `${this.path} is damaged (${String(error)}): it is kept as ${aside}, and every channel begins anew`,
        );
        this.#file = StoreFile.open(this.#open, this.path, this.#settings, this.#boot, now, "copy");
      }
      this.#markUnsynced(this.#file);
      this.#inode = this.#inodeAtPath;
      this.#witness ??= new Witness(this.#witnessPath);
      this.witnessed(this.#file);
      if (process.platform !== "win32") synchronize(resolve(this.path, ".."), "r"); // the names in it
      return this.#file;
    } catch (cause) {
      this.close();
      throw unusable(this.path, cause);
    }
  }

  /** A process was killed before it had made a store of the file. */
  get #wasBegun(): boolean {
    return statSync(this.path).size === 0 && !existsSync(this.#witnessPath);
  }

  /**
   * What is written to a file that was removed ends with this process, and SQLite does not notice.
   *
   * @throws ProtocolError `unavailable` if the store is not where the next server looks for it
   */
  checkIsThere(): void {
    if (this.#inodeAtPath === this.#inode && existsSync(`${this.path}-wal`)) return;
    throw new ProtocolError(
      "unavailable",
      'the store, or the "-wal" beside it, was removed or moved while it was open',
    );
  }

  get #inodeAtPath(): bigint | undefined {
    return statSync(this.path, { bigint: true, throwIfNoEntry: false })?.ino;
  }

  /** False if the disk says that it has fewer bytes left; what belongs to root alone counts for root. */
  hasRoom(bytes: number): boolean {
    try {
      const { bsize, blocks, bavail, bfree } = statfsSync(dirname(this.path));
      // Some say nothing of their size.
      return blocks === 0 || (process.getuid?.() === 0 ? bfree : bavail) * bsize >= bytes;
    } catch {
      return true; // As where nothing is said. Whoever publishes learns more.
    }
  }

  /** Another commit is done. */
  witnessed({ identity, commits }: StoreFile): void {
    this.#witness?.write({ store: identity.name, commits });
  }

  /** Closes the store and renames it; gives its new name. */
  setFileAside(): string {
    this.#closeFile();
    const aside = `${this.path}.damaged-${new Date().toISOString().replaceAll(":", "-")}`;
    for (const suffix of SUFFIXES) {
      if (existsSync(this.path + suffix)) renameSync(this.path + suffix, aside + suffix);
    }
    return aside;
  }

  /** @param isSynced all that was committed is on the disk */
  close(isSynced = false): void {
    this.#closeFile();
    if (isSynced) rmSync(this.#unsyncedPath, { force: true });
    this.#witness?.close();
    this.#witness = undefined;
    this.#lock.release();
  }

  /** Where commits that were acknowledged are lost, or may be, every epoch ends. */
  #compare(file: StoreFile, now: Moment, notice: (sentence: string) => void): void {
    const seen = Witness.read(this.#witnessPath);
    const loss = this.#lossOf(file, seen);
    if (loss === undefined) return;
    file.database.exec("BEGIN IMMEDIATE");
    file.turnAll(now, seen);
    file.database.exec("COMMIT");
    notice(`${loss}: every epoch turns`);
  }

  #lossOf({ identity, commits }: StoreFile, seen: Seen | undefined): string | undefined {
    if (seen === undefined || seen.store !== identity.name)
      return `${this.path} is not the one that was here, or its witness is gone`;
    if (commits < seen.commits)
      return `${this.path} has lost ${seen.commits - commits} of its ${seen.commits} commits`;
    const boot = this.#unsyncedIn();
    if (boot === undefined || boot === this.#boot) return undefined;
    return `the machine was started anew, and ${this.path} may have lost commits that it had not synchronized`;
  }

  #unsyncedIn(): string | undefined {
    return existsSync(this.#unsyncedPath) ? readFileSync(this.#unsyncedPath, "utf8") : undefined;
  }

  /** Before the first commit that nobody waits for; or, if all are waited for, once the disk has the rest. */
  #markUnsynced({ database }: StoreFile): void {
    if (this.#settings.durability === "process") {
      synchronize(this.#unsyncedPath, "w", (file) => writeSync(file, this.#boot));
    } else if (existsSync(this.#unsyncedPath)) {
      database.exec("PRAGMA wal_checkpoint(FULL)");
      rmSync(this.#unsyncedPath);
    }
  }

  #closeFile(): void {
    try {
      this.#file?.close();
    } catch {
      // It is damaged; what it holds is not used again.
    }
    this.#file = undefined;
  }
}

/**
 * Makes a directory that nobody else may enter, and those above it. Not by the `recursive` of Node, which
 * never returns where the system says that one above is missing, and none is, as in `/proc`.
 *
 * @returns false if it was there
 */
export function makeDirectory(path: string): boolean {
  try {
    mkdirSync(path, { mode: 0o700 });
    return true;
  } catch (cause) {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return false;
    const above = dirname(path);
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT" || existsSync(above)) throw cause;
    makeDirectory(above);
    return makeDirectory(path);
  }
}

/** True if the system says that others than the owner may look into it. */
function isForOthers(directory: string): boolean {
  return process.platform !== "win32" && (statSync(directory).mode & 0o077) !== 0;
}

function unusable(path: string, cause: unknown): StoreError {
  if (cause instanceof StoreError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new StoreError("unusable", `${path} cannot be used: ${reason}`, { cause });
}
