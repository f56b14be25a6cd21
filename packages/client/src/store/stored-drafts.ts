import type { Database } from "./database.ts";
import type { DraftLimits, Drafts } from "./drafts.ts";

/** Used where `DraftLimits` leaves a field out. */
const defaultDrafts = { drafts: 100, draftLength: 65_536 } as const;

interface Row {
  readonly name: string;
  readonly text: string;
  /** Of the wall clock, in milliseconds. */
  readonly at: number;
}

/** Drafts in an object store, and those that could not be stored. */
export class StoredDrafts implements Drafts {
  readonly #database: Database;
  readonly #limits: Required<DraftLimits>;
  /** Lost with the page. */
  readonly #unstored = new Map<string, string>();

  constructor(database: Database, limits: DraftLimits) {
    this.#database = database;
    this.#limits = { ...defaultDrafts, ...limits };
  }

  async get(name: string): Promise<string | undefined> {
    const unstored = this.#unstored.get(name);
    if (unstored !== undefined) return unstored;
    try {
      const request = await this.#database.write(
        "drafts",
        (store) => store.get(name) as IDBRequest<Row | undefined>,
      );
      return request.result?.text;
    } catch {
      return undefined; // `set` says that nothing can be stored
    }
  }

  async set(name: string, text: string): Promise<boolean> {
    const { drafts, draftLength } = this.#limits;
    if (text.length > draftLength) return false;
    this.#unstored.delete(name);
    try {
      await this.#database.write("drafts", (store) => {
        if (text === "") return store.delete(name);
        const put = store.put({ name, text, at: Date.now() } satisfies Row);
        put.onsuccess = () => forgetOldest(store, drafts);
        return put;
      });
      return true;
    } catch {
      this.#keepUnstored(name, text);
      return false;
    }
  }

  forget(): void {
    this.#unstored.clear();
  }

  #keepUnstored(name: string, text: string): void {
    this.#unstored.set(name, text);
    const [oldest] = this.#unstored.keys();
    if (this.#unstored.size > this.#limits.drafts && oldest !== undefined) this.#unstored.delete(oldest);
  }
}

function forgetOldest(store: IDBObjectStore, most: number): void {
  const count = store.count();
  count.onsuccess = () => {
    if (count.result <= most) return;
    const oldest = store.index("at").openKeyCursor();
    oldest.onsuccess = () => {
      if (oldest.result !== null) store.delete(oldest.result.primaryKey);
    };
  };
}
