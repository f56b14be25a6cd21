import type { Addr } from "./addr.ts";
import { atEndOfTurn } from "./end-of-turn.ts";
import type { Conn, Listener, WaitOptions } from "./conn.ts";
import { NetError, type NetErrorParts } from "./error.ts";
import { argumentError, canceledError, closedError, timeoutError } from "./failures.ts";
import { type FrameCodec, type FrameDecoder, FrameFault, refuseFaulty, toBytes } from "./frame-codec.ts";
import { FramedListener } from "./framed-listener.ts";
import { defaultInboxLimits, Inbox, type InboxLimits, type InboxSource } from "./inbox.ts";
import {
  type CloseInfo,
  type Message,
  type MessageConn,
  type MessageHandler,
  type Peer,
  PreparedMessage,
  type SendOutcome,
} from "./message-conn.ts";
import { type Frame, SendBuffer, type SendBufferSink, type SendLimits } from "./send-buffer.ts";

/** Options of every framing. */
export interface FramedOptions {
  /** Largest message accepted from the peer, in bytes without its frame. Default 65,536. A larger one ends the connection with 1009. */
  readonly maxMessageBytes?: number | undefined;
  /** Bytes of received messages that wait for the application before the peer is held back. Default 65,536. */
  readonly receiveHighWaterBytes?: number | undefined;
  /** Received messages that wait for the application before the peer is held back. Default 128. */
  readonly receiveHighWaterMessages?: number | undefined;
  /** Bytes to send from which on `trySend` answers `buffered` and `send` waits. Default 65,536. */
  readonly sendHighWaterBytes?: number | undefined;
  /** Most bytes that wait to be sent, and so the largest message that can be. Default 1,048,576. */
  readonly sendLimitBytes?: number | undefined;
  /** A peer that takes nothing for this long is cut off, in milliseconds; `Infinity`: never, which lets it hold its send buffer for ever. Default 30,000. */
  readonly writeTimeoutMs?: number | undefined;
  /** How long `close` may take before it cuts the connection, in milliseconds. Default 5,000. */
  readonly closeTimeoutMs?: number | undefined;
}

/** Used where `FramedOptions` leaves a field out. */
export const defaultFramedOptions = {
  maxMessageBytes: 65_536,
  receiveHighWaterBytes: defaultInboxLimits.highWaterBytes,
  receiveHighWaterMessages: defaultInboxLimits.highWaterMessages,
  sendHighWaterBytes: 65_536,
  sendLimitBytes: 1_048_576,
  writeTimeoutMs: 30_000,
  closeTimeoutMs: 5_000,
} as const satisfies FramedOptions;

/** Options made complete once for all connections of a listener. */
interface Settings {
  readonly maxMessageBytes: number;
  readonly inboxLimits: InboxLimits;
  readonly sendLimits: SendLimits;
  readonly writeTimeoutMs: number;
  readonly closeTimeoutMs: number;
}

/**
 * Makes a stream, or every stream a listener accepts, a message connection by a codec of your own.
 *
 * The connection belongs to the framing from now on. Close codes do not travel on a byte stream.
 *
 * @throws NetError `invalid_argument` for an option that is not a number above 0.
 */
export function framed(conn: Conn, codec: FrameCodec, options?: FramedOptions): MessageConn;
export function framed(listener: Listener, codec: FrameCodec, options?: FramedOptions): Listener<MessageConn>;
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
  const settings = complete(options);
  const frame = (conn: Conn): MessageConn => new FramedConn(conn, codec, settings);
  return "accept" in source ? new FramedListener(source, frame) : frame(source);
}

function complete(options: FramedOptions): Settings {
  const option = (name: keyof FramedOptions): number => {
    const value = options[name] ?? defaultFramedOptions[name];
    if (typeof value === "number" && value > 0) return value;
    throw argumentError("set", `${name} ${String(value)} is not a number above 0`);
  };
  return {
    maxMessageBytes: option("maxMessageBytes"),
    inboxLimits: {
      highWaterBytes: option("receiveHighWaterBytes"),
      highWaterMessages: option("receiveHighWaterMessages"),
    },
    sendLimits: { highWaterBytes: option("sendHighWaterBytes"), limitBytes: option("sendLimitBytes") },
    writeTimeoutMs: option("writeTimeoutMs"),
    closeTimeoutMs: Math.min(option("closeTimeoutMs"), MAX_DELAY_MS),
  };
}

/** The longest delay `setTimeout` takes, in milliseconds. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** A part larger than this is not copied to join it with its header. */
const MAX_JOINED_BYTES = 16_384;

class FramedConn implements MessageConn, InboxSource, SendBufferSink {
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
  /** Why the connection was cut. */
  #failure: Error | undefined;

  constructor(conn: Conn, codec: FrameCodec, settings: Settings) {
    this.#conn = conn;
    this.#codec = codec;
    this.#settings = settings;
    this.localAddr = conn.localAddr;
    this.peer = { transport: conn.remoteAddr.network, addr: conn.remoteAddr };
    this.maxSendBytes = Math.min(
      codec.maxPayloadBytes,
      settings.sendLimits.limitBytes - codec.maxOverheadBytes,
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
      return Promise.reject(this.#writeError(error));
    }
    return this.#outgoing.send(
      frame,
      options?.signal,
      (signal) => canceledError({ ...this.route(), op: "write" }, signal),
      () => closedError({ ...this.route(), op: "write" }),
    );
  }

  trySend(message: Message | PreparedMessage): SendOutcome {
    try {
      return this.#outgoing.offer(this.#frame(message));
    } catch {
      return "refused"; // cannot be framed: `send` says why
    }
  }

  close(code = 1000, reason = ""): Promise<void> {
    return this.#closeInOrder({ code, reason, wasClean: true });
  }

  abort(): void {
    this.#break(closedError({ ...this.route(), op: "read" }), true);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
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
    void this.#closeInOrder({ code: 1011, reason: "handler failed", wasClean: false, error: toError(error) });
  }

  ended(): void {
    if (this.#closing !== undefined) return;
    // Later in this turn, so that who has just been told of the end may still send a last word.
    atEndOfTurn(() => void this.#closeInOrder({ code: 1000, reason: "", wasClean: true }));
  }

  route(): Pick<NetErrorParts, "network" | "localAddr" | "remoteAddr"> {
    return { network: this.localAddr.network, localAddr: this.localAddr, remoteAddr: this.peer.addr };
  }

  // What the send buffer asks for.

  write(bytes: Uint8Array): Promise<void> {
    const { writeTimeoutMs } = this.#settings;
    if (writeTimeoutMs !== Number.POSITIVE_INFINITY) this.#conn.setWriteDeadline(Date.now() + writeTimeoutMs);
    return this.#conn.write(bytes);
  }

  drained(): void {
    this.#inbox.drained();
  }

  failed(error: Error): void {
    this.#break(error, false);
  }

  #frame(message: Message | PreparedMessage): Frame {
    const content = message instanceof PreparedMessage ? message.message : message;
    const length = payloadBytes(content, this.maxSendBytes);
    if (length > this.maxSendBytes) {
      const reason = `message of ${length} bytes is larger than ${this.maxSendBytes}`;
      throw new NetError({ ...this.route(), op: "write", code: "too_large", reason });
    }
    if (message instanceof PreparedMessage) return message.encodedAs(this.#codec);
    if (typeof message === "string" || length <= MAX_JOINED_BYTES) return this.#codec.encode(message);
    refuseFaulty(this.#codec, message);
    const payload = toBytes(message);
    const parts = [this.#codec.header(length), payload, this.#codec.trailer(payload)];
    return parts.filter((part) => part !== undefined);
  }

  #writeError(error: unknown): NetError {
    if (error instanceof NetError) return error;
    const code = error instanceof FrameFault ? error.code : "invalid_argument";
    return new NetError({ ...this.route(), op: "write", code, reason: toError(error).message });
  }

  #take(bytes: Uint8Array): void | Promise<void> {
    if (this.#closing !== undefined || this.#inbox.isEnded) return; // what comes now is nobody's
    this.#decoder.write(bytes);
    this.#decode();
    if (!this.#isHeld) return;
    this.#decoder.keep();
    return new Promise((resolve) => (this.#goOn = resolve));
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
    const reason = toError(error).message;
    const errorCode = error instanceof FrameFault ? error.code : "unknown";
    const parts = { ...this.route(), op: "read", code: errorCode, reason } as const;
    this.#inbox.end({ code, reason, wasClean: false, error: new NetError(parts) });
  }

  #endInfo(): CloseInfo {
    if (this.#decoder.isAtBoundary) return { code: 1000, reason: "", wasClean: true };
    const reason = "the peer ended in the middle of a message";
    const error = new NetError({ ...this.route(), op: "read", code: "end_of_stream", reason });
    return { code: 1006, reason, wasClean: false, error };
  }

  #closeInOrder(info: CloseInfo): Promise<void> {
    this.#closing ??= this.#finish(info);
    return this.#closing;
  }

  /** Never rejects. */
  async #finish(info: CloseInfo): Promise<void> {
    this.#inbox.stop();
    this.#readOn();
    const { closeTimeoutMs } = this.#settings;
    const timer = setTimeout(() => {
      this.#break(timeoutError({ ...this.route(), op: "close" }), false);
    }, closeTimeoutMs);
    await this.#outgoing.end();
    try {
      this.#isFinished = true;
      if (this.#failure === undefined) await this.#conn.close();
    } catch (error) {
      this.#break(toError(error), false);
    }
    clearTimeout(timer);
    this.#inbox.discard(this.#failure === undefined || !info.wasClean ? info : brokenInfo(this.#failure));
  }

  /** The connection is gone, or this side wants it to be. */
  #break(error: Error, isOurs: boolean): void {
    this.#failure ??= error;
    this.#outgoing.fail(error);
    this.#conn.abort();
    if (isOurs) this.#inbox.discard(brokenInfo(error));
    else if (this.#closing === undefined) this.#inbox.end(brokenInfo(error));
  }
}

function brokenInfo(error: Error): CloseInfo {
  return { code: 1006, reason: error.message, wasClean: false, error };
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** Bytes of `message` as payload; for a text that is surely below `limit` its length will do. */
function payloadBytes(message: Message, limit: number): number {
  if (typeof message !== "string") return message.length;
  // A UTF-16 unit is at most 3 bytes of UTF-8.
  return message.length * 3 <= limit ? message.length : Buffer.byteLength(message, "utf8");
}
