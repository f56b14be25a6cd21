import { brokenInfo } from "../contracts/close-code.ts";
import { startTimer } from "../flow/deadline.ts";
import { atEndOfTurn } from "../flow/end-of-turn.ts";
import type { Conn, WaitOptions } from "../contracts/conn.ts";
import { NetError } from "../contracts/error.ts";
import { asError, canceledError, closedError, timeoutError } from "../contracts/failures.ts";
import { type Frame, frameOf, memoryOf } from "./frame.ts";
import { type FrameCodec, type FrameDecoder, FrameFault } from "./frame-codec.ts";
import type { InboxLimits } from "../flow/inbox-queue.ts";
import { InboxConn } from "../flow/inbox-conn.ts";
import type { CloseInfo, Message, Peer, PreparedMessage, SendOutcome } from "../contracts/message-conn.ts";
import { SendBuffer, type SendBufferSink, type SendLimits } from "./send-buffer.ts";
import { StreamConn } from "../stream/stream-conn.ts";
import { rejection } from "../flow/told.ts";
import type { Transport, WriteProgress } from "../contracts/transport.ts";
import { MessageWatch, type MessageWatchHost, WriteWatch, type WriteWatchHost } from "../flow/watches.ts";

/** `FramedOptions` made complete, once for all connections of a listener. */
export interface FramedSettings {
  readonly maxMessageBytes: number;
  readonly inboxLimits: InboxLimits;
  readonly sendLimits: SendLimits;
  readonly writeTimeoutMs: number;
  readonly messageTimeoutMs: number;
  readonly closeTimeoutMs: number;
}

/** A `MessageConn` of a `Conn`. */
export class FramedConn extends InboxConn implements SendBufferSink, WriteWatchHost, MessageWatchHost {
  readonly peer: Peer;
  readonly maxSendBytes: number;
  readonly #conn: Conn;
  readonly #codec: FrameCodec;
  readonly #settings: FramedSettings;
  readonly #decoder: FrameDecoder;
  readonly #outgoing: SendBuffer;
  /** The inbox is full. */
  isHeldBack = false;
  #isDecoding = false;
  /** Tells the stream to go on, after `data` was left with a promise. */
  #goOn: (() => void) | undefined;
  /** All has left, and the stream is being closed: what it reports now is no news. */
  #isFinished = false;
  /** Why the connection broke or was cut. */
  #failure: Error | undefined;
  /** Nothing more has to be bounded in time. */
  protected override isOver = false;
  #closeTimer: NodeJS.Timeout | undefined;
  #writeWatch: WriteWatch | undefined;
  /** Made for the first message that comes in pieces. */
  #messageWatch: MessageWatch | undefined;
  messageNumber = 0;

  constructor(conn: Conn, codec: FrameCodec, settings: FramedSettings) {
    super(conn.localAddr, settings.inboxLimits);
    this.#conn = conn;
    this.#codec = codec;
    this.#settings = settings;
    this.peer = { transport: conn.remoteAddr.network, addr: conn.remoteAddr };
    this.maxSendBytes = Math.min(
      codec.maxPayloadBytes,
      settings.sendLimits.sendLimitBytes - codec.maxOverheadBytes,
    );
    this.#decoder = codec.decoder(settings.maxMessageBytes);
    this.#outgoing = new SendBuffer(this, settings.sendLimits);
    conn.serve({
      data: (bytes) => this.#take(bytes),
      end: () => this.#atEnd(),
      close: (error) => this.#gone(error),
    });
  }

  get bufferedAmount(): number {
    return this.#outgoing.bytes;
  }

  get isCongested(): boolean {
    return this.#outgoing.isCongested;
  }

  send(message: Message | PreparedMessage, options?: WaitOptions): Promise<void> {
    let frame: Frame;
    try {
      frame = frameOf(message, this.#codec, this.maxSendBytes);
    } catch (error) {
      return rejection(this.#writeError(error));
    }
    return this.#outgoing.send(
      frame,
      memoryOf(frame, message),
      options?.signal,
      (signal) => canceledError(this.site("write"), signal),
      () => closedError(this.site("write")),
    );
  }

  trySend(message: Message | PreparedMessage): SendOutcome {
    try {
      const frame = frameOf(message, this.#codec, this.maxSendBytes);
      return this.#outgoing.offer(frame, memoryOf(frame, message));
    } catch {
      return "refused"; // cannot be framed: `send` says why
    }
  }

  flush(options?: WaitOptions): Promise<void> {
    return this.#outgoing.untilFlushed(options?.signal, (signal) =>
      canceledError(this.site("write"), signal),
    );
  }

  unref(): void {
    this.#conn.unref();
  }

  ref(): void {
    this.#conn.ref();
  }

  abort(): void {
    this.#break(closedError(this.site("read")), true);
  }

  // What the inbox asks for.

  pause(): void {
    this.isHeldBack = true;
  }

  resume(): void {
    this.isHeldBack = false;
    if (!this.#isDecoding) this.#decode();
  }

  override fail(error: unknown): void {
    const failure = this.#failure;
    if (
      failure !== undefined &&
      (error === failure || (error instanceof NetError && error.code === "closed"))
    ) {
      // A handler that waits for its `send` passes on that the connection has broken: why it has is the
      // connection's to tell.
      this.inbox.discard(brokenInfo(failure));
    }
    super.fail(error);
  }

  ending(): boolean {
    if (this.isClosing || this.#failure !== undefined) return false;
    this.#closeTimer = startTimer(() => {
      this.#closeTimer = undefined;
      this.inbox.waitNoMore();
    }, this.#settings.closeTimeoutMs);
    return true;
  }

  ended(): void {
    if (this.isClosing) return;
    if (this.#failure === undefined) this.#stopCloseTimer();
    // Later in this turn, so that who has just been told of the end may still send a last word. All that was
    // sent still leaves, as long as the peer goes on to take it.
    atEndOfTurn({ flush: () => void super.closeOnce({ code: 1000, reason: "", wasClean: true }) });
  }

  // What the send buffer asks for.

  write(bytes: Uint8Array): Promise<void> {
    const writing = this.#conn.write(bytes);
    const { writeTimeoutMs } = this.#settings;
    if (writeTimeoutMs !== Number.POSITIVE_INFINITY) {
      this.#writeWatch ??= new WriteWatch(this, writeTimeoutMs);
      this.#writeWatch.start();
    }
    return writing;
  }

  drained(): void {
    this.inbox.drained();
  }

  /**
   * What had arrived before is still received: the stream itself tells how it ended, if it does so in time.
   */
  failed(error: Error): void {
    this.#failure ??= error;
    if (this.isClosing) return;
    this.#boundClosing();
    this.inbox.waitNoMore(brokenInfo(this.#failure));
  }

  // What the write watch asks for.

  get unsentBytes(): number {
    return this.#outgoing.bytes;
  }

  writeProgress(): WriteProgress {
    const { taken } = this.#outgoing;
    const progress = this.#transport()?.progress();
    return progress === undefined
      ? { complete: taken, left: 0 }
      : { ...progress, complete: progress.complete ?? taken };
  }

  unacknowledgedBytes(): Promise<number | undefined> {
    return this.#transport()?.unacknowledgedBytes() ?? Promise.resolve(undefined);
  }

  writeTimedOut(): void {
    const reason = `the peer has taken nothing of what waits for it for ${this.#settings.writeTimeoutMs} ms`;
    this.#break(new NetError({ ...this.site("write"), code: "timeout", reason }), false);
  }

  // What the message watch asks for.

  get isPartway(): boolean {
    return !this.isClosing && !this.inbox.isEnded && !this.#decoder.isAtBoundary;
  }

  messageTimedOut(): void {
    const reason = `the peer has begun a message and not completed it for ${this.#settings.messageTimeoutMs} ms`;
    const error = new NetError({ ...this.site("read"), code: "timeout", reason });
    this.inbox.end({ code: 1008, reason, wasClean: false, error });
  }

  #transport(): Transport | undefined {
    return this.#conn instanceof StreamConn ? this.#conn.transport : undefined;
  }

  #writeError(error: unknown): NetError {
    if (error instanceof NetError) return error;
    const code = error instanceof FrameFault ? error.code : "invalid_argument";
    return new NetError({ ...this.site("write"), code, reason: asError(error).message });
  }

  #take(bytes: Uint8Array): void | Promise<void> {
    if (this.isClosing || this.inbox.isEnded) return; // what comes now is nobody's
    this.#decoder.write(bytes);
    this.#decode();
    if (!this.#decoder.isAtBoundary) this.#watchMessage();
    if (!this.isHeldBack) return;
    this.#decoder.keep();
    return new Promise((resolve) => (this.#goOn = resolve));
  }

  #watchMessage(): void {
    const { messageTimeoutMs } = this.#settings;
    if (messageTimeoutMs === Number.POSITIVE_INFINITY || !this.isPartway) return;
    this.#messageWatch ??= new MessageWatch(this, messageTimeoutMs);
    this.#messageWatch.start();
  }

  #atEnd(): void {
    if (!this.isClosing) this.inbox.end(this.#endInfo());
  }

  #gone(error: Error | undefined): void {
    if (!this.#isFinished) this.#break(error, false);
  }

  /** Takes messages out of the decoder until it needs more bytes or the inbox is full. */
  #decode(): void {
    this.#isDecoding = true;
    while (!this.isHeldBack) {
      let message: Message | undefined;
      try {
        message = this.#decoder.next();
      } catch (error) {
        this.#isDecoding = false;
        return this.#refuse(error);
      }
      if (message === undefined || this.isClosing || this.inbox.isEnded) break;
      this.messageNumber = (this.messageNumber + 1) | 0;
      this.inbox.push(message, this.#decoder.messageBytes);
    }
    this.#isDecoding = false;
    if (!this.isHeldBack) this.#readOn();
  }

  #readOn(): void {
    const goOn = this.#goOn;
    this.#goOn = undefined;
    goOn?.();
  }

  /** The peer broke the framing. The connection can still send until the application has been told. */
  #refuse(error: unknown): void {
    const code = error instanceof FrameFault ? error.closeCode : 1011;
    const reason = asError(error).message;
    const errorCode = error instanceof FrameFault ? error.code : "unknown";
    const parts = { ...this.site("read"), code: errorCode, reason } as const;
    this.inbox.end({ code, reason, wasClean: false, error: new NetError(parts) });
  }

  #endInfo(): CloseInfo {
    const { loss } = this.#outgoing;
    if (loss !== undefined) return brokenInfo(loss); // Not clean: this side's messages were not all taken.
    if (this.#decoder.isAtBoundary) return { code: 1000, reason: "", wasClean: true };
    const reason = "the peer ended in the middle of a message";
    const error = new NetError({ ...this.site("read"), code: "end_of_stream", reason });
    return { code: 1006, reason, wasClean: false, error };
  }

  protected override closeOnce(info: CloseInfo): Promise<void> {
    // What `ending` has started stands for no closing.
    if (!this.isClosing && this.#failure === undefined) this.#stopCloseTimer();
    const closed = super.closeOnce(info);
    this.#boundClosing();
    return closed;
  }

  /** From now on the connection has `closeTimeoutMs`, then it is cut. */
  #boundClosing(): void {
    if (this.isOver) return;
    this.#closeTimer ??= startTimer(() => {
      this.#closeTimer = undefined;
      // The application is behind: it has not yet been given what arrived before the failure.
      if (this.isHeldBack && !this.isClosing) this.#boundClosing();
      else this.#break(timeoutError(this.site("close")), false);
    }, this.#settings.closeTimeoutMs);
  }

  protected async finish(info: CloseInfo): Promise<void> {
    this.inbox.stop();
    this.#readOn();
    await this.#outgoing.end();
    this.#isFinished = true;
    let failure = this.#outgoing.loss;
    try {
      if (this.#failure === undefined) await this.#conn.close();
    } catch (error) {
      this.#cut(asError(error));
      failure ??= this.#failure;
    }
    // Broken before, and not by us: it is closed so that nothing of it stays.
    if (this.#failure !== undefined) this.#cut(this.#failure);
    this.#stopWatching();
    this.inbox.discard(this.#failure === undefined || !info.wasClean ? info : brokenInfo(this.#failure));
    if (failure !== undefined) throw failure;
  }

  /**
   * The connection is gone, or has to go. What was received before is still delivered, unless it is our wish.
   *
   * @param cause `undefined`: the stream has closed in order, and not by us.
   */
  #break(cause: Error | undefined, isOurs: boolean): void {
    const error = cause ?? closedError(this.site("read"));
    this.#cut(error);
    this.#stopWatching();
    const info = brokenInfo(this.#failure ?? error);
    if (isOurs) this.inbox.discard(info);
    else if (!this.isClosing) {
      this.#decodeRest();
      this.inbox.end(info);
      const hasBroken = cause !== undefined || this.#outgoing.loss !== undefined;
      this.inbox.waitNoMore(hasBroken ? info : undefined);
    }
  }

  #cut(error: Error): void {
    this.#failure ??= error;
    this.#outgoing.fail(this.#failure);
    this.#conn.abort();
  }

  /**
   * What had arrived is the application's, also past the high-water mark: it is less than one read buffer.
   */
  #decodeRest(): void {
    if (!this.isHeldBack || this.#isDecoding) return;
    try {
      for (let next = this.#decoder.next(); next !== undefined; next = this.#decoder.next()) {
        this.inbox.push(next, this.#decoder.messageBytes);
      }
    } catch {
      // The peer broke the framing, too. The connection is broken already, and why is told.
    }
  }

  #stopWatching(): void {
    this.isOver = true;
    this.#stopCloseTimer();
    this.#writeWatch?.stop();
    this.#messageWatch?.stop();
  }

  #stopCloseTimer(): void {
    clearTimeout(this.#closeTimer);
    this.#closeTimer = undefined;
  }
}
