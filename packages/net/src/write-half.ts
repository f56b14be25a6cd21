import type { Deadline, WaitOptions } from "./conn.ts";
import { DeadlineTimer } from "./deadline.ts";
import { NetError } from "./error.ts";
import {
  argumentError,
  canceledError,
  closedError,
  type FailureSite,
  type Sited,
  timeoutError,
} from "./failures.ts";
import { added, EMPTY } from "./small-list.ts";
import type { Transport } from "./transport.ts";

/**
 * How many bytes are handed to the transport before what went before has left, in bytes; a longer write goes in such steps,
 * so that a deadline or signal can cut it short. Large enough that the steps cost nothing beside the copying by the system.
 */
export const STEP_BYTES = 64 * 1024;

/**
 * How many writes of one connection may leave at once before one waits until the event loop had its turn. The system mostly takes a
 * write at once, so that a loop of `await conn.write()` would otherwise stop everything else in the process for as long as the peer
 * keeps up.
 */
export const BURST = 64;

/** What a write returns that has left at once. A handler that passes it on need not be waited for. */
export const DONE = Promise.resolve();

let turn: Promise<void> | undefined;

/** Resolves when the event loop has had its turn. */
export function nextTurn(): Promise<void> {
  turn ??= new Promise((resolve) => {
    setImmediate(() => {
      turn = undefined;
      resolve();
    });
  });
  return turn;
}

/**
 * The writing side of a connection: calls are served in order, and each resolves when all its bytes have left. A connection whose writes
 * all leave at once has none, see `StreamConn.write`.
 */
export class WriteHalf {
  readonly #transport: Transport;
  readonly #conn: Sited;
  /** Not yet handed over in full. */
  #queue: Request[] = EMPTY;
  /** Handed over in full, not yet all gone. */
  #leaving: Request[] = EMPTY;
  #handedOver = 0;
  #written = 0;
  /** Writes that left at once since one waited for the event loop. */
  #burst = 0;
  #isPumping = false;
  /** The connection is closing, which has a time limit of its own. */
  #isClosing = false;
  #deadline: DeadlineTimer | undefined;
  /** Why nothing more can be written. */
  #refused: (() => NetError) | undefined;
  #end: "open" | "wanted" | "sent" | "finished" | "failed" = "open";
  #endWaiters: ((error: NetError | undefined) => void)[] = EMPTY;

  /** @param unreported Writes handed to the transport before, for which `onWritten` is still to come. */
  constructor(transport: Transport, conn: Sited, unreported: number) {
    this.#transport = transport;
    this.#conn = conn;
    this.#handedOver = unreported;
  }

  write(bytes: Uint8Array, options: WaitOptions | undefined): Promise<void> {
    const refusal = this.#refusal(options);
    if (refusal) return Promise.reject(refusal);
    if (!(bytes instanceof Uint8Array)) return Promise.reject(notBytes(bytes));
    const { length } = bytes;
    if (length === 0) return DONE;
    const transport = this.#transport;
    if (length > STEP_BYTES || this.#queue.length > 0 || transport.bufferedBytes >= STEP_BYTES) {
      return this.#enqueue([bytes], length, options);
    }
    this.#handedOver++;
    transport.write(bytes);
    if (transport.bufferedBytes === 0 && this.#refused === undefined) return this.#afterBurst() ?? DONE;
    return this.waitUntilGone(length, options);
  }

  writev(parts: readonly Uint8Array[], options: WaitOptions | undefined): Promise<void> {
    const refusal = this.#refusal(options);
    if (refusal) return Promise.reject(refusal);
    let length = 0;
    const filled: Uint8Array[] = [];
    for (const part of parts) {
      if (!(part instanceof Uint8Array)) return Promise.reject(notBytes(part));
      if (part.length > 0) filled.push(part);
      length += part.length;
    }
    if (length === 0) return DONE;
    return this.#enqueue(filled, length, options);
  }

  /** See `Conn.closeWrite`. */
  closeWrite(options: WaitOptions | undefined): Promise<void> {
    const signal = options?.signal;
    if (signal?.aborted) return Promise.reject(canceledError(this.#writeSite(), signal));
    return new Promise((resolve, reject) => {
      const done = (error: NetError | undefined): void => {
        signal?.removeEventListener("abort", onAbort);
        if (error) reject(error);
        else resolve();
      };
      const onAbort = (): void => {
        this.#endWaiters = this.#endWaiters.filter((other) => other !== done);
        if (signal) reject(canceledError(this.#writeSite(), signal));
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.end(done);
    });
  }

  /** Ends this side after what has been written. `done` is called once, with the error if it does not come to that. */
  end(done: (error: NetError | undefined) => void): void {
    if (this.#end === "finished") return done(undefined);
    if (this.#end === "failed") return done(this.#refused?.());
    if (this.#deadline?.hasPassed) return done(this.#timeout());
    this.#endWaiters = added(this.#endWaiters, done);
    if (this.#end !== "open") return;
    this.#end = "wanted";
    this.#refused ??= () => closedError(this.#writeSite());
    this.#pump();
  }

  setDeadline(at: Deadline): void {
    if (this.#isClosing) return;
    this.#deadline ??= new DeadlineTimer(() => {
      this.#rejectAll((accepted) => this.#timeout(accepted));
      for (const done of this.#endWaiters.splice(0)) done(this.#timeout());
    });
    this.#deadline.set(at);
  }

  /** Nothing more is accepted, and what waits is refused; what was accepted goes on. */
  close(): void {
    this.#isClosing = true;
    this.#refused = () => closedError(this.#writeSite());
    const waiting = this.#queue;
    this.#queue = EMPTY;
    for (const request of waiting) settle(request).reject(closedError(this.#writeSite(request.accepted)));
    this.#deadline?.set(null);
  }

  /** The transport is gone: `failure` makes the error of everything that waits or comes later. */
  fail(failure: (site: FailureSite) => NetError): void {
    this.#refused = () => failure(this.#writeSite());
    this.#deadline?.set(null);
    this.#rejectAll((accepted) => failure(this.#writeSite(accepted)));
    if (this.#end !== "finished") this.#end = "failed";
    for (const done of this.#endWaiters.splice(0)) done(this.#refused());
  }

  /** See `TransportSink.onWritten`. */
  onWritten(): void {
    this.#written++;
    while (this.#leaving[0] !== undefined && this.#leaving[0].lastStep <= this.#written) {
      const request = this.#leaving.shift();
      if (request) settle(request).resolve();
    }
    if (this.#queue.length > 0 || this.#end === "wanted") this.#pump();
  }

  /** See `TransportSink.onFinish`. */
  onFinish(): void {
    this.#end = "finished";
    for (const done of this.#endWaiters.splice(0)) done(undefined);
  }

  #refusal(options: WaitOptions | undefined): NetError | undefined {
    if (this.#refused) return this.#refused();
    if (options?.signal?.aborted) return canceledError(this.#writeSite(0), options.signal);
    if (this.#deadline?.hasPassed) return this.#timeout(0);
    return undefined;
  }

  #enqueue(parts: readonly Uint8Array[], length: number, options: WaitOptions | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const request = new Request(parts, length, resolve, reject);
      this.#watch(request, options);
      this.#queue = added(this.#queue, request);
      this.#pump();
    });
  }

  /** Waits until the write of so many bytes that was handed over last has left. */
  waitUntilGone(length: number, options: WaitOptions | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const request = new Request([], length, resolve, reject);
      request.accepted = length;
      request.lastStep = this.#handedOver;
      if (request.lastStep <= this.#written) return resolve();
      if (this.#end === "failed" && this.#refused) return reject(this.#refused());
      this.#watch(request, options);
      this.#leaving = added(this.#leaving, request);
    });
  }

  #watch(request: Request, options: WaitOptions | undefined): void {
    const signal = options?.signal;
    if (!signal) return;
    const onAbort = (): void => {
      for (const list of [this.#queue, this.#leaving]) {
        const at = list.indexOf(request);
        if (at !== -1) list.splice(at, 1);
      }
      settle(request).reject(canceledError(this.#writeSite(request.accepted), signal));
      this.#pump();
    };
    signal.addEventListener("abort", onAbort, { once: true });
    request.forgetSignal = () => signal.removeEventListener("abort", onAbort);
  }

  /** Hands over step after step, as long as what went before leaves at once. */
  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    const transport = this.#transport;
    for (;;) {
      const request = this.#queue[0];
      if (request === undefined || transport.bufferedBytes >= STEP_BYTES) break;
      const step = request.takeStep(STEP_BYTES);
      const isLast = request.accepted === request.length;
      if (isLast) this.#queue.shift();
      request.lastStep = ++this.#handedOver;
      const [only] = step;
      if (only !== undefined && step.length === 1) transport.write(only);
      else transport.writev(step);
      if (!isLast) continue;
      if (transport.bufferedBytes === 0) settle(request).resolve(this.#afterBurst());
      else if (request.lastStep <= this.#written) settle(request).resolve();
      else this.#leaving = added(this.#leaving, request);
    }
    this.#isPumping = false;
    if (this.#end === "wanted" && this.#queue.length === 0) {
      this.#end = "sent";
      transport.end();
    }
  }

  /** For a write that has left at once: what it has to wait for, if it is time to. */
  #afterBurst(): Promise<void> | undefined {
    this.#burst++;
    if (this.#burst < BURST) return undefined;
    this.#burst = 0;
    return nextTurn();
  }

  #rejectAll(errorFor: (accepted: number) => NetError): void {
    const waiting = [...this.#leaving, ...this.#queue];
    this.#leaving = EMPTY;
    this.#queue = EMPTY;
    for (const request of waiting) settle(request).reject(errorFor(request.accepted));
  }

  #timeout(accepted?: number): NetError {
    return timeoutError(this.#writeSite(accepted));
  }

  #writeSite(bytesWritten = 0): FailureSite {
    return { ...this.#conn.failureSite("write"), bytesWritten };
  }
}

/** One call of `write` or `writev`. */
class Request {
  readonly length: number;
  readonly resolve: (after?: Promise<void>) => void;
  readonly reject: (error: NetError) => void;
  /** Bytes handed over so far. */
  accepted = 0;
  /** The number of its latest step. */
  lastStep = 0;
  forgetSignal: (() => void) | undefined;
  readonly #parts: readonly Uint8Array[];
  #part = 0;
  #offset = 0;

  constructor(
    parts: readonly Uint8Array[],
    length: number,
    resolve: (after?: Promise<void>) => void,
    reject: (error: NetError) => void,
  ) {
    this.#parts = parts;
    this.length = length;
    this.resolve = resolve;
    this.reject = reject;
  }

  /** The next bytes, at most `limit`. */
  takeStep(limit: number): Uint8Array[] {
    if (this.accepted === 0 && this.length <= limit) {
      this.accepted = this.length;
      return this.#parts as Uint8Array[];
    }
    const step: Uint8Array[] = [];
    let room = limit;
    for (;;) {
      const part = this.#parts[this.#part];
      if (part === undefined || room === 0) break;
      const taken = part.subarray(this.#offset, this.#offset + room);
      step.push(taken);
      room -= taken.length;
      this.#offset += taken.length;
      if (this.#offset === part.length) {
        this.#part++;
        this.#offset = 0;
      }
    }
    this.accepted += limit - room;
    return step;
  }
}

function settle(request: Request): Request {
  request.forgetSignal?.();
  return request;
}

function notBytes(value: unknown): NetError {
  return argumentError("write", `${typeof value} is not a Uint8Array`);
}
