import { defaultDurableOptions } from "../src/durable/durable.ts";
import { DurableEngine } from "../src/durable/engine.ts";
import type { Batch, Outcome, Request } from "../src/durable/messages.ts";
import type { StoreClock } from "../src/durable/moment.ts";
import { STORE } from "../src/durable/store-directory.ts";
import type { StoreThread } from "../src/durable/store-thread.ts";
import { Store } from "../src/durable/store.ts";
import { type Database, findSqlite, type Statement } from "../src/durable/sqlite.ts";

const NEVER = new Promise<never>(() => {});
/** No timer is longer: tidying comes with the batches instead. */
const NEVER_MS = 2 ** 31 - 1;

/** What happens around the batches of a store. */
export interface InProcessOptions {
  readonly clock: StoreClock;
  /** Before a batch is carried out, and once more before it is answered. */
  delay(): Promise<void> | undefined;
  /** Called between the two delays, before the batch is carried out. */
  begins(): void;
  /** The batch is answered. */
  ends(): void;
  /** True if the store tidies up with this batch. */
  tidies(): boolean;
  /** Why a transaction fails at its end. */
  fails(): Error | undefined;
}

/** The engine on disk as it is, but for its thread: its store is here, and is killed where it is. */
export class InProcessStore {
  readonly engine: DurableEngine;
  readonly #databases: Database[] = [];
  readonly #options: InProcessOptions;
  readonly #store: Store;
  #isUp = true;
  #isOpen = false;

  constructor(directory: string, options: InProcessOptions) {
    this.#options = options;
    const { clock } = options;
    // The disk is not waited for: what is killed here is processes.
    const settings = { ...defaultDurableOptions, directory, durability: "process" } as const;
    const now = { wall: Math.round(clock.wall()), uptime: Math.round(clock.uptime()) };
    this.#store = new Store((path) => this.#open(path), settings, clock.boot, now);
    this.#isOpen = true;
    const { durability, maxWaitingBytes } = settings;
    const parts = {
      start: () => NEVER,
      durability,
      maxWaitingBytes,
      clock,
      tidyMs: NEVER_MS,
      onNotice: () => undefined,
    };
    const thread = {
      hasEnded: false,
      run: (batch: Batch) => this.#run(batch),
      close: async () => undefined,
    };
    // Nothing else is like a thread.
    this.engine = new DurableEngine(thread as unknown as StoreThread, parts);
  }

  /** Changes the file behind the store's back. */
  change(sql: string, value: string): void {
    this.#databases.at(-1)?.prepare(sql).run(value);
  }

  /** No promise settles any more. What SQLite does at an orderly end it does here: copy the files before. */
  kill(): void {
    this.#isUp = false;
    for (const database of this.#databases.splice(0)) database.close();
  }

  #open(path: string): Database {
    const database = findSqlite()(path);
    this.#databases.push(database);
    if (!path.endsWith(STORE)) return database;
    return new FailingDatabase(database, () => (this.#isOpen ? this.#options.fails() : undefined));
  }

  async #run({ now, requests }: Batch): Promise<Outcome> {
    await this.#options.delay();
    if (!this.#isUp) return NEVER;
    this.#options.begins();
    const more: readonly Request[] = this.#options.tidies() ? [{ kind: "tidy" }] : [];
    const outcome = this.#store.run({ now, requests: [...requests, ...more] });
    await this.#options.delay();
    if (!this.#isUp) return NEVER;
    this.#options.ends();
    return { ...outcome, answers: outcome.answers.slice(0, requests.length) };
  }
}

/** One whose transactions fail at their end, on command. */
class FailingDatabase implements Database {
  readonly #database: Database;
  readonly #fails: () => Error | undefined;

  constructor(database: Database, fails: () => Error | undefined) {
    this.#database = database;
    this.#fails = fails;
  }

  exec(sql: string): unknown {
    const error = sql === "COMMIT" ? this.#fails() : undefined;
    if (error) throw error;
    return this.#database.exec(sql);
  }

  prepare(sql: string): Statement {
    return this.#database.prepare(sql);
  }

  close(): unknown {
    return this.#database.close();
  }
}
