import { atEndOfTurn, type Flushable, lateAtEndOfTurn } from "../flow/end-of-turn.ts";
import { type Frame, frameBytes, type FrameMemory, isLentFrame, ownFrame } from "./frame.ts";
import { asError } from "../contracts/failures.ts";
import type { SendOutcome } from "../contracts/message-conn.ts";
import { rejection } from "../flow/told.ts";
import { asItIs, Waiter, Waiters } from "../flow/waiters.ts";

/** Parts up to this size are copied together; larger ones are written as they are. */
const MAX_COPIED_BYTES = 16_384;
/**
 * Most bytes in one write: where a stream tells of whole writes only, this is how finely progress is seen.
 */
const MAX_WRITE_BYTES = 262_144;

/** What `send` answers when there is room at once. */
const ROOM = Promise.resolve();

/** What a `SendBuffer` writes to and reports to. */
export interface SendBufferSink {
  /** Resolves when the bytes were taken. */
  write(bytes: Uint8Array): Promise<void>;
  /** There is room again after a message was buffered or refused, or there never will be. */
  drained(): void;
  /** A write failed; the buffer is empty and refuses everything from now on. */
  failed(error: Error): void;
}

/** When a `SendBuffer` is full. */
export interface SendLimits {
  readonly sendHighWaterBytes: number;
  readonly sendLimitBytes: number;
}

/** A call of `send` or `untilFlushed`. */
class SendWaiter extends Waiter {
  /** Undefined once the frame is in the buffer. */
  frame: Frame | undefined;
  /**
   * Where the frame ends, in bytes of all that was ever sent. Of a flush: where what was sent before it ends.
   */
  end: number;
  /** The frame stands in its sender's memory: the call is not over before it has left. */
  readonly isBorrowed: boolean;

  constructor(end: number, frame?: Frame, isBorrowed = false) {
    super(asItIs);
    this.end = end;
    this.frame = frame;
    this.isBorrowed = isBorrowed;
  }
}

/** Frames that wait to be written: bounded in bytes, written once for each turn of the event loop. */
export class SendBuffer implements Flushable {
  readonly #sink: SendBufferSink;
  readonly #limits: SendLimits;
  /** Memory that nobody writes to until it has left. */
  #parts: Uint8Array[] = [];
  #bytes = 0;
  /** Bytes the sink has taken so far. */
  #taken = 0;
  /** Bytes given to `send` and `offer` so far, including frames that do not fit yet. */
  #sent = 0;
  isLate = false;
  #isDue = false;
  #isFlushing = false;
  #owesDrain = false;
  /** Senders in call order: first those whose frame is in, then those whose is not. */
  readonly #senders = new Waiters<SendWaiter>();
  readonly #flushers = new Waiters<SendWaiter>();
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

  /** True while the sink has not taken all that it was given. */
  get isCongested(): boolean {
    return this.#isFlushing;
  }

  /** Bytes ever taken by the sink. */
  get taken(): number {
    return this.#taken;
  }

  /** Why bytes were dropped that had been accepted; `undefined` if none were. */
  get loss(): Error | undefined {
    return this.#sent > this.#taken ? this.#failure : undefined;
  }

  /** Takes a frame if there is room. What was borrowed is copied. */
  offer(frame: Frame, memory: FrameMemory): SendOutcome {
    if (this.#failure !== undefined || this.#isEnding) return "refused";
    if (!this.#mayEnter(frame)) {
      this.#owesDrain = true;
      return "refused";
    }
    this.#sent += frameBytes(frame);
    this.#add(memory === "borrowed" ? ownFrame(frame) : frame, memory === "shared");
    if (this.#bytes <= this.#limits.sendHighWaterBytes) return "sent";
    this.#owesDrain = true;
    return "buffered";
  }

  /**
   * Takes a frame as soon as there is room for it, and resolves when there is room for more. The caller has
   * seen to it that the frame fits into an empty buffer.
   *
   * What was borrowed is copied if the call would be over before the bytes are: at once below the high-water
   * mark, with a signal, which may end the call any time, and if it is lent. Else the call stays pending
   * until they were taken.
   *
   * @param canceled makes the error for an aborted signal, from whether the frame had been taken.
   */
  send(
    given: Frame,
    memory: FrameMemory,
    signal: AbortSignal | undefined,
    canceled: (signal: AbortSignal, wasTaken: boolean) => Error,
    closed: () => Error,
  ): Promise<void> {
    if (signal?.aborted) return rejection(canceled(signal, false));
    if (this.#failure !== undefined || this.#isEnding) return rejection(closed());
    const isTaken = this.#mayEnter(given);
    const length = frameBytes(given);
    const isOver = isTaken && this.#bytes + length <= this.#limits.sendHighWaterBytes;
    const mustCopy = memory === "borrowed" && (isOver || signal !== undefined || isLentFrame(given));
    const frame = mustCopy ? ownFrame(given) : given;
    this.#sent += length;
    if (isTaken) this.#add(frame, memory === "shared");
    if (isOver) return ROOM;
    const isBorrowed = memory === "borrowed" && !mustCopy;
    const waiter = new SendWaiter(this.#sent, isTaken ? undefined : frame, isBorrowed);
    return this.#senders.add(waiter, signal, (by) => {
      if (waiter.frame !== undefined) this.#withdraw(waiter.frame, waiter.end);
      return canceled(by, waiter.frame === undefined);
    }).promise;
  }

  /** Resolves when the sink has taken all that was sent so far; at once if it has. Rejects if it will not. */
  untilFlushed(signal: AbortSignal | undefined, canceled: (signal: AbortSignal) => Error): Promise<void> {
    if (signal?.aborted) return rejection(canceled(signal));
    if (this.#taken >= this.#sent) return Promise.resolve();
    if (this.#failure !== undefined) return rejection(this.#failure);
    return this.#flushers.add(new SendWaiter(this.#sent), signal, canceled).promise;
  }

  /** A frame that waited outside will not come: what was to follow it comes earlier. */
  #withdraw(frame: Frame, end: number): void {
    const length = frameBytes(frame);
    this.#sent -= length;
    for (const { last } of [this.#senders, this.#flushers]) {
      for (let each = last; each !== undefined && each.end >= end; each = each.previous) each.end -= length;
    }
    // It may have been all that was waited for, and frames behind it may fit.
    this.#letIn();
    this.#tellIfEmpty();
  }

  /** Takes nothing more; resolves when all is written, and also when writing failed. */
  end(): Promise<void> {
    this.#isEnding = true;
    if (this.#bytes === 0 && this.#senders.first === undefined) return Promise.resolve();
    return new Promise((resolve) => void this.#onEmpty.push(resolve));
  }

  /** Drops everything; waiting senders reject with `error`. */
  fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#parts = [];
    this.#bytes = 0;
    for (const waiter of this.#senders.takeAll()) waiter.reject(error);
    for (const waiter of this.#flushers.takeAll()) waiter.reject(error);
    this.#tellIfEmpty();
  }

  /**
   * True if there is room, and no frame waits outside. Those whose frame is in stand before those whose is
   * not.
   */
  #mayEnter(frame: Frame): boolean {
    return this.#senders.last?.frame === undefined && this.#fits(frame);
  }

  #fits(frame: Frame): boolean {
    return this.#bytes + frameBytes(frame) <= this.#limits.sendLimitBytes;
  }

  #add(frame: Frame, isShared: boolean): void {
    if (frame instanceof Uint8Array) this.#parts.push(frame);
    else this.#parts.push(...frame);
    this.#bytes += frameBytes(frame);
    if (this.#isFlushing || this.#isDue) return;
    if (isShared) lateAtEndOfTurn(this);
    else {
      this.#isDue = true;
      atEndOfTurn(this);
    }
  }

  /** `atEndOfTurn` */
  flush(): void {
    this.#isDue = false;
    if (!this.#isFlushing) void this.#flush();
  }

  /** Never rejects. */
  async #flush(): Promise<void> {
    this.#isFlushing = true;
    while (this.#parts.length > 0) {
      const batch = this.#takeBatch();
      try {
        await this.#sink.write(batch);
      } catch (error) {
        if (this.#failure === undefined) {
          const failure = asError(error);
          this.fail(failure);
          this.#sink.failed(failure);
          // A handler that waits for room must wake up and find out; it may be what holds reading back.
          if (this.#owesDrain) this.#sink.drained();
          this.#owesDrain = false;
        }
      }
      if (this.#failure !== undefined) break;
      this.#bytes -= batch.length;
      this.#taken += batch.length;
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
    for (let waiter = this.#senders.first; waiter !== undefined; waiter = waiter.next) {
      if (waiter.frame === undefined) continue;
      if (!this.#fits(waiter.frame)) break;
      this.#add(waiter.frame, false);
      waiter.frame = undefined;
    }
    while ((this.#flushers.first?.end ?? Number.POSITIVE_INFINITY) <= this.#taken)
      this.#flushers.shift()?.resolve();
    if (this.#bytes > this.#limits.sendHighWaterBytes) return;
    while (this.#isDone(this.#senders.first)) this.#senders.shift()?.resolve();
    if (this.#owesDrain && this.#senders.first === undefined) {
      this.#owesDrain = false;
      this.#sink.drained();
    }
  }

  #isDone(waiter: SendWaiter | undefined): boolean {
    if (waiter === undefined || waiter.frame !== undefined) return false;
    return !waiter.isBorrowed || waiter.end <= this.#taken;
  }

  #tellIfEmpty(): void {
    if (this.#bytes > 0 || this.#senders.first !== undefined) return;
    for (const tell of this.#onEmpty.splice(0)) tell();
  }
}
