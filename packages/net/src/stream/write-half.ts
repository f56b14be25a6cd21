import type { Deadline, WaitOptions } from "../contracts/conn.ts";
import { DeadlineTimer } from "../flow/deadline.ts";
import { NetError } from "../contracts/error.ts";
import {
  argumentError,
  canceledError,
  closedError,
  type FailureSite,
  type Sited,
  timeoutError,
} from "../contracts/failures.ts";
import { rejection } from "../flow/told.ts";
import { asItIs, Waiter, Waiters } from "../flow/waiters.ts";
import type { Transport } from "../contracts/transport.ts";
import { WriteRequest } from "./requests.ts";

/**
 * Most bytes handed to the transport at once. Longer writes go in such steps, so that a deadline or signal
 * can stop between two. Large enough that the steps cost nothing beside the system's copying.
 */
export const STEP_BYTES = 64 * 1024;

/**
 * How many writes of one connection may leave at once before one waits until the event loop had its turn. The
 * system mostly takes a write at once, so that a loop of `await conn.write()` would otherwise stop everything
 * else in the process for as long as the peer keeps up.
 */
export const BURST = 64;

/** What `write` returns when everything was taken at once. A handler that returns it is not waited for. */
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
 * The empty list of everybody: most connections never need one of their own. Only ever read, shifted and
 * spliced, which leave it empty: `added` puts nothing into it.
 */
const EMPTY: never[] = [];

/**
 * The list with `item` at its end; it is the same list unless that was empty. `push` on an empty array would
 * make room for seventeen, and mostly there is one.
 */
function added<T>(list: T[], item: T): T[] {
  if (list.length === 0) return [item];
  list.push(item);
  return list;
}

/**
 * From so many parts on, a step is joined into one piece: that costs less than to tell the system of each.
 */
const JOIN_FROM_PARTS = 8;

/**
 * The writing side of a connection: calls are served in order, and each resolves when all its bytes have been
 * taken. The bytes of calls that wait leave together, in steps. A connection whose writes are all taken at
 * once has none, see `StreamConn.write`.
 */
export class WriteHalf {
  readonly #transport: Transport;
  readonly #conn: Sited;
  /** Not yet handed over in full. */
  readonly #queue = new Waiters<WriteRequest>();
  /** Those with bytes in the step under way. */
  #leaving: WriteRequest[] = EMPTY;
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
  /** It failed before all that was handed in had been taken. */
  hasLost = false;

  constructor(transport: Transport, conn: Sited) {
    this.#transport = transport;
    this.#conn = conn;
  }

  /** Writes wait to be handed over: for the one under way, or for the event loop. */
  get isWaiting(): boolean {
    return this.#queue.first !== undefined;
  }

  /** What stands in the way of handing the connection over, in words. */
  get busyWith(): string | undefined {
    const isBusy = this.isWaiting || this.#isPumping || this.#transport.bufferedBytes > 0;
    return isBusy ? "something is still being written" : undefined;
  }

  /** This side has ended, or is about to. */
  get hasEnded(): boolean {
    return this.#end !== "open";
  }

  write(bytes: Uint8Array, options: WaitOptions | undefined): Promise<void> {
    const refusal = this.#refusal(options);
    if (refusal) return rejection(refusal);
    if (!(bytes instanceof Uint8Array)) return rejection(notBytes(bytes));
    const { length } = bytes;
    if (length === 0) return DONE;
    const transport = this.#transport;
    if (length > STEP_BYTES || this.isWaiting || transport.bufferedBytes > 0) {
      return this.#enqueue([bytes], length, options);
    }
    transport.write(bytes);
    if (transport.bufferedBytes === 0 && this.#refused === undefined) return this.#afterBurst() ?? DONE;
    return this.waitUntilTaken(length, options);
  }

  writev(parts: readonly Uint8Array[], options: WaitOptions | undefined): Promise<void> {
    const refusal = this.#refusal(options);
    if (refusal) return rejection(refusal);
    let length = 0;
    const filled: Uint8Array[] = [];
    for (const part of parts) {
      if (!(part instanceof Uint8Array)) return rejection(notBytes(part));
      if (part.length > 0) filled.push(part);
      length += part.length;
    }
    if (length === 0) return DONE;
    return this.#enqueue(filled, length, options);
  }

  /** See `Conn.closeWrite`. */
  closeWrite(options: WaitOptions | undefined): Promise<void> {
    const signal = options?.signal;
    if (signal?.aborted) return rejection(canceledError(this.#writeSite(), signal));
    const waiter = new Waiter(asItIs<void>);
    const done = (error: NetError | undefined): void => {
      if (error) waiter.reject(error);
      else waiter.resolve();
    };
    if (signal) {
      waiter.endWith(signal, (by) => {
        this.#endWaiters = this.#endWaiters.filter((other) => other !== done);
        this.#holdProcess();
        return canceledError(this.#writeSite(), by);
      });
    }
    this.end(done);
    return waiter.promise;
  }

  /**
   * Ends this side after what has been written. `done` is called once, with the error if it does not come to
   * that.
   */
  end(done: (error: NetError | undefined) => void): void {
    if (this.#end === "finished") return done(undefined);
    if (this.#end === "failed") return done(this.#refused?.());
    if (this.#deadline?.hasPassed) return done(this.#timeout());
    this.#endWaiters = added(this.#endWaiters, done);
    this.#holdProcess();
    if (this.#end !== "open") return;
    this.#end = "wanted";
    this.#refused ??= () => closedError(this.#writeSite());
    this.#pump();
  }

  setDeadline(at: Deadline): void {
    if (this.#isClosing) return;
    this.#deadline ??= new DeadlineTimer(() => {
      this.#cutAll(({ accepted }) => this.#timeout(accepted));
      for (const done of this.#endWaiters.splice(0)) done(this.#timeout());
      this.#holdProcess();
    });
    this.#deadline.set(at);
    this.#holdProcess();
  }

  /** Nothing more is accepted. What waits goes on up to one step in all, and is refused beyond that. */
  close(): void {
    this.#isClosing = true;
    this.#refused = () => closedError(this.#writeSite());
    this.#deadline?.set(null);
    let room = Math.max(0, STEP_BYTES - this.#transport.bufferedBytes);
    for (const request of this.#queue.takeAll()) {
      room -= request.keepUpTo(room);
      if (request.accepted < request.length) this.#queue.add(request);
      else this.#settleIfTaken(request); // Or once the step under way is.
    }
  }

  /** Nothing more can be written: `failure` makes the error of everything that waits or comes later. */
  fail(failure: (site: FailureSite) => NetError): void {
    if (this.#end === "failed") return;
    this.#refused = () => failure(this.#writeSite());
    this.#deadline?.set(null);
    const isUntaken = this.#leaving.length > 0 || this.isWaiting || this.#transport.bufferedBytes > 0;
    // An end that was not taken may be a file that was not saved.
    this.hasLost ||= isUntaken || this.#end === "sent";
    let known = this.#transport.takenBytes;
    for (const request of this.#leaving) {
      const more = Math.min(known, request.accepted - request.taken);
      request.taken += more;
      known -= more;
    }
    this.#cutAll(({ taken }) => failure(this.#writeSite(taken)));
    if (this.#end !== "finished") this.#end = "failed";
    for (const done of this.#endWaiters.splice(0)) done(this.#refused());
  }

  /** See `TransportSink.onWritten`. */
  onWritten(): void {
    const leaving = this.#leaving;
    if (leaving.length > 0) {
      this.#leaving = EMPTY;
      for (const request of leaving) {
        request.taken = request.accepted;
        this.#settleIfTaken(request);
      }
    }
    if (this.isWaiting || this.#end === "wanted") this.#pump();
    this.#holdProcess();
  }

  #settleIfTaken(request: WriteRequest): void {
    const { taken, length, isCut } = request;
    if (taken < length) return;
    if (isCut) request.reject(closedError(this.#writeSite(taken)));
    else request.resolve();
  }

  /** See `TransportSink.onFinish`. */
  onFinish(): void {
    this.#end = "finished";
    for (const done of this.#endWaiters.splice(0)) done(undefined);
    this.#holdProcess();
  }

  /** Waits until the write of so many bytes that the transport was given last has been taken. */
  waitUntilTaken(length: number, options: WaitOptions | undefined): Promise<void> {
    if (this.#transport.bufferedBytes === 0 && this.#end !== "failed") return DONE;
    const request = this.#request([], length, options);
    request.accepted = length;
    if (this.#end === "failed" && this.#refused) request.reject(this.#refused());
    else this.#leaving = added(this.#leaving, request);
    this.#holdProcess();
    return request.promise;
  }

  #refusal(options: WaitOptions | undefined): NetError | undefined {
    if (this.#refused) return this.#refused();
    if (options?.signal?.aborted) return canceledError(this.#writeSite(0), options.signal);
    if (this.#deadline?.hasPassed) return this.#timeout(0);
    return undefined;
  }

  #enqueue(parts: Uint8Array[], length: number, options: WaitOptions | undefined): Promise<void> {
    const request = this.#request(parts, length, options);
    this.#queue.add(request);
    this.#pump();
    // Here lent bytes would begin to wait.
    if (request.accepted < length) request.ownRest();
    this.#holdProcess();
    return request.promise;
  }

  #request(parts: Uint8Array[], length: number, options: WaitOptions | undefined): WriteRequest {
    const request = new WriteRequest(parts, length);
    const signal = options?.signal;
    if (!signal) return request;
    request.endWith(signal, (by) => {
      this.#queue.delete(request);
      // Keep it in `#leaving` if part of it is in the step under way: `fail` credits the bytes taken from the
      // step's start, and would give its share to the writes behind it.
      const error = canceledError(this.#writeSite(request.accepted), by);
      this.#pump();
      this.#holdProcess();
      return error;
    });
    return request;
  }

  /** The write deadline keeps the process alive as long as somebody waits. */
  #holdProcess(): void {
    this.#deadline?.holdProcess(
      this.isWaiting || this.#leaving.some(isPending) || this.#endWaiters.length > 0,
    );
  }

  /**
   * Hands over step after step, as long as what went before is taken at once; after a burst of them the event
   * loop has its turn.
   */
  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    const transport = this.#transport;
    while (this.isWaiting && transport.bufferedBytes === 0) {
      if (++this.#burst >= BURST) {
        this.#burst = 0;
        void this.#pumpAfter(nextTurn());
        return;
      }
      const step = this.#nextStep();
      const [only] = step;
      if (only !== undefined && step.length === 1) transport.write(only);
      else if (step.length < JOIN_FROM_PARTS) transport.writev(step);
      else transport.write(Buffer.concat(step));
    }
    this.#isPumping = false;
    if (this.#end === "wanted" && !this.isWaiting) {
      this.#end = "sent";
      transport.end();
    }
  }

  async #pumpAfter(turn: Promise<void>): Promise<void> {
    await turn;
    this.#isPumping = false;
    this.#pump();
  }

  /** The next bytes of those who wait, whose requests are then leaving. */
  #nextStep(): Uint8Array[] {
    const step: Uint8Array[] = [];
    for (let room = STEP_BYTES; room > 0; ) {
      const request = this.#queue.first;
      if (request === undefined) break;
      room -= request.takeStep(step, room);
      this.#leaving = added(this.#leaving, request);
      if (request.accepted === request.length) this.#queue.shift();
    }
    return step;
  }

  /** For a write that has left at once: what it has to wait for, if it is time to. */
  #afterBurst(): Promise<void> | undefined {
    this.#burst++;
    if (this.#burst < BURST) return undefined;
    this.#burst = 0;
    return nextTurn();
  }

  /** Rejects all that wait. */
  #cutAll(errorFor: (request: WriteRequest) => NetError): void {
    const waiting = new Set([...this.#leaving, ...this.#queue.takeAll()]);
    this.#leaving = EMPTY;
    for (const request of waiting) request.reject(errorFor(request));
  }

  #timeout(accepted?: number): NetError {
    return timeoutError(this.#writeSite(accepted));
  }

  #writeSite(bytesWritten = 0): FailureSite {
    return { ...this.#conn.failureSite("write"), bytesWritten };
  }
}

/** Its caller still waits. One who does not may have bytes in the step under way. */
function isPending(request: WriteRequest): boolean {
  return !request.isSettled;
}

function notBytes(value: unknown): NetError {
  return argumentError("write", `${typeof value} is not a Uint8Array`);
}
