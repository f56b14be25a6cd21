import { closeSync, constants, openSync, readFileSync, writeSync } from "node:fs";
import { checksum } from "./row.ts";

/** Bytes of the file, which never grows: it can be written when the disk is full. */
const LENGTH = 64;

/** What a witness saw last. */
export interface Seen {
  /** The store's name. */
  readonly store: string;
  /** Its commits by then. */
  readonly commits: number;
}

/**
 * How many commits a store had, beside the store. SQLite takes a log that was cut short, and a file from a
 * backup, for what was there: only somebody else can tell that something was acknowledged and is gone.
 *
 * It is written after each commit and never synchronized, so that after a loss of power it may say less than
 * the store has. It never says more, unless something is missing.
 */
export class Witness {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  }

  /** What is in the file; nothing if there is none, or it is damaged. */
  static read(path: string): Seen | undefined {
    try {
      const [store = "", commits = "", sum = ""] = readFileSync(path, "latin1").trim().split(" ");
      const isWhole = Number(sum) === checksum(store, commits);
      return isWhole ? { store, commits: Number(commits) } : undefined;
    } catch {
      return undefined; // There is none.
    }
  }

  /** Never throws: what it misses makes it say less. */
  write({ store, commits }: Seen): void {
    const text = `${store} ${commits} ${checksum(store, String(commits))}`;
    try {
      writeSync(this.#file, `${text.padEnd(LENGTH - 1)}\n`, 0, "latin1");
    } catch {
      // The disk is full before the file had its length. It says less than there is, which is safe.
    }
  }

  close(): void {
    closeSync(this.#file);
  }
}
