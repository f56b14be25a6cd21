import { MemoryEngine } from "../src/index.ts";

/** A memory engine whose calls reject with what `next` gives, or with "failed" when it gives nothing. */
export class FailingEngine extends MemoryEngine {
  readonly #next: () => unknown;

  constructor(next: () => unknown = () => undefined) {
    super();
    this.#next = next;
  }

  override async publish(): Promise<never> {
    throw this.#next() ?? new Error("failed");
  }

  override async open(): Promise<never> {
    throw this.#next() ?? new Error("failed");
  }
}
