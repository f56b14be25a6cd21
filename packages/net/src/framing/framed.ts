import type { Addr } from "../contracts/addr.ts";
import type { Conn, Deadline, Listener, WaitOptions } from "../contracts/conn.ts";
import type { FrameCodec } from "./frame-codec.ts";
import { FramedConn, type FramedSettings } from "./framed-conn.ts";
import { defaultInboxLimits } from "../flow/inbox-queue.ts";
import type { MessageConn } from "../contracts/message-conn.ts";
import { told } from "../flow/told.ts";
import { checkHas, checkLimit, checkNames, checkTime, type Names } from "../options/check-values.ts";

/** Options of every framing. */
export interface FramedOptions {
  /**
   * Largest message accepted from the peer, in bytes without its frame. Default 65,536. A larger one ends the
   * connection with 1009.
   */
  readonly maxMessageBytes?: number | undefined;
  /**
   * Bytes of received messages that wait for the application before the peer is held back. Default 65,536.
   */
  readonly receiveHighWaterBytes?: number | undefined;
  /** Received messages that wait for the application before the peer is held back. Default 128. */
  readonly receiveHighWaterMessages?: number | undefined;
  /** Bytes that may wait to be sent before `trySend` answers `buffered` and `send` waits. Default 65,536. */
  readonly sendHighWaterBytes?: number | undefined;
  /** Most bytes that wait to be sent, and so the largest message that can be. Default 1,048,576. */
  readonly sendLimitBytes?: number | undefined;
  /**
   * A peer that takes nothing of what waits for it is cut off after this long, to within a quarter, in
   * milliseconds; `Infinity`: never, which lets it hold its send buffer for ever. Default 30,000.
   *
   * Each byte that leaves this process is a sign of life; on Linux, over TCP and TLS, each that the peer's
   * system acknowledges is, too. Elsewhere a system tells of progress only when a good part of its send
   * buffer is free, so that a peer surely survives which takes a whole buffer in this time: with 4 MiB and
   * the default that is 140 KB/s. Over `fromNodeStream` whole writes count, of up to 256 KiB. On slower links
   * raise it.
   */
  readonly writeTimeoutMs?: number | undefined;
  /**
   * How long a message may take from its first byte to its last, in milliseconds, not counting the time in
   * which the application takes nothing. Then the connection ends with code 1008 and `timeout`, at most half
   * as long again later. Without it a peer may send half a line and stay for ever. Default 60,000: 64 KiB at
   * 1.1 kB/s pass. Raise it with `maxMessageBytes`. `Infinity` waits for ever: right for a client whose
   * server prompts without ending the line. A peer that says nothing at all is the business of
   * `ListenOptions.firstByteTimeoutMs`, or of the protocol above.
   */
  readonly messageTimeoutMs?: number | undefined;
  /**
   * How long `close` may take, in milliseconds, all in all: a peer that goes on to take bytes, but has not
   * taken them all by then, is cut off too, and `close` rejects with `timeout`. Default 5,000.
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
  // Whoever has types is told by them; a forgotten `await` would end as a TypeError far from here.
  checkHas("set", source, ["accept", "serve"], "neither a connection nor a listener");
  const frame = (conn: Conn): MessageConn => new FramedConn(conn, codec, settings);
  return "accept" in source ? new FramedListener(source, frame) : frame(source);
}

function complete(options: FramedOptions): FramedSettings {
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

/**
 * A listener of streams, seen as one of message connections. The streams stay the inner listener's to count
 * and to abort.
 */
class FramedListener implements Listener<MessageConn> {
  readonly addr: Addr;
  readonly #inner: Listener;
  readonly #frame: (conn: Conn) => MessageConn;

  constructor(inner: Listener, frame: (conn: Conn) => MessageConn) {
    this.addr = inner.addr;
    this.#inner = inner;
    this.#frame = frame;
  }

  accept(options?: WaitOptions): Promise<MessageConn> {
    return told(this.#inner.accept(options).then(this.#frame));
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<MessageConn, void, undefined> {
    for await (const conn of this.#inner) yield this.#frame(conn);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  drain(deadline: Deadline, options?: WaitOptions): Promise<void> {
    return this.#inner.drain(deadline, options);
  }

  abort(): Promise<void> {
    return this.#inner.abort();
  }

  unref(): void {
    this.#inner.unref();
  }

  ref(): void {
    this.#inner.ref();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
