import { Worker } from "node:worker_threads";
import type { Batch, FromWorker, Outcome, ToWorker, WorkerData } from "./messages.ts";
import type { Moment } from "./moment.ts";
import { packBatch, unpackOutcome } from "./packing.ts";
import { StoreError } from "./store-error.ts";

/** The thread that has the store, seen from the loop. It keeps the process alive only while it works. */
export class StoreThread {
  readonly #worker: Worker;
  #settle: ((message: FromWorker) => void) | undefined;
  #fail: ((error: Error) => void) | undefined;
  #failure: Error | undefined;

  private constructor(data: WorkerData) {
    // By the package's own name: it is found from source and from a bundle as well.
    const worker = new Worker(new URL(import.meta.resolve("@zocalo/hub/store-thread")), { workerData: data });
    worker.on("message", (message: FromWorker) => this.#settle?.(message));
    worker.on("error", (error) => this.#ended(error));
    worker.on("exit", () => this.#ended(new Error("the thread that has the store has ended")));
    this.#worker = worker;
  }

  /**
   * @param notice told in sentences how the store was found
   * @throws StoreError
   */
  static async open(data: WorkerData, notice: (sentence: string) => void): Promise<StoreThread> {
    const thread = new StoreThread(data);
    const answer = await thread.#answer();
    if ("refused" in answer) {
      for (const sentence of answer.notices) notice(sentence);
      const { code, message, cause } = answer.refused;
      throw new StoreError(code, message, { cause });
    }
    if ("opened" in answer) for (const sentence of answer.opened) notice(sentence);
    return thread;
  }

  /** Carries out a batch; one at a time. Rejects if the thread has ended. */
  async run(batch: Batch): Promise<Outcome> {
    const answer = await this.#ask(packBatch(batch));
    if ("outcome" in answer) return unpackOutcome(answer.outcome);
    throw new Error("the thread that has the store answered something else");
  }

  /** True once it has ended, by itself or by `close`: what is asked of it rejects. */
  get hasEnded(): boolean {
    return this.#failure !== undefined;
  }

  /**
   * Ends it, when the batch that is under way is done.
   *
   * @returns what whoever runs the server is to know
   */
  async close(now: Moment): Promise<readonly string[]> {
    try {
      const answer = await this.#ask({ close: now });
      return "closed" in answer ? answer.closed : [];
    } finally {
      await this.#worker.terminate();
    }
  }

  #ask(message: ToWorker): Promise<FromWorker> {
    // First: what cannot be sent is not waited for.
    if (!this.#failure) this.#worker.postMessage(message, []);
    return this.#answer();
  }

  /** The next message. Until it comes the thread keeps the process alive. */
  async #answer(): Promise<FromWorker> {
    if (this.#failure) throw this.#failure;
    this.#worker.ref();
    try {
      return await new Promise((resolve, reject) => {
        this.#settle = resolve;
        this.#fail = reject;
      });
    } finally {
      this.#worker.unref();
    }
  }

  #ended(error: Error): void {
    this.#failure ??= error;
    this.#fail?.(this.#failure);
  }
}
