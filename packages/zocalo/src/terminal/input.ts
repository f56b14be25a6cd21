import type { Readable } from "node:stream";
import type { Message } from "@zocalo/net";
import { EXIT, UserError } from "../exit-code.ts";
import { sentence } from "./exit.ts";
import { LineSplitter } from "./line-splitter.ts";
import { portions, type Shape, toMessage } from "./shape.ts";

/**
 * Standard input as messages to send. It is read only while somebody waits for the next one, which holds the
 * program that writes it back, and it outlives connections: what one has not taken, the next one gets.
 */
export class Input {
  readonly #stream: Readable;
  readonly #shape: Shape;
  readonly #lines: LineSplitter;
  #chunks: AsyncIterator<Buffer> | undefined;
  /** A read that was begun; a canceled wait leaves it to the next. */
  #pending: Promise<IteratorResult<Buffer, undefined>> | undefined;
  #ready: Buffer[] = [];
  #next = 0;
  #number = 0;
  #hasEnded = false;
  /** A line is, which is told once those before it are taken. */
  #isTooLong = false;

  constructor(stream: Readable, shape: Shape) {
    this.#stream = stream;
    this.#shape = shape;
    this.#lines = new LineSplitter(shape.maxLineBytes, () => this.#tooLong());
  }

  /** True if it ended without a single byte, as `/dev/null` does. */
  get wasEmpty(): boolean {
    return this.#hasEnded && this.#number === 0;
  }

  /** True once it has ended, and all of it was taken; an empty one has never said anything. */
  get hasSaidAll(): boolean {
    return this.#hasEnded && this.#number > 0 && this.#next >= this.#ready.length;
  }

  /** True for a terminal: there is a person. */
  get isTerminal(): boolean {
    return "isTTY" in this.#stream && this.#stream.isTTY === true;
  }

  /**
   * The next message; `null` at the end, or when `signal` is aborted, and then nothing is lost.
   *
   * @throws UserError for a line that is not what it should be, or an input that cannot be read.
   */
  async next(signal: AbortSignal): Promise<Message | null> {
    for (;;) {
      if (signal.aborted) return null;
      const unit = this.#ready[this.#next];
      if (unit !== undefined) {
        this.#next += 1;
        this.#number += 1;
        return toMessage(unit, this.#shape, this.#number);
      }
      if (this.#isTooLong) throw this.#tooLong();
      if (this.#hasEnded) return null;
      this.#pending ??= this.#read();
      const result = await unlessAborted(this.#pending, signal);
      if (result === undefined) return null;
      this.#pending = undefined;
      this.#take(result);
    }
  }

  /**
   * The last message was not taken: the next one is what stood for it on the input, without its first `taken`
   * bytes.
   */
  giveBack(taken: number): void {
    const unit = this.#ready[this.#next - 1];
    if (unit === undefined) return;
    this.#next -= 1;
    this.#number -= 1;
    this.#ready[this.#next] = unit.subarray(taken);
  }

  /** Reads no more; the process may end. */
  close(): void {
    this.#hasEnded = true;
    if (this.#chunks !== undefined) this.#stream.destroy();
  }

  async #read(): Promise<IteratorResult<Buffer, undefined>> {
    this.#chunks ??= this.#stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    try {
      const { done, value } = await this.#chunks.next();
      return done ? { done: true, value: undefined } : { done: false, value };
    } catch (error) {
      if (this.#hasEnded) return { done: true, value: undefined }; // closed by this side
      throw new UserError(`cannot read standard input: ${sentence(error)}`);
    }
  }

  #linesOf(chunk: Buffer): Buffer[] {
    const lines: Buffer[] = [];
    try {
      for (const line of this.#lines.write(chunk)) lines.push(line);
    } catch {
      this.#isTooLong = true;
    }
    return lines;
  }

  #tooLong(): UserError {
    const { maxLineBytes } = this.#shape;
    const number = this.#number + 1;
    return new UserError(
      `Line ${number} of the input is longer than ${maxLineBytes} bytes (--max-message).`,
      EXIT.usage,
    );
  }

  #take(result: IteratorResult<Buffer, undefined>): void {
    this.#next = 0;
    if (result.done) {
      this.#hasEnded = true;
      const last = this.#lines.end();
      this.#ready = last === undefined ? [] : [last];
    } else if (this.#shape.unit === "line") {
      this.#ready = this.#linesOf(result.value);
    } else {
      this.#ready = portions(result.value, this.#shape.maxPortionBytes);
    }
  }
}

/** `undefined` if the signal comes first. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => resolve(undefined);
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
