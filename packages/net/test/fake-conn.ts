// What tests of framings share: a stream that the test plays the other side of.
import { setImmediate as turn } from "node:timers/promises";
import { pipeAddr } from "../src/contracts/addr.ts";
import type { Conn, ConnHandler } from "../src/contracts/conn.ts";
import { NetError } from "../src/contracts/error.ts";
import type { FramedOptions } from "../src/framing/framed.ts";
import { lines } from "../src/framing/lines.ts";
import type { CloseInfo, Message, MessageHandler } from "../src/contracts/message-conn.ts";

/** A stream whose other side is the test. Like the real ones, it lends the memory it reads into. */
export class FakeConn implements Conn {
  readonly localAddr = pipeAddr;
  readonly remoteAddr = pipeAddr;
  readonly bytesRead = 0;
  readonly bytesWritten = 0;
  readonly writes: string[] = [];
  readonly calls: string[] = [];
  isStuck = false;
  /** Portions that wait because the handler holds the peer back. */
  readonly incoming: (Uint8Array | null | Error)[] = [];
  #handler: ConnHandler | undefined;
  #isBusy = false;
  #isOver = false;
  #writers: { resolve(): void; reject(error: Error): void }[] = [];

  /** The peer sends text, ends (`null`) or breaks. */
  feed(...portions: (string | Uint8Array | null | Error)[]): void {
    for (const portion of portions) {
      this.incoming.push(typeof portion === "string" ? Buffer.from(portion) : portion);
    }
    void this.#deliver();
  }

  /** The oldest write that is stuck goes through. */
  releaseOne(): void {
    this.#writers.shift()?.resolve();
  }

  /** Writes that were stuck go through. */
  release(): void {
    this.isStuck = false;
    for (const writer of this.#writers.splice(0)) writer.resolve();
  }

  serve(handler: ConnHandler): void {
    this.#handler = handler;
  }

  write(bytes: Uint8Array): Promise<void> {
    this.writes.push(Buffer.from(bytes).toString());
    if (!this.isStuck) return Promise.resolve();
    return new Promise((resolve, reject) => void this.#writers.push({ resolve, reject }));
  }

  close(): Promise<void> {
    this.calls.push("close");
    this.#over();
    return Promise.resolve();
  }

  abort(): void {
    this.calls.push("abort");
    const error = new Error("aborted");
    for (const writer of this.#writers.splice(0)) writer.reject(error);
    this.#over(error);
  }

  unref(): void {}
  ref(): void {}
  setNoDelay(): void {}
  setKeepAlive(): void {}
  setDeadline(): void {}
  setReadDeadline(): void {}
  setWriteDeadline(): void {}
  closeWrite = unused;
  read = unused;
  readFull = unused;
  writev = unused;
  closeRead = unused;
  toWeb = unused;
  [Symbol.asyncDispose] = unused;
  [Symbol.asyncIterator] = unused;

  async #deliver(): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    await turn();
    while (!this.#isOver) {
      const portion = this.incoming.shift();
      if (portion === undefined) break;
      if (portion === null) void this.#handler?.end?.();
      else if (portion instanceof Error) this.#over(portion);
      else {
        const lent = Buffer.from(portion);
        const busy = this.#handler?.data(lent);
        lent.fill(0);
        await busy;
      }
    }
    this.#isBusy = false;
  }

  #over(error?: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    queueMicrotask(() => this.#handler?.close?.(error));
  }
}

function unused(): never {
  throw new Error("not used by a framing");
}

/** `lines` over such a stream. */
export function openLines(options?: FramedOptions) {
  const wire = new FakeConn();
  return { wire, conn: lines(wire, options) };
}

/** A handler that writes down what it is told. */
export function record(
  reply?: (message: Message) => void | Promise<void>,
): MessageHandler & { log: string[] } {
  const log: string[] = [];
  return {
    log,
    message(message) {
      log.push(String(message));
      return reply?.(message);
    },
    drain: () => void log.push("(drain)"),
    close: ({ code, wasClean }: CloseInfo) => void log.push(`(close ${code}${wasClean ? "" : " unclean"})`),
  };
}

export const isCode = (code: string) => (error: unknown) => error instanceof NetError && error.code === code;
