import type { Addr } from "../contracts/addr.ts";
import { asMessage } from "../contracts/as-message.ts";
import { closeFault } from "../contracts/close-code.ts";
import { atEndOfTurn } from "../flow/end-of-turn.ts";
import { startTimer } from "../flow/deadline.ts";
import type { Conn, Listener, WaitOptions } from "../contracts/conn.ts";
import { NetError, type NetErrorParts } from "../contracts/error.ts";
import {
  asError,
  argumentError,
  canceledError,
  closedError,
  type FailureSite,
  timeoutError,
} from "../contracts/failures.ts";
import { type FrameCodec, type FrameDecoder, FrameFault, refuseFaulty, toBytes } from "./frame-codec.ts";
import { FramedListener } from "./framed-listener.ts";
import { defaultInboxLimits, Inbox, type InboxLimits, type InboxSource } from "../flow/inbox.ts";
import {
  type CloseInfo,
  type Message,
  type MessageConn,
  type MessageHandler,
  type Peer,
  PreparedMessage,
  type SendOutcome,
} from "../contracts/message-conn.ts";
import {
  type Frame,
  type FrameMemory,
  SendBuffer,
  type SendBufferSink,
  type SendLimits,
} from "./send-buffer.ts";
import { MessageWatch, type MessageWatchHost } from "../flow/message-watch.ts";
import { StreamConn } from "../stream/stream-conn.ts";
import { rejection, told } from "../flow/told.ts";
import type { Transport, WriteProgress } from "../contracts/transport.ts";
import { WriteWatch, type WriteWatchHost } from "../flow/write-watch.ts";
import { checkLimit, checkNames, checkTime, type Names } from "../options/check-values.ts";

/** Options of every framing. */
export interface FramedOptions {
  /** Largest message accepted from the peer, in bytes without its frame. Default 65,536. A larger one ends the connection with 1009. */
  readonly maxMessageBytes?: number | undefined;
  /** Bytes of received messages that wait for the application before the peer is held back. Default 65,536. */
  readonly receiveHighWaterBytes?: number | undefined;
  /** Received messages that wait for the application before the peer is held back. Default 128. */
  readonly receiveHighWaterMessages?: number | undefined;
  /** Bytes that may wait to be sent before `trySend` answers `buffered` and `send` waits. Default 65,536. */
  readonly sendHighWaterBytes?: number | undefined;
  /** Most bytes that wait to be sent, and so the largest message that can be. Default 1,048,576. */
  readonly sendLimitBytes?: number | undefined;
  /**
   * A peer that takes nothing of what waits for it is cut off after this long, to within a quarter, in milliseconds; `Infinity`: never, which
   * lets it hold its send buffer for ever. Default 30,000.
   *
   * Each byte that leaves this process is a sign of life; on Linux, over TCP and TLS, each that the peer's system acknowledges is, too.
   * Elsewhere a system tells of progress only when a good part of its send buffer is free, so that a peer surely survives which takes a whole
   * buffer in this time: with 4 MiB and the default that is 140 KB/s. Over `fromNodeStream` whole writes count, of up to 256 KiB. On slower links raise it.
   */
  readonly writeTimeoutMs?: number | undefined;
  /**
   * How long a message may take from its first byte to its last, in milliseconds, not counting the time in which the application takes
   * nothing. Then the connection ends with code 1008 and `timeout`, at most half as long again later. Without it a peer may send half a line and
   * stay for ever. Default 60,000: 64 KiB at 1.1 kB/s pass. Raise it with `maxMessageBytes`. `Infinity` waits for ever: right for a
   * client whose server prompts without ending the line. A peer that says nothing at all is the business of `ListenOptions.firstByteTimeoutMs`, or of the protocol above.
   */
  readonly messageTimeoutMs?: number | undefined;
  /**
   * How long `close` may take, in milliseconds, all in all: a peer that goes on to take bytes, but has not taken them all by then, is cut off
   * too, and `close` rejects with `timeout`. Default 5,000.
   */
  readonly closeTimeoutMs?: number | undefined;
}

/** Used where `FramedOptions` leaves a field out. */
export const defaultFramedOptions = {
  maxMessageBytes: 65_536,
  receiveHighWaterBytes: defaultInboxLimits.receiveHighWaterBytes,
  receiveHighWaterMessages: defaultInboxLimits.receiveHighWaterMessages,
  sendHighWaterBytes: 65_536,
  sendLimitBytes: 1_048_576,
  writeTimeoutMs: 30_000,
  messageTimeoutMs: 60_000,
  closeTimeoutMs: 5_000,
} as const satisfies FramedOptions;

/** How messages are received. */
export const MESSAGE_KINDS = ["text", "binary"] as const;

/** Every name of `FramedOptions`. */
export const framedNames: Names<FramedOptions> = {
  maxMessageBytes: 1,
  receiveHighWaterBytes: 1,
  receiveHighWaterMessages: 1,
  sendHighWaterBytes: 1,
  sendLimitBytes: 1,
  writeTimeoutMs: 1,
  messageTimeoutMs: 1,
  closeTimeoutMs: 1,
};

/** Options made complete once for all connections of a listener. */
interface Settings {
  readonly maxMessageBytes: number;
  readonly inboxLimits: InboxLimits;
  readonly sendLimits: SendLimits;
  readonly writeTimeoutMs: number;
  readonly messageTimeoutMs: number;
  readonly closeTimeoutMs: number;
}

/**
 * Makes a stream, or every stream a listener accepts, a message connection by a codec of your own.
 *
 * The connection belongs to the framing from now on. Close codes do not travel on a byte stream.
 *
 * @throws NetError `invalid_argument` for a wrong value of an option, and a name that is not known.
 */
export function framed(conn: Conn, codec: FrameCodec, options?: FramedOptions): MessageConn;
export function framed<A extends Addr>(
  listener: Listener<Conn, A>,
  codec: FrameCodec,
  options?: FramedOptions,
): Listener<MessageConn, A>;
export function framed(
  source: Conn | Listener,
  codec: FrameCodec,
  options?: FramedOptions,
): MessageConn | Listener<MessageConn>;
export function framed(
  source: Conn | Listener,
  codec: FrameCodec,
  options: FramedOptions = {},
): MessageConn | Listener<MessageConn> {
  checkNames("set", "a framing", options, framedNames);
  return framedBy(source, codec, options);
}

/** `framed` for options whose names have been checked: a framing may have more of them. */
export function framedBy(
  source: Conn | Listener,
  codec: FrameCodec,
  options: FramedOptions,
): MessageConn | Listener<MessageConn> {
  const settings = complete(options);
  const frame = (conn: Conn): MessageConn => new FramedConn(conn, codec, settings);
  return "accept" in source ? new FramedListener(source, frame) : frame(source);
}

function complete(options: FramedOptions): Settings {
  const limit = (name: keyof FramedOptions): number => {
    const { [name]: value = defaultFramedOptions[name] } = options;
    return checkLimit("set", name, value);
  };
  const time = (name: keyof FramedOptions): number => {
    const { [name]: value = defaultFramedOptions[name] } = options;
    return checkTime("set", name, value);
  };
  return {
    maxMessageBytes: limit("maxMessageBytes"),
    inboxLimits: {
      receiveHighWaterBytes: limit("receiveHighWaterBytes"),
      receiveHighWaterMessages: limit("receiveHighWaterMessages"),
    },
    sendLimits: {
      sendHighWaterBytes: limit("sendHighWaterBytes"),
      sendLimitBytes: limit("sendLimitBytes"),
    },
    writeTimeoutMs: time("writeTimeoutMs"),
    messageTimeoutMs: time("messageTimeoutMs"),
    closeTimeoutMs: time("closeTimeoutMs"),
  };
}

/** A part larger than this is not copied to join it with its header. */
const MAX_JOINED_BYTES = 16_384;

class FramedConn implements MessageConn, InboxSource, SendBufferSink, WriteWatchHost, MessageWatchHost {
  readonly peer: Peer;
  readonly localAddr: Addr;
  readonly maxSendBytes: number;
  readonly #conn: Conn;
  readonly #codec: FrameCodec;
  readonly #settings: Settings;
  readonly #decoder: FrameDecoder;
  readonly #inbox: Inbox;
  readonly #outgoing: SendBuffer;
  /** The inbox is full. */
  #isHeld = false;
  #isDecoding = false;
  /** Tells the stream to go on, after `data` was left with a promise. */
  #goOn: (() => void) | undefined;
  #closing: Promise<void> | undefined;
  /** All has left, and the stream is being closed: what it reports now is no news. */
  #isFinished = false;
  /** Why the connection broke or was cut. */
  #failure: Error | undefined;
  /** Nothing more has to be bounded in time. */
  #isOver = false;
  #closeTimer: NodeJS.Timeout | undefined;
  #writeWatch: WriteWatch | undefined;
  /** Made for the first message that comes in pieces. */
  #messageWatch: MessageWatch | undefined;
  messageNumber = 0;

  constructor(conn: Conn, codec: FrameCodec, settings: Settings) {
    this.#conn = conn;
    this.#codec = codec;
    this.#settings = settings;
    this.localAddr = conn.localAddr;
    this.peer = { transport: conn.remoteAddr.network, addr: conn.remoteAddr };
    this.maxSendBytes = Math.min(
      codec.maxPayloadBytes,
      settings.sendLimits.sendLimitBytes - codec.maxOverheadBytes,
    );
    this.#decoder = codec.decoder(settings.maxMessageBytes);
    this.#inbox = new Inbox(this, settings.inboxLimits);
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

  receive(options?: WaitOptions): Promise<Message | null> {
    return this.#inbox.receive(options);
  }

  serve(handler: MessageHandler): void {
    this.#inbox.serve(handler);
  }

  [Symbol.asyncIterator](): AsyncIterator<Message, undefined> {
    return this.#inbox[Symbol.asyncIterator]();
  }

  send(message: Message | PreparedMessage, options?: WaitOptions): Promise<void> {
    let frame: Frame;
    try {
      frame = this.#frame(message);
    } catch (error) {
      return rejection(this.#writeError(error));
    }
    return this.#outgoing.send(
      frame,
      memoryOf(frame, message),
      options?.signal,
      (signal) => canceledError(this.#writeSite, signal),
      () => closedError(this.#writeSite),
    );
  }

  trySend(message: Message | PreparedMessage): SendOutcome {
    try {
      const frame = this.#frame(message);
      return this.#outgoing.offer(frame, memoryOf(frame, message));
    } catch {
      return "refused"; // cannot be framed: `send` says why
    }
  }

  flush(options?: WaitOptions): Promise<void> {
    return this.#outgoing.flush(options?.signal, (signal) => canceledError(this.#writeSite, signal));
  }

  close(code = 1000, reason = ""): Promise<void> {
    const fault = closeFault(code, reason);
    if (fault !== undefined) return rejection(argumentError("close", fault));
    const closed = this.#closeInOrder({ code, reason, wasClean: true });
    this.#boundClosing();
    return closed;
  }

  abort(): void {
    this.#break(closedError({ ...this.route(), op: "read" }), true);
  }

  unref(): void {
    this.#conn.unref();
  }

  ref(): void {
    this.#conn.ref();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#isOver ? Promise.resolve() : this.close();
  }

  // What the inbox asks for.

  pause(): void {
    this.#isHeld = true;
  }

  resume(): void {
    this.#isHeld = false;
    if (!this.#isDecoding) this.#decode();
  }

  fail(error: unknown): void {
    const failure = this.#failure;
    if (
      failure !== undefined &&
      (error === failure || (error instanceof NetError && error.code === "closed"))
    ) {
      // A handler that waits for its `send` passes on that the connection has broken: why it has is the connection's to tell.
      this.#inbox.discard(brokenInfo(failure));
    }
    void this.#closeInOrder({ code: 1011, reason: "handler failed", wasClean: false, error: asError(error) });
    this.#boundClosing();
  }

  ended(): void {
    if (this.#closing !== undefined) return;
    // Later in this turn, so that who has just been told of the end may still send a last word. All that was sent still leaves, as long
    // as the peer goes on to take it.
    atEndOfTurn({ flush: () => void this.#closeInOrder({ code: 1000, reason: "", wasClean: true }) });
  }

  route(): Pick<NetErrorParts, "network" | "localAddr" | "remoteAddr"> {
    return { network: this.localAddr.network, localAddr: this.localAddr, remoteAddr: this.peer.addr };
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
    this.#inbox.drained();
  }

  /** What had arrived before is still received: the stream itself tells how it ended, if it does so in time. */
  failed(error: Error): void {
    this.#failure ??= error;
    if (this.#closing === undefined) this.#boundClosing();
  }

  // What the write watch asks for.

  get unsentBytes(): number {
    return this.#outgoing.bytes;
  }

  writeProgress(): WriteProgress {
    const { taken } = this.#outgoing;
    const progress = this.#transport?.progress();
    return progress === undefined
      ? { complete: taken, left: 0 }
      : { ...progress, complete: progress.complete ?? taken };
  }

  unacknowledgedBytes(): Promise<number | undefined> {
    return this.#transport?.unacknowledgedBytes() ?? Promise.resolve(undefined);
  }

  writeTimedOut(): void {
    const reason = `the peer has taken nothing of what waits for it for ${this.#settings.writeTimeoutMs} ms`;
    this.#break(new NetError({ ...this.#writeSite, code: "timeout", reason }), false);
  }

  // What the message watch asks for.

  get isPartway(): boolean {
    return this.#closing === undefined && !this.#inbox.isEnded && !this.#decoder.isAtBoundary;
  }

  get isHeldBack(): boolean {
    return this.#isHeld;
  }

  messageTimedOut(): void {
    const reason = `the peer has begun a message and not completed it for ${this.#settings.messageTimeoutMs} ms`;
    const error = new NetError({ ...this.route(), op: "read", code: "timeout", reason });
    this.#inbox.end({ code: 1008, reason, wasClean: false, error });
  }

  get #transport(): Transport | undefined {
    return this.#conn instanceof StreamConn ? this.#conn.transport : undefined;
  }

  get #writeSite(): FailureSite {
    return { ...this.route(), op: "write" };
  }

  #frame(message: Message | PreparedMessage): Frame {
    const content = asMessage(message instanceof PreparedMessage ? message.message : message);
    const length = payloadBytes(content, this.maxSendBytes);
    if (length > this.maxSendBytes) {
      const reason = `message of ${length} bytes is larger than ${this.maxSendBytes}`;
      throw new NetError({ ...this.route(), op: "write", code: "too_large", reason });
    }
    if (message instanceof PreparedMessage) return message.encodedAs(this.#codec);
    if (typeof content === "string" || length <= MAX_JOINED_BYTES) return this.#codec.encode(content);
    refuseFaulty(this.#codec, content);
    const payload = toBytes(content);
    const parts = [this.#codec.header(length), payload, this.#codec.trailer(payload)];
    return parts.filter((part) => part !== undefined);
  }

  #writeError(error: unknown): NetError {
    if (error instanceof NetError) return error;
    const code = error instanceof FrameFault ? error.code : "invalid_argument";
    return new NetError({ ...this.route(), op: "write", code, reason: asError(error).message });
  }

  #take(bytes: Uint8Array): void | Promise<void> {
    if (this.#closing !== undefined || this.#inbox.isEnded) return; // what comes now is nobody's
    this.#decoder.write(bytes);
    this.#decode();
    if (!this.#decoder.isAtBoundary) this.#watchMessage();
    if (!this.#isHeld) return;
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
    if (this.#closing === undefined) this.#inbox.end(this.#endInfo());
  }

  #gone(error: Error | undefined): void {
    if (this.#isFinished) return;
    this.#break(error ?? closedError({ ...this.route(), op: "read" }), false);
  }

  /** Takes messages out of the decoder until it needs more bytes or the inbox is full. */
  #decode(): void {
    this.#isDecoding = true;
    while (!this.#isHeld) {
      let message: Message | undefined;
      try {
        message = this.#decoder.next();
      } catch (error) {
        this.#isDecoding = false;
        return this.#refuse(error);
      }
      if (message === undefined || this.#closing !== undefined || this.#inbox.isEnded) break;
      this.messageNumber = (this.messageNumber + 1) | 0;
      this.#inbox.push(message, this.#decoder.messageBytes);
    }
    this.#isDecoding = false;
    if (!this.#isHeld) this.#readOn();
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
    const parts = { ...this.route(), op: "read", code: errorCode, reason } as const;
    this.#inbox.end({ code, reason, wasClean: false, error: new NetError(parts) });
  }

  #endInfo(): CloseInfo {
    const { loss } = this.#outgoing;
    if (loss !== undefined) return brokenInfo(loss); // Not clean: this side's messages were not all taken.
    if (this.#decoder.isAtBoundary) return { code: 1000, reason: "", wasClean: true };
    const reason = "the peer ended in the middle of a message";
    const error = new NetError({ ...this.route(), op: "read", code: "end_of_stream", reason });
    return { code: 1006, reason, wasClean: false, error };
  }

  #closeInOrder(info: CloseInfo): Promise<void> {
    this.#closing ??= told(this.#finish(info));
    return this.#closing;
  }

  /** From now on the connection has `closeTimeoutMs`, then it is cut. */
  #boundClosing(): void {
    if (this.#isOver) return;
    this.#closeTimer ??= startTimer(() => {
      this.#closeTimer = undefined;
      // The application is behind: it has not yet been given what arrived before the failure.
      if (this.#isHeld && this.#closing === undefined) this.#boundClosing();
      else this.#break(timeoutError({ ...this.route(), op: "close" }), false);
    }, this.#settings.closeTimeoutMs);
  }

  /** @throws the failure, if not all that was accepted was taken. */
  async #finish(info: CloseInfo): Promise<void> {
    this.#inbox.stop();
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
    this.#inbox.discard(this.#failure === undefined || !info.wasClean ? info : brokenInfo(this.#failure));
    if (failure !== undefined) throw failure;
  }

  /** The connection is gone, or has to go. What was received before is still delivered, unless it is our wish. */
  #break(error: Error, isOurs: boolean): void {
    this.#cut(error);
    this.#stopWatching();
    if (isOurs) this.#inbox.discard(brokenInfo(this.#failure ?? error));
    else if (this.#closing === undefined) {
      this.#decodeRest();
      this.#inbox.end(brokenInfo(this.#failure ?? error));
    }
  }

  #cut(error: Error): void {
    this.#failure ??= error;
    this.#outgoing.fail(this.#failure);
    this.#conn.abort();
  }

  /** What had arrived is the application's, also past the high-water mark: it is less than one read buffer. */
  #decodeRest(): void {
    if (!this.#isHeld || this.#isDecoding) return;
    try {
      for (let next = this.#decoder.next(); next !== undefined; next = this.#decoder.next()) {
        this.#inbox.push(next, this.#decoder.messageBytes);
      }
    } catch {
      // The peer broke the framing, too. The connection is broken already, and why is told.
    }
  }

  #stopWatching(): void {
    this.#isOver = true;
    clearTimeout(this.#closeTimer);
    this.#writeWatch?.stop();
    this.#messageWatch?.stop();
  }
}

function brokenInfo(error: Error): CloseInfo {
  return { code: 1006, reason: error.message, wasClean: false, error };
}

/** Bytes of `message` as payload; for a text that is surely below `limit` its length will do. */
function payloadBytes(message: Message, limit: number): number {
  if (typeof message !== "string") return message.length;
  // A UTF-16 unit is at most 3 bytes of UTF-8.
  return message.length * 3 <= limit ? message.length : Buffer.byteLength(message, "utf8");
}

/** A prepared message is the connections' for ever, and what a codec makes of a message its own, unless it shows the message itself. */
function memoryOf(frame: Frame, message: Message | PreparedMessage): FrameMemory {
  const content = message instanceof PreparedMessage ? "" : asMessage(message);
  if (typeof content === "string") return "kept";
  const parts = frame instanceof Uint8Array ? [frame] : frame;
  return parts.some((part) => overlap(part, content)) ? "borrowed" : "kept";
}

/** Two pieces of Node's pool lie in the same memory, and have nothing in common. */
function overlap(a: Uint8Array, b: Uint8Array): boolean {
  if (a.buffer !== b.buffer) return false;
  return a.byteOffset < b.byteOffset + b.byteLength && b.byteOffset < a.byteOffset + a.byteLength;
}
