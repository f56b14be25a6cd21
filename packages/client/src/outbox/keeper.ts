import { callSafely } from "../primitives/call-safely.ts";
import type { Clock } from "../primitives/clock.ts";
import { toError } from "../primitives/error.ts";
import type { KeepOptions, KeptEntry, NewEntry, OpenOutbox } from "./keep.ts";

/** How long publications wait for a store that does not open, in milliseconds. */
const OPEN_MS = 3_000;

interface Adding {
  readonly entry: NewEntry;
  readonly done: (id: number | undefined) => void;
}

interface Beginning {
  readonly id: number;
  readonly done: (isOurs: boolean | undefined) => void;
}

/** Writes to the store of one session, in batches: what comes while one is written is the next one. */
export class Keeper {
  readonly #options: KeepOptions;
  readonly #clock: Clock;
  readonly #opening: Promise<void>;
  #open: OpenOutbox | undefined;
  /** It is open, or nobody waits for that any longer. */
  #isReady = false;
  #isClosed = false;
  #adding: Adding[] = [];
  #beginning: Beginning[] = [];
  #removing: number[] = [];
  #writing: Promise<void> | undefined;
  #hasTold = false;

  /** @param left is given what earlier sessions left */
  constructor(options: KeepOptions, clock: Clock, left: (entries: readonly KeptEntry[]) => void) {
    this.#options = options;
    this.#clock = clock;
    this.#opening = new Promise((resolve) => {
      const ready = (error?: unknown) => {
        stopTimer();
        this.#ready(error);
        resolve();
      };
      const stopTimer = clock.after(OPEN_MS, () => ready(new Error("the store does not open")));
      const opening = async () => options.store.open(left);
      opening().then(async (open) => {
        // Nothing was written by this session. Whoever opens the store next is told if that was left locked.
        if (this.#isClosed) return open.close().catch(() => {});
        this.#open = open;
        return ready();
      }, ready);
    });
  }

  /** @param done is given its number in the store, or `undefined` where it cannot be kept */
  add(entry: NewEntry, done: (id: number | undefined) => void): void {
    this.#adding.push({ entry, done });
    this.#write();
  }

  /**
   * Writes down that it is sent, which must be known before it is.
   *
   * @param done is given false if it is not this session's any longer, `undefined` if it could not be written
   */
  begin(id: number, done: (isOurs: boolean | undefined) => void): void {
    this.#beginning.push({ id, done });
    this.#write();
  }

  remove(id: number): void {
    if (this.#isClosed) return; // It is told again by the next session.
    this.#removing.push(id);
    this.#write();
  }

  /** Writes what is to be written, and leaves the store to others. */
  async close(): Promise<void> {
    await this.#opening;
    await this.#writing;
    this.#isClosed = true;
    await this.#open?.close();
  }

  #ready(error: unknown): void {
    this.#isReady = true;
    if (error !== undefined) this.#tell(error);
    this.#write();
  }

  #tell(reason: unknown): void {
    if (this.#hasTold) return;
    this.#hasTold = true;
    const error = toError(reason);
    callSafely(() => this.#options.notKept?.(error));
  }

  #write(): void {
    if (!this.#isReady || this.#writing !== undefined) return;
    this.#writing = this.#writeAll();
  }

  async #writeAll(): Promise<void> {
    // What is asked for in one turn is one batch.
    await Promise.resolve();
    while (this.#adding.length + this.#beginning.length + this.#removing.length > 0) {
      const adding = this.#adding.splice(0);
      await this.#settle(adding, () => this.#open?.add(adding.map(({ entry }) => entry)));
      const beginning = this.#beginning.splice(0);
      const ids = beginning.map(({ id }) => id);
      await this.#settle(beginning, () => this.#open?.begin(ids, this.#clock.wall()));
      await this.#remove(this.#removing.splice(0));
    }
    this.#writing = undefined;
  }

  /** @param ask asks the store for all of them, and resolves with what each is given */
  async #settle<Outcome>(
    batch: readonly { readonly done: (outcome: Outcome | undefined) => void }[],
    ask: () => Promise<readonly Outcome[]> | undefined,
  ): Promise<void> {
    if (batch.length === 0) return;
    let outcomes: readonly Outcome[] = [];
    try {
      outcomes = (await ask()) ?? [];
    } catch (error) {
      this.#tell(error);
    }
    for (const [index, { done }] of batch.entries()) done(outcomes[index]);
  }

  async #remove(ids: readonly number[]): Promise<void> {
    if (ids.length === 0) return;
    // What stays is sent again with its key by the next session, or told there.
    await this.#open?.remove(ids).catch((error: unknown) => this.#tell(error));
  }
}
