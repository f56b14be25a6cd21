import type { Deadline, WaitOptions } from "../contracts/conn.ts";
import { DeadlineTimer } from "../flow/deadline.ts";
import { NetError } from "../contracts/error.ts";
import {
  argumentError,
  canceledError,
  type FailureSite,
  type Sited,
  timeoutError,
} from "../contracts/failures.ts";
import { ownCopy } from "../memory/own-memory.ts";
import { type Deliver, Portion, ReadRequest } from "./requests.ts";
import { rejection, told } from "../flow/told.ts";
import { asItIs, asIteratorResult, Waiters } from "../flow/waiters.ts";
import type { Transport } from "../contracts/transport.ts";

/** Takes each portion as it arrives. */
export interface DataReceiver {
  /** See `ConnHandler.data`; never throws nor rejects. */
  onData(bytes: Uint8Array): void | Promise<void>;
  /** The read deadline has passed. */
  onDataTimeout(error: NetError): void;
}

/**
 * Why nothing more arrives: `null` after a proper end, or what makes the error. Errors cost more than closing
 * a connection, so none is made for nobody.
 */
export type ReadEnding = null | ((site: FailureSite) => NetError);

/**
 * The reading side of a connection: at most one portion held, calls served in order, nothing lost to a
 * cancelled one. What ended it is told after the bytes that came before.
 */
export class ReadHalf implements AsyncIterator<Uint8Array, undefined> {
  readonly #transport: Transport;
  readonly #conn: Sited;
  /** Arrived and not yet read; the transport is stopped as long as there is any. */
  #held: Uint8Array | undefined;
  /**
   * The oldest waiting `read`, if it has no signal. Most idle connections have just this one, so it gets no
   * object.
   */
  #resolveFirst: Resolve | undefined;
  #promiseFirst: Promise<unknown> | undefined;
  #deliverFirst: Deliver = asItIs;
  /** The other calls that wait; made for the first of them. */
  #waiters: Waiters<ReadRequest> | undefined;
  #deadline: DeadlineTimer | undefined;
  /** Set once nothing more will arrive. */
  #ending: ReadEnding | undefined;
  #isDiscarding = false;
  #receiver: DataReceiver | undefined;

  /** @param receiver Who has been served until now without this half. */
  constructor(transport: Transport, conn: Sited, receiver: DataReceiver | undefined) {
    this.#transport = transport;
    this.#conn = conn;
    this.#receiver = receiver;
  }

  /** `deliver` makes the call's result of the bytes or of the end. */
  read<T>(options: WaitOptions | undefined, deliver: (bytes: Uint8Array | null) => T): Promise<T> {
    const refusal = this.#refusal(options);
    if (refusal) return rejection(refusal);
    if (!this.#isWaitedFor()) {
      const bytes = this.#held;
      if (bytes !== undefined) {
        this.#held = undefined;
        return Promise.resolve(deliver(bytes));
      }
      if (this.#ending === null) return Promise.resolve(deliver(null));
      if (this.#ending) return rejection(this.#ending(this.#readSite()));
      if (options?.signal === undefined) return this.#waitFirst(deliver);
    }
    return this.#waitInTurn(options, deliver);
  }

  /** Iterates over what arrives. */
  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    return this.read(undefined, asIteratorResult<Uint8Array>);
  }

  /** Leaving the loop closes nothing and loses nothing: read or iterate again to go on. */
  return(): Promise<IteratorResult<Uint8Array, undefined>> {
    return Promise.resolve({ done: true, value: undefined });
  }

  readFull(length: number, options: WaitOptions | undefined): Promise<Uint8Array | null> {
    if (!Number.isSafeInteger(length) || length < 0) {
      return rejection(argumentError("read", `length ${length} is not a whole number of bytes`));
    }
    const refusal = this.#refusal(options);
    if (refusal) return rejection(refusal);
    if (length === 0) return Promise.resolve(new Uint8Array(0));
    const reading = this.#wait(new ReadRequest(asItIs, new Portion(length)), options);
    this.#serveWaiters();
    return reading as Promise<Uint8Array | null>;
  }

  /** Hands everything to `receiver` from now on, what is held first. */
  serve(receiver: DataReceiver): void {
    if (this.#receiver || this.#isWaitedFor()) {
      throw argumentError("read", "the connection is already being read");
    }
    this.#receiver = receiver;
    this.#holdProcess();
    const bytes = this.#held;
    this.#held = undefined;
    if ((bytes === undefined || this.#handle(receiver, bytes)) && this.#ending === undefined) {
      this.#transport.resume();
    }
  }

  setDeadline(at: Deadline): void {
    this.#deadline ??= new DeadlineTimer(() => {
      this.#receiver?.onDataTimeout(timeoutError(this.#readSite()));
      this.#rejectFirst(timeoutError(this.#readSite()));
      for (const waiter of this.#waiters?.takeAll() ?? []) {
        this.#giveUp(waiter, timeoutError(this.#readSite()));
      }
      this.#holdProcess();
    });
    this.#deadline.set(at);
    this.#holdProcess();
  }

  /**
   * From now on what arrives is thrown away; waiting and later reads get the end of the stream (`null`) or
   * the error.
   */
  discard(ending: ReadEnding): void {
    this.#isDiscarding = true;
    this.#held = undefined;
    const isOver = this.#ending !== undefined;
    this.end(ending);
    this.#ending = ending;
    if (!isOver) this.#transport.resume();
  }

  /** What stands in the way of handing the connection over, in words. */
  get busyWith(): string | undefined {
    if (this.#isWaitedFor()) return "it is being read";
    return this.#held && `${this.#held.length} bytes that came before are unread`;
  }

  /** Bytes arrived; see `TransportSink.onBytes`. */
  accept(bytes: Uint8Array, isLent: boolean): boolean {
    if (this.#isDiscarding) return true;
    if (this.#receiver) return this.#handle(this.#receiver, bytes);
    const resolve = this.#takeFirst();
    if (resolve !== undefined) {
      this.#holdProcess();
      resolve(this.#deliverFirst(isLent ? ownCopy(bytes) : bytes));
      return true;
    }
    const waiter = this.#waiters?.first;
    if (waiter !== undefined && waiter.full === undefined) {
      this.#waiters?.shift();
      this.#holdProcess();
      waiter.resolve(isLent ? ownCopy(bytes) : bytes);
      return true;
    }
    const rest = waiter?.full === undefined ? bytes : waiter.full.add(bytes);
    if (rest !== undefined) {
      const owned = isLent ? ownCopy(rest) : rest;
      this.#held = this.#held === undefined ? owned : Buffer.concat([this.#held, owned]);
    }
    this.#serveWaiters();
    return this.#held === undefined;
  }

  /** Nothing more will arrive: the peer ended (`null`), or it broke. Only the first call counts. */
  end(ending: ReadEnding): void {
    if (this.#ending !== undefined) return;
    this.#ending = ending;
    this.#serveWaiters();
    if (ending !== null) this.#deadline?.set(null);
  }

  /** Stops the deadline's timer: the connection is gone. */
  release(): void {
    this.#deadline?.set(null);
  }

  #refusal(options: WaitOptions | undefined): NetError | undefined {
    if (this.#isDiscarding && this.#ending) return this.#ending(this.#readSite());
    if (this.#receiver) return argumentError("read", "the connection is being served");
    if (options?.signal?.aborted) return canceledError(this.#readSite(), options.signal);
    if (this.#deadline?.hasPassed) return timeoutError(this.#readSite());
    return undefined;
  }

  #isWaitedFor(): boolean {
    return this.#resolveFirst !== undefined || this.#waiters?.first !== undefined;
  }

  #waitFirst<T>(deliver: (bytes: Uint8Array | null) => T): Promise<T> {
    const promise = new Promise<T>(catchResolve as (resolve: (result: T) => void) => void);
    this.#resolveFirst = caught;
    this.#promiseFirst = promise;
    this.#deliverFirst = deliver;
    this.#holdProcess();
    this.#transport.resume();
    return promise;
  }

  #waitInTurn<T>(options: WaitOptions | undefined, deliver: (bytes: Uint8Array | null) => T): Promise<T> {
    return this.#wait(new ReadRequest(deliver, undefined), options) as Promise<T>;
  }

  /** Takes the first call, which no longer waits then, if there is one. */
  #takeFirst(): Resolve | undefined {
    const resolve = this.#resolveFirst;
    this.#resolveFirst = undefined;
    this.#promiseFirst = undefined;
    return resolve;
  }

  /** See `told`: only now, as that costs more memory than an idle connection should take. */
  #rejectFirst(reason: NetError): void {
    if (this.#promiseFirst !== undefined) void told(this.#promiseFirst);
    this.#takeFirst()?.(Promise.reject(reason));
  }

  #wait(waiter: ReadRequest, options: WaitOptions | undefined): Promise<unknown> {
    const signal = options?.signal;
    this.#waiters ??= new Waiters();
    this.#waiters.add(
      waiter,
      signal,
      signal &&
        ((by) => {
          this.#putBack(waiter);
          this.#serveWaiters();
          return canceledError(this.#readSite(), by);
        }),
    );
    this.#holdProcess();
    if (this.#held === undefined && this.#ending === undefined) this.#transport.resume();
    return waiter.promise;
  }

  /**
   * The read deadline keeps the process alive as long as somebody waits: a call, or a handler for the end.
   */
  #holdProcess(): void {
    const isServed = this.#receiver !== undefined && this.#ending === undefined;
    this.#deadline?.holdProcess(isServed || this.#isWaitedFor());
  }

  /** Gives what is held, or the end, to those who wait; asks for more when somebody still does. */
  #serveWaiters(): void {
    this.#serveThoseWhoWait();
    this.#holdProcess();
  }

  #serveThoseWhoWait(): void {
    if (this.#resolveFirst !== undefined && this.#ending !== undefined) {
      const error = this.#ending?.(this.#readSite());
      if (error) this.#rejectFirst(error);
      else this.#takeFirst()?.(this.#deliverFirst(null));
    }
    // Nothing is held as long as it waits.
    if (this.#resolveFirst !== undefined) return this.#transport.resume();
    const waiters = this.#waiters;
    for (;;) {
      const waiter = waiters?.first;
      if (waiter === undefined) return;
      if (waiter.full?.isComplete) {
        waiters?.shift();
        waiter.resolve(waiter.full.bytes);
      } else if (this.#held !== undefined) {
        const bytes = this.#held;
        this.#held = waiter.full?.add(bytes);
        if (waiter.full !== undefined) continue;
        waiters?.shift();
        waiter.resolve(bytes);
      } else if (this.#ending === undefined) {
        this.#transport.resume();
        return;
      } else {
        waiters?.shift();
        this.#endOne(waiter, this.#ending);
      }
    }
  }

  #endOne(waiter: ReadRequest, ending: ReadEnding): void {
    if (waiter.full !== undefined && waiter.full.length > 0 && ending === null) {
      const { length, wanted } = waiter.full;
      const reason = `stream ended after ${length} of ${wanted} bytes`;
      this.#giveUp(waiter, new NetError({ ...this.#readSite(), code: "end_of_stream", reason }));
    } else if (ending === null) {
      waiter.resolve(null);
    } else {
      this.#giveUp(waiter, ending(this.#readSite()));
    }
  }

  #giveUp(waiter: ReadRequest, error: NetError): void {
    this.#putBack(waiter);
    waiter.reject(error);
  }

  /** What the call had taken so far is for the next one. */
  #putBack({ full }: ReadRequest): void {
    if (full === undefined || full.length === 0 || this.#isDiscarding) return;
    this.#held = this.#held === undefined ? full.bytes : Buffer.concat([full.bytes, this.#held]);
    this.#transport.pause();
  }

  /** True if the receiver is ready for more at once. */
  #handle(receiver: DataReceiver, bytes: Uint8Array): boolean {
    const busy = receiver.onData(bytes);
    if (busy === undefined) return true;
    void this.#resumeAfter(busy);
    return false;
  }

  async #resumeAfter(busy: Promise<void>): Promise<void> {
    await busy;
    if (this.#ending === undefined) this.#transport.resume();
  }

  #readSite(): FailureSite {
    return this.#conn.failureSite("read");
  }
}

/** Settles the promise of a call, see `Waiter`. */
type Resolve = (result: unknown) => void;

let caught: Resolve | undefined;

/** What a promise is made with: one function for all of them, as each read would leave one behind. */
function catchResolve(resolve: Resolve): void {
  caught = resolve;
}
