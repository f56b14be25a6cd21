import type { Database } from "./database.ts";
import type { DraftLimits, Drafts } from "./drafts.ts";

/** Used where `DraftLimits` leaves a field out. */
const defaultDrafts = { drafts: 100, draftLength: 65_536 } as const;

interface Row {
  readonly name: string;
  readonly text: string;
  /** Greater than of all that were written before. Not a time: somebody may set the clock. */
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
        if (text === "") return void store.delete(name);
        const index = store.index("at");
        const newest = index.openKeyCursor(null, "prev") as IDBRequest<{ readonly key: number } | null>;
        newest.onsuccess = () => {
          const at = (newest.result?.key ?? 0) + 1;
          store.put({ name, text, at } satisfies Row);
          const names = index.getAllKeys();
          names.onsuccess = () => {
            for (const old of names.result.reverse().slice(drafts)) store.delete(old);
          };
        };
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
    for (const old of [...this.#unstored.keys()].reverse().slice(this.#limits.drafts))
      this.#unstored.delete(old);
  }
}
