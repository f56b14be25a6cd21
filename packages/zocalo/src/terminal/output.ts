import type { Writable } from "node:stream";
import { UserError } from "../exit-code.ts";
import { sentence } from "./exit.ts";

/**
 * Standard output. A reader that is behind makes `write` wait; one that has gone (`| head`) is no failure,
 * but the end.
 */
export class Output {
  readonly #stream: Writable;
  readonly #onGone: (failure: UserError | undefined) => void;
  #isGone = false;
  #waiting: (() => void) | undefined;

  /**
   * @param onGone called once when nothing more can be written; with a failure unless the reader has just
   *   left.
   */
  constructor(stream: Writable, onGone: (failure: UserError | undefined) => void) {
    this.#stream = stream;
    this.#onGone = onGone;
    stream.on("error", (error: NodeJS.ErrnoException) => this.#failed(error));
    stream.on("drain", () => this.#goOn());
  }

  /** A promise only if the reader is behind. */
  write(bytes: Buffer): void | Promise<void> {
    if (this.#isGone || bytes.length === 0 || this.#stream.write(bytes) || this.#isGone) return undefined;
    return new Promise((resolve) => {
      const before = this.#waiting;
      this.#waiting = () => (before?.(), resolve());
    });
  }

  /** Resolves when all has left, or can no longer. */
  flushed(): Promise<void> {
    if (this.#isGone) return Promise.resolve();
    return new Promise((resolve) => void this.#stream.write("", () => resolve()));
  }

  #failed(error: NodeJS.ErrnoException): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#goOn();
    this.#onGone(
      error.code === "EPIPE"
        ? undefined
        : new UserError(`Cannot write to standard output: ${sentence(error)}.`),
    );
  }

  #goOn(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.();
  }
}
