/** An IndexedDB database, opened when it is needed, and again where the browser has closed it. */
export class Database {
  readonly name: string;
  readonly #prepare: (database: IDBDatabase) => void;
  #opening: Promise<IDBDatabase> | undefined;

  /** @param prepare makes the object stores of a new one */
  constructor(name: string, prepare: (database: IDBDatabase) => void) {
    this.name = name;
    this.#prepare = prepare;
  }

  /**
   * Runs requests on an object store in one transaction. Resolves with what `work` returned once all of it is
   * on disk.
   */
  async write<T>(store: string, work: (store: IDBObjectStore) => T): Promise<T> {
    const database = await this.#open();
    return new Promise((resolve, reject) => {
      const transaction = database.transaction(store, "readwrite", { durability: "strict" });
      const result = work(transaction.objectStore(store));
      transaction.oncomplete = () => resolve(result);
      transaction.onabort = () => reject(transaction.error);
    });
  }

  /** Closes it, if it is open. */
  async close(): Promise<void> {
    const opening = this.#opening;
    this.#opening = undefined;
    (await opening?.catch(() => undefined))?.close(); // Whoever had it opened was told.
  }

  async erase(): Promise<void> {
    await this.close();
    await answer(indexedDB.deleteDatabase(this.name));
  }

  #open(): Promise<IDBDatabase> {
    this.#opening ??= this.#openNow().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  async #openNow(): Promise<IDBDatabase> {
    if (typeof indexedDB === "undefined") throw new Error("there is no IndexedDB here");
    const request = indexedDB.open(this.name, 1);
    request.onupgradeneeded = () => this.#prepare(request.result);
    const database = await answer(request);
    const forget = () => {
      this.#opening = undefined;
    };
    database.onclose = forget;
    // Somebody erases it.
    database.onversionchange = () => {
      forget();
      database.close();
    };
    return database;
  }
}

function answer<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
