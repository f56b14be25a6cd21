import { type FileHandle, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { KeptEntry, NewEntry, OpenOutbox, OutboxStore } from "../outbox/keep.ts";
import { FileLock } from "./file-lock.ts";

/** A file is written anew when it is larger than this and four times what it keeps, in bytes. */
const COMPACT_BYTES = 1_048_576;

/** One line of the file. */
type Line =
  | { readonly add: readonly KeptEntry[] }
  | { readonly begin: readonly number[]; readonly at: number }
  | { readonly remove: readonly number[] };

/**
 * Keeps publications in a file, for one session of one process at a time: opening it fails while another has
 * it. What is kept is on disk (`fdatasync`) before the promise resolves.
 *
 * @param path of a file in a directory that exists; `path.lock` beside it says who has it
 * @example
 * const keep = { store: fileStore("outbox.jsonl"), left: ({ json }) => console.log("again:", json) };
 * const session = connect("wss://example.org/ws", { token, keep });
 */
export function fileStore(path: string): OutboxStore {
  return {
    async open(left) {
      const lock = await FileLock.take(`${path}.lock`);
      try {
        const journal = await Journal.open(path);
        if (journal.entries.length > 0) left(journal.entries);
        return new FileOutbox(journal, lock);
      } catch (error) {
        await lock.release();
        throw error;
      }
    },
  };
}

class FileOutbox implements OpenOutbox {
  readonly #journal: Journal;
  readonly #lock: FileLock;
  /** One thing after the other. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(journal: Journal, lock: FileLock) {
    this.#journal = journal;
    this.#lock = lock;
  }

  add(entries: readonly NewEntry[]): Promise<readonly number[]> {
    return this.#then(async () => {
      const add = entries.map((entry, index) => ({ ...entry, id: this.#journal.lastId + 1 + index }));
      await this.#journal.write({ add }, true);
      return add.map(({ id }) => id);
    });
  }

  begin(ids: readonly number[], sentAt: number): Promise<readonly boolean[]> {
    return this.#then(async () => {
      await this.#journal.write({ begin: ids, at: sentAt }, true);
      return ids.map((id) => this.#journal.has(id));
    });
  }

  remove(ids: readonly number[]): Promise<void> {
    // Lost with the machine, it is sent again with its key.
    return this.#then(() => this.#journal.write({ remove: ids }, false));
  }

  close(): Promise<void> {
    return this.#then(async () => {
      await this.#journal.close();
      await this.#lock.release();
    });
  }

  #then<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#last.then(run);
    this.#last = result.catch(() => {}); // Whoever asked is told.
    return result;
  }
}

interface JournalParts {
  readonly path: string;
  readonly directory: FileHandle | undefined;
  readonly file: FileHandle;
  readonly kept: Map<number, KeptEntry>;
  readonly lastId: number;
}

/** Lines that say what changed, and what they come to. */
class Journal {
  readonly #path: string;
  /** Nothing where directories cannot be opened: on Windows, or without leave to read it. */
  readonly #directory: FileHandle | undefined;
  /** The name of the file may not be on disk yet. */
  #isNameNew = true;
  #file: FileHandle;
  #kept: Map<number, KeptEntry>;
  #bytes = 0;
  #keptBytes = 0;
  lastId: number;

  private constructor(parts: JournalParts) {
    this.#path = parts.path;
    this.#directory = parts.directory;
    this.#file = parts.file;
    this.#kept = parts.kept;
    this.lastId = parts.lastId;
  }

  static async open(path: string): Promise<Journal> {
    const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return "";
      throw error;
    });
    const kept = new Map<number, KeptEntry>();
    let lastId = 0;
    for (const line of text.split("\n")) {
      const read = readLine(line);
      if (read === undefined) continue; // Torn by a crash: it was not said to be kept.
      apply(kept, read);
      if ("add" in read) for (const { id } of read.add) lastId = Math.max(lastId, id);
    }
    const file = await open(path, "a", 0o600);
    const directory = await open(dirname(path), "r").catch(() => undefined); // See `#directory`.
    const journal = new Journal({ path, directory, file, kept, lastId });
    journal.#bytes = Buffer.byteLength(text);
    journal.#keptBytes = journal.#bytes;
    // What does not shrink is whole all the same. If the disk is full, the next write tells.
    await journal.#compact().catch(() => {});
    return journal;
  }

  get entries(): readonly KeptEntry[] {
    return [...this.#kept.values()];
  }

  has(id: number): boolean {
    return this.#kept.has(id);
  }

  /** @param isSynced resolve when it is on disk */
  async write(line: Line, isSynced: boolean): Promise<void> {
    // A line of its own, even behind a torn one.
    const text = `\n${JSON.stringify(line)}\n`;
    // Removed, it has no name: what it takes would end with this process.
    if ((await this.#file.stat()).nlink === 0) await this.#compact();
    try {
      await this.#file.appendFile(text);
      if (isSynced) await this.#sync();
    } catch (error) {
      await this.#file.truncate(this.#bytes).catch(() => {}); // The error is told.
      throw error;
    }
    this.#bytes += Buffer.byteLength(text);
    apply(this.#kept, line);
    if ("add" in line) this.lastId += line.add.length;
    if (this.#bytes <= Math.max(COMPACT_BYTES, 4 * this.#keptBytes)) return;
    await this.#compact().catch(() => {}); // What does not shrink is whole all the same.
  }

  async close(): Promise<void> {
    await this.#file.close();
    await this.#directory?.close();
  }

  async #sync(): Promise<void> {
    await this.#file.datasync();
    if (!this.#isNameNew) return;
    await this.#directory?.sync().catch((error: NodeJS.ErrnoException) => {
      // All others say that this file system has no such thing, as SQLite has it.
      if (error.code === "EIO") throw error;
    });
    this.#isNameNew = false;
  }

  /** Writes what is kept to another file, which takes the place of this one. */
  async #compact(): Promise<void> {
    const add = this.entries;
    const text = add.length === 0 ? "" : `${JSON.stringify({ add } satisfies Line)}\n`;
    const next = `${this.#path}.new`;
    const file = await open(next, "a", 0o600);
    try {
      await file.truncate(); // of one that was killed while it wrote
      await file.writeFile(text);
      await file.sync();
      await rename(next, this.#path);
    } catch (error) {
      await file.close();
      // It takes room, which there may not be. The error is told.
      await rm(next, { force: true }).catch(() => {});
      throw error;
    }
    // Whatever fails from here on, what is written goes to the file that has the name.
    const former = this.#file;
    this.#file = file;
    this.#bytes = Buffer.byteLength(text);
    this.#keptBytes = this.#bytes;
    // What is kept next waits for the name. Until then the former file may have it, which is whole.
    this.#isNameNew = true;
    await former.close();
  }
}

function apply(kept: Map<number, KeptEntry>, line: Line): void {
  if ("add" in line) for (const entry of line.add) kept.set(entry.id, entry);
  else if ("remove" in line) for (const id of line.remove) kept.delete(id);
  else {
    for (const id of line.begin) {
      const entry = kept.get(id);
      if (entry !== undefined) kept.set(id, { ...entry, sentAt: line.at });
    }
  }
}

function readLine(text: string): Line | undefined {
  if (text === "") return undefined;
  try {
    return JSON.parse(text) as Line;
  } catch {
    return undefined;
  }
}
