import type { Addr } from "./addr.ts";
import { asMessage } from "./as-message.ts";
import type { WaitOptions } from "./conn.ts";

/** One message: text is a `string`, binary a `Uint8Array`. */
export type Message = string | Uint8Array;

/**
 * What `trySend` did with a message.
 * - `sent`: accepted, and there is room for more.
 * - `buffered`: accepted, but the send buffer is past its high-water mark: wait for `drain` before sending
 *   more.
 * - `refused`: not accepted, because it would pass the byte limit, is larger than `maxSendBytes`, or the
 *   connection is closed.
 */
export type SendOutcome = "sent" | "buffered" | "refused";

/**
 * How a message connection ended. Codes are those of the WebSocket close code registry (RFC 6455 §7.4) on
 * every transport.
 */
export interface CloseInfo {
  /** 1000 normal, 1001 going away, 1006 when the transport just broke, … */
  readonly code: number;
  readonly reason: string;
  /** True when both sides ended in order (close handshake, or end of stream at a message boundary). */
  readonly wasClean: boolean;
  /** Why it broke, when it did. */
  readonly error?: Error;
}

/**
 * Receives the messages of a connection without a promise per message.
 *
 * What `message`, `drain` or `end` throws, or rejects with, ends the connection with 1011 and comes to
 * `close`, unless the connection had broken before. What `close` throws nobody catches: it must not.
 */
export interface MessageHandler {
  /**
   * Called for each message in order. While a returned promise is pending nothing more is received and the
   * peer is held back.
   */
  message(message: Message): void | Promise<void>;
  /** The send buffer has room again after `trySend` answered `buffered` or `refused`. */
  drain?(): void | Promise<void>;
  /**
   * The peer sends nothing more and may still be listening: a connection over a stream whose peer has ended
   * its side, or sent what breaks the framing, after all messages and before `close`. What is sent until a
   * returned promise settles still leaves, for at most `closeTimeoutMs`; then the connection closes. If it
   * breaks before, `close` is told why at once. Elsewhere it is not called: a WebSocket that was closed is
   * sent nothing, and datagrams have no end.
   */
  end?(): void | Promise<void>;
  /** Called exactly once, last. */
  close?(info: CloseInfo): void;
}

/** A peer whose source address may be forged proves that it receives what is sent there. */
export interface AddressVerification {
  /** A short string the peer must send back; stateless and bound to its address and a time window. */
  readonly cookie: string;
  /** True if `cookie` is right, and from then on the peer counts as verified. */
  verify(cookie: string): boolean;
}

/** Who is on the other end, as far as the transport knows. */
export interface Peer {
  readonly transport: "websocket" | "tcp" | "tls" | "unix" | "udp" | "pipe";
  readonly addr: Addr;
  /** Set while the address may be forged (datagrams): until then no more bytes leave than came in. */
  readonly verification?: AddressVerification | undefined;
  /** The subprotocol on which both sides of a WebSocket agreed, if they did. */
  readonly subprotocol?: string | undefined;
  /** The HTTP request the connection began as, if it did. */
  readonly request?: {
    readonly url: string;
    readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  };
}

/**
 * An ordered flow of messages with one peer. WebSocket is one by nature, a `Conn` becomes one through a
 * framing, and `peers()` makes one for each source address of a datagram socket (there, messages may be lost
 * or reordered).
 *
 * What is sent is text or bytes, alike on every transport: a `string`, a `Uint8Array`, and from JavaScript
 * any other view, of which what it shows is sent, or a whole `ArrayBuffer`. How it is received the transport
 * says: a WebSocket tells both apart, a framing gives what its option `messages` asks for.
 *
 * Receive by `receive()`/iteration, or by `serve()` from some message on, not both at once. Receiving stops
 * the peer while the consumer is behind.
 *
 * Whose memory it is: a received message is the application's own; nobody else ever writes there, and it may
 * be kept, changed or transferred. A sent one is read until the promise of `send` has settled, by `trySend`
 * until it returns, and not after (over a `Conn` whose write deadline passes: see the exception at
 * `Conn.write`). Only a `PreparedMessage` belongs to the connections for ever.
 */
export interface MessageConn extends AsyncIterable<Message>, AsyncDisposable {
  readonly peer: Peer;
  readonly localAddr: Addr;
  /** Largest message this connection can send, in encoded bytes. */
  readonly maxSendBytes: number;
  /** Bytes accepted by `send`/`trySend` and not yet handed to the operating system. */
  readonly bufferedAmount: number;
  /**
   * True while the operating system has not taken all that it was given: what is sent now waits behind that.
   * What was sent in this turn of the event loop does not count. `flush` tells when it is over. `undefined`:
   * it is not known (datagrams).
   */
  readonly isCongested?: boolean | undefined;
  /**
   * The transport closes a connection from which nothing came for this long (datagrams); `undefined`: it does
   * not.
   */
  readonly idleTimeoutMs?: number | undefined;

  /** Waits for the next message; `null` after a clean close. @throws after an unclean one. */
  receive(options?: WaitOptions): Promise<Message | null>;

  /** Hands all messages, including those already received, to `handler`. May be called once. */
  serve(handler: MessageHandler): void;

  /**
   * Waits for room, sends, and resolves when there is room for more; so a loop of `await send()` keeps its
   * batching. Messages that wait stand in the order of their calls, with their senders and not in the send
   * buffer: who does not wait for `send` bounds how many there are. By then the message was copied or sent:
   * the caller may write over its memory once this has settled, and not before. `flush` tells when the system
   * has taken it.
   *
   * Nobody need wait for it: a failure is told by `receive`, by the handler's `close` or by the next call as
   * well, and ends no process.
   *
   * @throws NetError when the connection is or gets closed, `too_large` past `maxSendBytes`,
   * `invalid_argument` for what is neither text nor bytes, `canceled` by the signal: one that still waited
   * for room is not sent then, one that was taken is (but for a signal that was aborted before); over
   * datagrams `no_room` when the message cannot leave now, where other transports wait.
   */
  send(message: Message | PreparedMessage, options?: WaitOptions): Promise<void>;

  /**
   * Sends if there is room, says what happened, never throws and never waits; nor does it overtake a `send`
   * that waits. By its return the message was copied or sent: the caller may write over its memory. For large
   * messages that go to many connections a `PreparedMessage` copies nothing.
   */
  trySend(message: Message | PreparedMessage): SendOutcome;

  /**
   * Waits until the operating system has taken all messages that were sent before, those of sends that still
   * wait included. That says nothing of their arrival. As for `send` and `receive`, a signal that was aborted
   * before rejects, also if there is nothing to wait for.
   *
   * @throws NetError when it will not: the connection is or gets closed or broken with some of them not
   *   taken; `canceled` by the signal.
   */
  flush(options?: WaitOptions): Promise<void>;

  /**
   * Closes in order, after what was sent, sends that still wait included; resolves when the operating system
   * has taken all of it; bounded in time. Default code 1000. Later calls wait for the first.
   *
   * Nobody need wait for it: a failure is told to the handler's `close` as well, and ends no process.
   *
   * @param code One that a WebSocket may send, also where codes do not travel: 1000 to 1003, 1007 to 1014,
   * 3000 to 4999 (RFC 6455 §7.4).
   * @param reason At most 123 bytes of UTF-8.
   * @throws NetError `invalid_argument` for another code or reason; when not all that was accepted was taken:
   * `timeout`, or why the connection broke.
   */
  close(code?: number, reason?: string): Promise<void>;

  /** Closes at once, without flushing. */
  abort(): void;

  /**
   * Lets the process end although this connection is open, for one in the background. A `close` under way
   * holds the process nevertheless. A datagram peer holds none: its socket does, see `PeerListener`.
   */
  unref(): void;
  /** Takes `unref` back. */
  ref(): void;

  /**
   * `close()`; but of a connection that is over already, however it ended, nothing is thrown: whoever
   * received was told.
   */
  [Symbol.asyncDispose](): Promise<void>;
}

/** How a transport puts one message on the wire. Compared by identity, so make it a constant. */
export interface Encoding {
  /** The result is never changed again, by nobody. It may be, or show, the message itself. */
  encode(message: Message): Uint8Array;
}

/**
 * A message for many connections: each transport's wire form is built once and shared, and copied for none of
 * them but datagrams.
 *
 * The bytes of a binary message belong to the connections for ever: they may be read at any time after, also
 * by a connection that sends it later, so they must never be changed, transferred or lent. Give it a copy of
 * what you still need.
 */
export class PreparedMessage {
  readonly message: Message;
  #encoding: Encoding | undefined;
  #bytes: Uint8Array | undefined;
  #others: Map<Encoding, Uint8Array> | undefined;

  constructor(message: Message) {
    this.message = message;
  }

  /** The wire form for `encoding`. Must not be changed by the caller: it is shared. */
  encodedAs(encoding: Encoding): Uint8Array {
    if (this.#encoding === encoding && this.#bytes) return this.#bytes;
    const known = this.#others?.get(encoding);
    if (known) return known;
    const bytes = encoding.encode(asMessage(this.message));
    if (this.#encoding === undefined) {
      this.#encoding = encoding;
      this.#bytes = bytes;
    } else {
      this.#others ??= new Map();
      this.#others.set(encoding, bytes);
    }
    return bytes;
  }
}
