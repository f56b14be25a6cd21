import { atEndOfTurn } from "./end-of-turn.ts";
import type { SendOutcome } from "./message-conn.ts";

/** Parts up to this size are copied together; larger ones are written as they are. */
const MAX_COPIED_BYTES = 16_384;
/** Most bytes in one write, so that a write timeout measures progress and not the size of the backlog. */
const MAX_WRITE_BYTES = 262_144;

/** One message as it leaves: in one piece, or in parts to save copying. */
export type Frame = Uint8Array | readonly Uint8Array[];

/** What a `SendBuffer` writes to and reports to. */
export interface SendBufferSink {
  /** Resolves when there is room for more. */
  write(bytes: Uint8Array): Promise<void>;
  /** There is room again after a message was buffered or refused. */
  drained(): void;
  /** A write failed; the buffer is empty and refuses everything from now on. */
  failed(error: Error): void;
}

/** When a `SendBuffer` is full. */
export interface SendLimits {
  readonly highWaterBytes: number;
  readonly limitBytes: number;
}

interface Waiter {
  /** Undefined once the frame is in the buffer and only room is waited for. */
  frame: Frame | undefined;
  resolve(): void;
  reject(error: Error): void;
}

/** Frames that wait to be written: bounded in bytes, written once for each turn of the event loop. */
export class SendBuffer {
  readonly #sink: SendBufferSink;
  readonly #limits: SendLimits;
  #parts: Uint8Array[] = [];
  #bytes = 0;
  #isFlushing = false;
  #owesDrain = false;
  /** Senders in call order: first those whose frame is in, then those whose is not. */
  #waiters: Waiter[] = [];
  #onEmpty: (() => void)[] = [];
  #isEnding = false;
  #failure: Error | undefined;

  constructor(sink: SendBufferSink, limits: SendLimits) {
    this.#sink = sink;
    this.#limits = limits;
  }

  /** Bytes accepted and not yet taken by the sink. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes a frame if there is room. */
  offer(frame: Frame): SendOutcome {
    if (this.#failure !== undefined || this.#isEnding) return "refused";
    if (this.#waiters.some((waiter) => waiter.frame !== undefined) || !this.#fits(frame)) {
      this.#owesDrain = true;
      return "refused";
    }
    this.#add(frame);
    if (this.#bytes < this.#limits.highWaterBytes) return "sent";
    this.#owesDrain = true;
    return "buffered";
  }

  /**
   * Takes a frame as soon as there is room for it, and resolves when there is room for more. The caller has seen to
   * it that the frame fits into an empty buffer.
   *
   * @param canceled makes the error for an aborted signal, from whether the frame had been taken.
   */
  send(
    frame: Frame,
    signal: AbortSignal | undefined,
    canceled: (signal: AbortSignal, wasTaken: boolean) => Error,
    closed: () => Error,
  ): Promise<void> {
    if (signal?.aborted) return Promise.reject(canceled(signal, false));
    if (this.#failure !== undefined || this.#isEnding) return Promise.reject(closed());
    const isTaken = this.#waiters.every((waiter) => waiter.frame === undefined) && this.#fits(frame);
    if (isTaken) this.#add(frame);
    if (isTaken && this.#bytes < this.#limits.highWaterBytes) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        if (signal !== undefined) reject(canceled(signal, waiter.frame === undefined));
      };
      const waiter: Waiter = {
        frame: isTaken ? undefined : frame,
        resolve() {
          signal?.removeEventListener("abort", onAbort);
          resolve();
        },
        reject(error) {
          signal?.removeEventListener("abort", onAbort);
          reject(error);
        },
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiters.push(waiter);
    });
  }

  /** Takes nothing more; resolves when all is written, and also when writing failed. */
  end(): Promise<void> {
    this.#isEnding = true;
    if (this.#bytes === 0 && this.#waiters.length === 0) return Promise.resolve();
    return new Promise((resolve) => void this.#onEmpty.push(resolve));
  }

  /** Drops everything; waiting senders reject with `error`. */
  fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#parts = [];
    this.#bytes = 0;
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
    this.#tellIfEmpty();
  }

  #fits(frame: Frame): boolean {
    return this.#bytes + frameBytes(frame) <= this.#limits.limitBytes;
  }

  #add(frame: Frame): void {
    if (frame instanceof Uint8Array) this.#parts.push(frame);
    else this.#parts.push(...frame);
    this.#bytes += frameBytes(frame);
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    atEndOfTurn(() => void this.#flush());
  }

  /** Never rejects. */
  async #flush(): Promise<void> {
    while (this.#parts.length > 0) {
      const batch = this.#takeBatch();
      try {
        await this.#sink.write(batch);
      } catch (error) {
        if (this.#failure === undefined) {
          const failure = error instanceof Error ? error : new Error(String(error));
          this.fail(failure);
          this.#sink.failed(failure);
        }
      }
      if (this.#failure !== undefined) break;
      this.#bytes -= batch.length;
      this.#letIn();
    }
    this.#isFlushing = false;
    this.#tellIfEmpty();
  }

  /** The next bytes to write: small parts joined, a large one as it is, or a piece of it. */
  #takeBatch(): Uint8Array {
    const parts = this.#parts;
    const first = parts[0] ?? new Uint8Array(0);
    if (parts.length === 1 && first.length <= MAX_WRITE_BYTES) {
      this.#parts = [];
      return first;
    }
    if (first.length > MAX_COPIED_BYTES) {
      if (first.length <= MAX_WRITE_BYTES) {
        parts.shift();
        return first;
      }
      parts[0] = first.subarray(MAX_WRITE_BYTES);
      return first.subarray(0, MAX_WRITE_BYTES);
    }
    let count = 0;
    let bytes = 0;
    for (const part of parts) {
      if (part.length > MAX_COPIED_BYTES || bytes + part.length > MAX_WRITE_BYTES) break;
      count += 1;
      bytes += part.length;
    }
    return Buffer.concat(parts.splice(0, count), bytes);
  }

  /** After bytes have left: lets waiting frames in, and wakes whom there is room for. */
  #letIn(): void {
    for (const waiter of this.#waiters) {
      if (waiter.frame === undefined) continue;
      if (!this.#fits(waiter.frame)) break;
      this.#add(waiter.frame);
      waiter.frame = undefined;
    }
    if (this.#bytes >= this.#limits.highWaterBytes) return;
    while (this.#waiters.length > 0 && this.#waiters[0]?.frame === undefined)
      this.#waiters.shift()?.resolve();
    if (this.#owesDrain && this.#waiters.length === 0) {
      this.#owesDrain = false;
      this.#sink.drained();
    }
  }

  #tellIfEmpty(): void {
    if (this.#bytes > 0 || this.#waiters.length > 0) return;
    for (const tell of this.#onEmpty.splice(0)) tell();
  }
}

/** All bytes of a frame. */
export function frameBytes(frame: Frame): number {
  if (frame instanceof Uint8Array) return frame.length;
  let bytes = 0;
  for (const part of frame) bytes += part.length;
  return bytes;
}
