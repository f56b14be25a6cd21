import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { type Database, failureOf, type OpenDatabase } from "./sqlite.ts";
import { StoreError } from "./store-error.ts";

/** Held as long as it is open. Never read by other means: closing the file would give up the lock (fcntl). */
const LOCK = "lock.db";
/** Says who holds it. */
const OWNER = "owner.json";

interface Owner {
  readonly pid: number;
  readonly host: string;
  readonly since: string;
}

/**
 * The right to write in a directory, of one engine at a time. It is a lock of the system's, which ends with
 * its process, however that ends; the file stays, and means nothing.
 */
export class DirectoryLock {
  readonly #directory: string;
  readonly #database: Database;

  /** @throws StoreError `in_use`, and says by whom */
  constructor(open: OpenDatabase, directory: string) {
    this.#directory = directory;
    this.#database = open(join(directory, LOCK));
    try {
      this.#database.exec("PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE");
    } catch (cause) {
      this.#database.close();
      if (failureOf(cause) !== "busy") throw cause;
      throw new StoreError("in_use", `${directory} is in use by ${ownerOf(directory)}`, { cause });
    }
    const owner: Owner = { pid: process.pid, host: hostname(), since: new Date().toISOString() };
    try {
      writeFileSync(join(directory, OWNER), JSON.stringify(owner), { mode: 0o600 });
    } catch {
      // Without room for it the lock holds all the same: whoever is refused is told less.
    }
  }

  /** Gives it up. */
  release(): void {
    rmSync(join(this.#directory, OWNER), { force: true });
    this.#database.close();
  }
}

function ownerOf(directory: string): string {
  try {
    const { pid, host, since } = JSON.parse(readFileSync(join(directory, OWNER), "utf8")) as Owner;
    return `process ${pid} on ${host} since ${since}`;
  } catch {
    return "another process";
  }
}
