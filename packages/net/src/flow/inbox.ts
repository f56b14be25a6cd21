import { handlerFailed } from "../contracts/close-code.ts";
import type { WaitOptions } from "../contracts/conn.ts";
import { NetError, type NetErrorParts } from "../contracts/error.ts";
import { canceledError } from "../contracts/failures.ts";
import type { CloseInfo, Message } from "../contracts/message-conn.ts";
import { defaultInboxLimits, type InboxLimits, InboxQueue } from "./inbox-queue.ts";
import { rejection } from "./told.ts";
import { asIteratorResult, asItIs, Waiter, Waiters } from "./waiters.ts";

/** What an `Inbox` asks of the transport that fills it. */
export interface InboxSource {
  /** The inbox is full: read nothing more from the peer until `resume`. */
  pause(): void;
  /** There is room again. */
  resume(): void;
  /** The handler threw or its promise rejected. The transport must close, by custom with code 1011. */
  fail(error: unknown): void;
  /** The peer has ended. True if the handler may still send: its `end` is waited for until `waitNoMore`. */
  ending?(): boolean;
  /** The consumer has been told of the end, and so has taken all messages. */
  ended?(): void;
  /** Which connection an error is about. */
  route?(): Pick<NetErrorParts, "network" | "localAddr" | "remoteAddr">;
}

/** A handler of messages of any kind; `MessageHandler` is one for `Message`. */
export interface InboxHandler<T> {
  /** One message. The next comes when what is returned has settled. */
  message(message: T): void | Promise<void>;
  /** There is room again after `trySend` answered `refused`. */
  drain?(): void | Promise<void>;
  /** The peer sends nothing more, and may still be sent to. */
  end?(): void | Promise<void>;
  /** The connection is over. Called once, last. */
  close?(info: CloseInfo): void;
}

/**
 * The receiving half of a `MessageConn`: a bounded flow of messages from a transport to one consumer,
 * who either calls `receive` (or iterates) or hands over a handler with `serve`.
 *
 * For those who write a transport: `push` each message until it answers `false`, go on after `resume`, and
 * say `end` once the peer has ended. The inbox never drops a message by itself; `push` when full still
 * queues.
 *
 * ```ts no-run
 * const inbox = new Inbox({ pause: () => socket.pause(), resume: () => socket.resume(), fail: () => conn.close(1011) });
 * socket.on("data", (bytes) => inbox.push(decode(bytes), bytes.length));
 * socket.on("end", () => inbox.end({ code: 1000, reason: "", wasClean: true }));
 * ```
 */
export class Inbox<T = Message> {
  readonly #source: InboxSource;
  readonly #limits: InboxLimits;
  /** Made on the first wait: an idle connection has none. */
  #queue: InboxQueue<T> | undefined;
  /** Those who wait in `receive`; made for the first of them. */
  #waiters: Waiters<Waiter<T | null, unknown>> | undefined;
  #handler: InboxHandler<T> | undefined;
  /** A handler's promise is pending, or a delivery loop is already on the stack. */
  #isBusy = false;
  #isPaused = false;
  #isClosed = false;
  #isStopped = false;
  /** Messages are over, and the handler has been told so if it is to be. */
  #isEnding = false;
  #info: CloseInfo | undefined;

  /**
   * @param source who fills this inbox and is told to pause.
   * @param limits when it is told so.
   */
  constructor(source: InboxSource, limits: InboxLimits = defaultInboxLimits) {
    this.#source = source;
    this.#limits = limits;
  }

  /** Messages that wait for the consumer. */
  get queuedMessages(): number {
    return this.#queue === undefined ? 0 : this.#queue.length;
  }

  /** Their bytes, as given to `push`. */
  get queuedBytes(): number {
    return this.#queue === undefined ? 0 : this.#queue.bytes;
  }

  /**
   * True at or past a high-water mark. A transport that may lose messages (datagrams) drops now instead of
   * pushing.
   */
  get isFull(): boolean {
    return this.#queue !== undefined && this.#queue.isFull(this.#limits);
  }

  /** True once nothing more can be pushed. */
  get isEnded(): boolean {
    return this.#info !== undefined;
  }

  /** How the connection ended, once it has. */
  get closeInfo(): CloseInfo | undefined {
    return this.#info;
  }

  /**
   * Takes one message from the transport and gives it to the consumer, at once if it is free.
   *
   * @param byteLength what the message counts for, in bytes.
   * @returns `true` if there is room for another; `false` if the source was paused or the inbox has ended.
   */
  push(message: T, byteLength: number): boolean {
    if (this.#info !== undefined || this.#isStopped) return false;
    if (this.#handler !== undefined && !this.#isBusy && this.queuedMessages === 0) {
      // Hot path (bench: tcp, websocket): no queue, no promise.
      this.#isBusy = true;
      if (this.#handle(this.#handler, message)) {
        this.#isBusy = false;
        if (this.queuedMessages > 0 || this.#info !== undefined) this.#deliver();
      }
      return this.#info === undefined && !this.#isPaused;
    }
    const waiter = this.#waiters?.shift();
    if (waiter !== undefined) {
      waiter.resolve(message);
      return true;
    }
    this.#queue ??= new InboxQueue();
    this.#queue.push(message, byteLength);
    if (!this.#isPaused && this.isFull) {
      this.#isPaused = true;
      this.#source.pause();
    }
    return !this.#isPaused;
  }

  /**
   * The peer has ended, cleanly or not. What was pushed before is still delivered, then `null` or the error,
   * or the handler's `close`. Only the first call counts.
   */
  end(info: CloseInfo): void {
    if (this.#info !== undefined) return;
    this.#info = info;
    // A handler that waits for room to send must wake up and find out; otherwise its `close` would never
    // come.
    if (!info.wasClean && this.#isBusy) this.drained();
    this.#deliver();
  }

  /**
   * This side is closing: drops what nobody has taken and all that is pushed from now on. The end is still to
   * be told.
   */
  stop(): void {
    this.#isStopped = true;
    this.#queue = undefined;
  }

  /**
   * This side has closed: what nobody has taken is dropped, waiting receivers are unblocked, and the
   * handler's `close` follows in a microtask, even while its last promise is pending. After `end`, the first
   * info stays, unless the end was in order and is not any more.
   */
  discard(info: CloseInfo): void {
    if (!info.wasClean) this.#spoil(info);
    this.#info ??= info;
    this.stop();
    if (this.#handler === undefined) this.#settleWaiters(this.#info);
    else queueMicrotask(() => this.#close());
  }

  /** What the handler's `end` waits for would not leave any more. `failure`: the connection broke. */
  waitNoMore(failure?: CloseInfo): void {
    if (failure !== undefined) this.#spoil(failure);
    if (this.#isEnding) this.#close();
  }

  /** An end in order that nobody was told of yet was none. */
  #spoil(failure: CloseInfo): void {
    if (this.#info?.wasClean && !this.#isClosed) this.#info = failure;
  }

  /**
   * Rejects those who wait in `receive` now; the flow goes on (a deadline, an error that ends nothing). True
   * if anybody waited.
   */
  interrupt(error: Error): boolean {
    const waiters = this.#waiters?.takeAll() ?? [];
    for (const waiter of waiters) waiter.reject(error);
    return waiters.length > 0;
  }

  /** The send buffer has room again: tells the handler. */
  drained(): void {
    if (this.#isClosed || this.#handler?.drain === undefined) return;
    try {
      const busy = this.#handler.drain();
      if (busy !== undefined && typeof busy.then === "function")
        busy.then(undefined, (error: unknown) => this.#drainRejected(error));
    } catch (error) {
      this.#fail(error);
    }
  }

  /** See `MessageConn.receive`. Simultaneous calls are served in call order. */
  receive(options?: WaitOptions): Promise<T | null> {
    return this.receiveAs(asItIs<T | null>, options);
  }

  /**
   * As `receive`, with the message (or `null`) turned into something else on the way; what `convert` throws
   * rejects.
   */
  receiveAs<R>(convert: (message: T | null) => R, options?: WaitOptions): Promise<R> {
    if (this.#handler !== undefined) {
      return rejection(this.#error("invalid_argument", "the connection is being served by a handler"));
    }
    const signal = options?.signal;
    if (signal?.aborted) return rejection(this.#canceled(signal));
    if (this.#queue !== undefined && this.#queue.length > 0) {
      const message = this.#queue.shift();
      this.#resumeIfLow();
      try {
        return Promise.resolve(convert(message));
      } catch (error) {
        return rejection(error);
      }
    }
    const info = this.#info;
    if (info !== undefined) this.#tellEnded();
    if (info !== undefined && !info.wasClean) return rejection(this.#broken(info));
    const waiter = new Waiter(convert);
    if (info !== undefined) {
      waiter.resolve(null);
    } else {
      this.#waiters ??= new Waiters();
      this.#waiters.add(waiter, signal, signal && ((by) => this.#canceled(by)));
    }
    return waiter.promise;
  }

  /**
   * See `MessageConn.serve`. What waits is handed over from a microtask on, not during the call. To receive a
   * greeting first and serve then is fine; to serve while a `receive` waits is not.
   */
  serve(handler: InboxHandler<T>): void {
    if (this.#handler !== undefined) throw this.#error("invalid_argument", "serve was already called");
    if (this.#waiters?.first !== undefined) {
      throw this.#error("invalid_argument", "somebody waits in receive");
    }
    if (typeof handler.message !== "function") {
      throw this.#error("invalid_argument", 'the handler has no function "message"');
    }
    this.#handler = handler;
    const info = this.#info;
    if (info === undefined && this.queuedMessages === 0) return;
    // Who has received the end is told it as a handler, too.
    if (info !== undefined && this.#isClosed) return queueMicrotask(() => handler.close?.(info));
    this.#isBusy = true;
    queueMicrotask(() => this.#settled());
  }

  /** As an iterator's `next`. */
  next(): Promise<IteratorResult<T, undefined>> {
    return this.receiveAs(asIteratorResult<T>);
  }

  /**
   * Iterates over the messages; ends after a clean close and throws after another. Leaving the loop closes
   * nothing.
   */
  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return this;
  }

  /** Hands queued messages to the handler, then the end, as far as the handler lets it. */
  #deliver(): void {
    if (this.#handler === undefined) {
      // Waiters exist only while the queue is empty.
      if (this.#info !== undefined) this.#settleWaiters(this.#info);
      return;
    }
    if (this.#isBusy) return;
    this.#isBusy = true;
    // The handler may stop the inbox, or fill it.
    while (this.#queue !== undefined && this.#queue.length > 0) {
      if (!this.#handle(this.#handler, this.#queue.shift())) return;
      this.#resumeIfLow();
    }
    if (this.#info !== undefined && !this.#isEnding && !this.#tellEnding(this.#handler)) return;
    this.#isBusy = false;
    if (this.#info !== undefined) this.#close();
  }

  /** True if the handler does not wait for anything. */
  #tellEnding(handler: InboxHandler<T>): boolean {
    this.#isEnding = true;
    if (handler.end === undefined || this.#source.ending?.() !== true) return true;
    try {
      return this.#isFree(handler.end());
    } catch (error) {
      this.#fail(error);
      return true;
    }
  }

  /** True if the handler is free for the next message. */
  #handle(handler: InboxHandler<T>, message: T): boolean {
    let result: void | Promise<void>;
    try {
      result = handler.message(message);
    } catch (error) {
      this.#fail(error);
      return true;
    }
    return this.#isFree(result);
  }

  /** True if the handler is free at once; otherwise it is when its promise has settled. */
  #isFree(result: void | Promise<void>): boolean {
    if (result === undefined || typeof result.then !== "function") return true;
    result.then(
      () => this.#settled(),
      (error: unknown) => this.#rejected(error),
    );
    return false;
  }

  #settled(): void {
    this.#isBusy = false;
    this.#resumeIfLow();
    this.#deliver();
  }

  #rejected(error: unknown): void {
    this.#isBusy = false;
    if (!this.#isClosed) this.#fail(error);
  }

  /** A connection that has ended tells why by itself, after all that was received. */
  #drainRejected(error: unknown): void {
    if (this.#info === undefined || (this.#isEnding && !this.#isClosed)) this.#fail(error);
  }

  #fail(error: unknown): void {
    // The peer's end was in order, and this side's is not: what waits is dropped, and the handler's error
    // would be lost.
    if (this.#info?.wasClean) this.#info = undefined;
    // The order matters: the source learns of it first, so that its own close info is the one that is
    // delivered.
    this.#source.fail(error);
    this.discard(handlerFailed(error));
  }

  #resumeIfLow(): void {
    if (!this.#isPaused || this.#info !== undefined) return;
    if (this.#queue !== undefined && !this.#queue.isLow(this.#limits)) return;
    this.#isPaused = false;
    this.#source.resume();
  }

  #settleWaiters(info: CloseInfo): void {
    const waiters = this.#waiters?.takeAll() ?? [];
    if (waiters.length > 0) this.#tellEnded();
    for (const waiter of waiters) {
      if (info.wasClean) waiter.resolve(null);
      else waiter.reject(this.#broken(info));
    }
  }

  #close(): void {
    if (this.#isClosed || this.#info === undefined) return;
    try {
      this.#isClosed = true;
      this.#handler?.close?.(this.#info);
    } finally {
      this.#source.ended?.();
    }
  }

  /** Once, for a consumer that receives. */
  #tellEnded(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#source.ended?.();
  }

  #canceled(signal: AbortSignal): NetError {
    return canceledError({ ...this.#source.route?.(), op: "read" }, signal);
  }

  #broken(info: CloseInfo): Error {
    return info.error ?? this.#error("closed", info.reason || `connection closed with code ${info.code}`);
  }

  #error(code: NetErrorParts["code"], reason: string): NetError {
    return new NetError({ ...this.#source.route?.(), op: "read", code, reason });
  }
}
