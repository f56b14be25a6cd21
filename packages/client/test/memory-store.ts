import type { KeptEntry, NewEntry, OpenOutbox, OutboxStore } from "../src/index.ts";

interface Row extends KeptEntry {
  readonly owner: number;
}

/** One session that has the store open. */
export interface Opened {
  /** Its page crashes: nothing it asks for happens any more, and others go on with what it left. */
  die(): void;
}

/** A store in memory, which sessions share as tabs do, and which fails on command. */
export class MemoryStore implements OutboxStore {
  rows = new Map<number, Row>();
  /** What it was asked to do, in order. */
  readonly log: string[] = [];
  readonly opened: Opened[] = [];
  /** Throws instead of doing what is asked. */
  fails: (what: "open" | "add" | "begin" | "remove") => boolean = () => false;
  /** How long anything takes. */
  delay: () => Promise<void> = async () => {};
  #lastId = 0;
  #lastOwner = 0;
  readonly #living = new Map<number, (entries: readonly KeptEntry[]) => void>();

  async open(left: (entries: readonly KeptEntry[]) => void): Promise<OpenOutbox> {
    await this.#work("open");
    const owner = ++this.#lastOwner;
    let isAlive = true;
    this.#living.set(owner, left);
    const end = () => {
      isAlive = false;
      this.#living.delete(owner);
      const [heir] = this.#living;
      if (heir !== undefined) this.#inherit(...heir);
    };
    this.opened.push({ die: end });
    this.#inherit(owner, left);
    const work = async <T>(what: "add" | "begin" | "remove", run: () => T): Promise<T> => {
      await this.#work(what);
      return isAlive ? run() : new Promise<never>(() => {});
    };
    const isMine = (id: number) => this.rows.get(id)?.owner === owner;
    return {
      add: (entries) => work("add", () => entries.map((entry) => this.#add(entry, owner))),
      begin: (ids, sentAt) =>
        work("begin", () =>
          ids.map((id) => {
            const row = this.rows.get(id);
            if (row === undefined || !isMine(id)) return false;
            this.rows.set(id, { ...row, sentAt });
            return true;
          }),
        ),
      remove: (ids) => work("remove", () => ids.forEach((id) => isMine(id) && this.rows.delete(id))),
      close: async () => end(),
    };
  }

  get texts(): string[] {
    return [...this.rows.values()].map(({ json }) => json);
  }

  async #work(what: "open" | "add" | "begin" | "remove"): Promise<void> {
    this.log.push(what);
    await this.delay();
    if (this.fails(what)) throw new Error(`no ${what}`);
  }

  #add(entry: NewEntry, owner: number): number {
    const id = ++this.#lastId;
    this.rows.set(id, { ...entry, id, owner });
    return id;
  }

  #inherit(owner: number, left: (entries: readonly KeptEntry[]) => void): void {
    const found = [...this.rows.values()].filter((row) => !this.#living.has(row.owner));
    for (const row of found) this.rows.set(row.id, { ...row, owner });
    if (found.length > 0) left(found);
  }
}
