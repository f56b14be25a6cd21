import type {
  Addr,
  Message,
  MessageConn,
  MessageHandler,
  Peer,
  PreparedMessage,
  SendOutcome,
  WaitOptions,
} from "@zocalo/net";
import { closeFault, type Inbox, rejection, told } from "@zocalo/net/transport";
import { CLOSE } from "../core/close-frame.ts";
import { WebSocketNetError } from "../core/error.ts";
import { type IncomingStream, IncomingStreams } from "./incoming-stream.ts";
import type { StreamSource } from "./outgoing-stream.ts";
import { unpackRequest } from "./request-info.ts";
import type { Session } from "./session.ts";
import type { MessagePart } from "../core/message-body.ts";

/** The longest payload Node can hold in one buffer on every platform it supports. */
const MAX_SEND_BYTES = 2 ** 31 - 1;

const ONLY_STREAMS = 'with messages: "stream" there is only receiveStream';

/** What the handshake settled, as far as applications see it. */
export interface ConnFacts {
  readonly subprotocol: string;
  readonly extensions?: string | undefined;
  /** As `packRequest` gives it. */
  readonly request?: string | undefined;
}

/**
 * One WebSocket connection. Made by an `Upgrader`, by `listen` and by `dial`.
 *
 * Receive by iterating, by `receive`, or by `serve` with a handler, which costs the least. All frames sent in
 * one turn of the event loop leave in one write.
 *
 * Whose memory it is (decision 0011): a binary message that is received is the receiver's own. Nothing else
 * ever writes there; it may be kept, changed or transferred (several short ones may lie in one pool: then a
 * transfer is refused, or copies). What is sent is read until the call's promise settles, and not after;
 * `trySend` has copied or sent it by the time it returns. So after either the bytes may be written over.
 * Bytes that are only lent may be sent, too. What is sent is copied once, but for two cases: a
 * `PreparedMessage`, which is framed once for all connections and must never be changed again; and 64 KiB and
 * more that a server sends by `send` without a signal, uncompressed, while nothing else waits: they go from
 * where they are, and the promise is pending until the system has them.
 *
 * No promise of a connection ends the process when it rejects and nobody waits: the handler's `close`,
 * `receive` and the next call tell what happened.
 *
 * @example
 * const conn = await dial("ws://localhost:8080/ws");
 * await conn.send("hola");
 * for await (const message of conn) console.log(message);
 */
export class WebSocketConn implements MessageConn {
  /** The subprotocol both sides agreed on, or `""`. */
  readonly subprotocol: string;
  /** The extensions both sides agreed on, as they stand in the handshake's answer, or `""`. */
  readonly extensions: string;
  readonly #session: Session;
  /** If messages are streamed. */
  readonly #incoming: IncomingStreams | undefined;
  readonly #request: string | undefined;
  #peer: Peer | undefined;

  /** Made by `OpenedConn` alone. @internal */
  protected constructor(session: Session, { subprotocol, extensions, request }: ConnFacts) {
    this.subprotocol = subprotocol;
    this.extensions = extensions ?? "";
    this.#request = request;
    this.#session = session;
    this.#incoming = session.settings.isStreaming
      ? new IncomingStreams(session.inbox as Inbox<MessagePart>)
      : undefined;
  }

  get maxSendBytes(): number {
    return MAX_SEND_BYTES;
  }

  /** Who is on the other end. */
  get peer(): Peer {
    this.#peer ??= {
      transport: "websocket",
      addr: this.#session.transport.remoteAddr,
      ...(this.subprotocol === "" ? undefined : { subprotocol: this.subprotocol }),
      ...(this.#request === undefined ? undefined : { request: unpackRequest(this.#request) }),
    };
    return this.#peer;
  }

  get localAddr(): Addr {
    return this.#session.transport.localAddr;
  }

  /** False once either side has begun to close, or the connection has broken: nothing more can be sent. */
  get isOpen(): boolean {
    return this.#session.isOpen;
  }

  /**
   * True once something that was sent can no more be taken by the system, because the connection broke
   * before. Then `flush` and `close` reject.
   */
  get hasLost(): boolean {
    return this.#session.hasLost;
  }

  /** Bytes accepted and not yet handed to the operating system, frame headers included. */
  get bufferedAmount(): number {
    return this.#session.bufferedAmount;
  }

  get isCongested(): boolean {
    return this.#session.unsentBytes > 0;
  }

  /**
   * Milliseconds between the last ping that was answered (by `ping` or keepalive) and its pong; `undefined`
   * before the first.
   */
  get roundTripMs(): number | undefined {
    return this.#session.roundTripMs;
  }

  /**
   * @throws WebSocketNetError through the promise: `abnormal_closure`, `bad_frame`, …, with both sides' Close
   * frames. After the peer's Close frame, too, if the peer was gone before the system had taken all that was
   * sent.
   */
  receive(options?: WaitOptions): Promise<Message | null> {
    return this.#incoming === undefined
      ? this.#inbox().receive(options)
      : rejection(new WebSocketNetError("invalid_argument", ONLY_STREAMS));
  }

  serve(handler: MessageHandler): void {
    this.#inbox().serve(handler);
  }

  /** Leaving the loop closes nothing: iterate again to go on. */
  [Symbol.asyncIterator](): AsyncIterator<Message, undefined> {
    return this.#inbox()[Symbol.asyncIterator]();
  }

  /**
   * Waits for the next message and gives it while it arrives; `null` after a clean close. What was not read
   * of the message before is thrown away. For connections with the option `messages: "stream"`; one call at a
   * time. Not reading holds the peer back: at most `receiveHighWaterBytes` wait, and what one read brings (of
   * a compressed message at most 528 kB more).
   *
   * @throws WebSocketNetError `invalid_argument`, and as `receive` does. Iterating the stream throws the
   *   same, and `closed` if the peer closed in the middle.
   * @example
   * for (let message; (message = await conn.receiveStream()) !== null; ) {
   *   for await (const chunk of message) await file.write(chunk);
   * }
   */
  receiveStream(options?: WaitOptions): Promise<IncomingStream | null> {
    if (this.#incoming !== undefined) return told(this.#incoming.next(options));
    const reason = 'receiveStream needs the option messages: "stream"';
    return rejection(new WebSocketNetError("invalid_argument", reason));
  }

  /**
   * Sends one message while it is made: each chunk of `source` is a fragment of its own, and the next is
   * asked for when there is room. All chunks are text, or all are bytes; without any the message is binary
   * and empty. It is not compressed. Meanwhile `send` waits and `trySend` refuses; pings pass.
   *
   * @throws WebSocketNetError through the promise: `closed`, `canceled`, `invalid_argument`, or what the
   *   source threw. A message that was begun cannot be taken back: unless all of it was sent by then, the
   *   connection is closed with 1011.
   * @example
   * await conn.sendStream(createReadStream("film.mp4"));
   */
  sendStream(source: StreamSource, options?: WaitOptions): Promise<void> {
    return told(this.#session.sendStream(source, options));
  }

  /**
   * @throws WebSocketNetError through the promise: `closed`, `invalid_argument`, `canceled` (a message that
   *   was taken before is sent all the same; one that still waited for room, or for a stream, is not).
   */
  send(message: Message | PreparedMessage, options?: WaitOptions): Promise<void> {
    return this.#session.send(message, options);
  }

  trySend(message: Message | PreparedMessage): SendOutcome {
    return this.#session.trySend(message);
  }

  /**
   * Resolves when the operating system has taken all that was sent so far: that is no proof that the peer has
   * it. Frames leave at the end of the turn by themselves; this is for who wants to know that they have.
   *
   * @throws WebSocketNetError through the promise: `closed` if the connection ended before that, `canceled`
   *   (what was sent still leaves).
   */
  flush(options?: WaitOptions): Promise<void> {
    return told(this.#session.untilFlushed(options));
  }

  /**
   * Pings the peer.
   *
   * @returns the round trip in milliseconds.
   * @throws WebSocketNetError `closed` if the connection ends before the pong.
   */
  ping(): Promise<number> {
    return this.#session.ping();
  }

  /**
   * Closes in order, and resolves when the system has taken all that was sent and the connection is over:
   * after the peer's Close frame, or after `closeTimeoutMs`. A peer that does not answer is no failure; how
   * the connection ended `receive` and the handler's `close` tell. Messages that nobody has taken, and those
   * that still arrive before the peer's Close frame, are dropped: who wants a peer's last messages lets the
   * peer close first.
   *
   * @param code 1000 to 1003, 1007 to 1014, 3000 to 4999. Default 1000.
   * @param reason at most 123 bytes of UTF-8.
   * @throws WebSocketNetError through the promise: `invalid_argument`; `closed`, with the reason as `cause`,
   *   if not all that was sent was taken.
   */
  close(code: number = CLOSE.normal, reason = ""): Promise<void> {
    const fault = closeFault(code, reason);
    if (fault !== undefined) return rejection(new WebSocketNetError("invalid_argument", fault));
    return this.#session.close(code, reason);
  }

  /** As `close` does, with a Close frame that has no code, so that the peer sees 1005. Browsers close so. */
  closeWithoutCode(): Promise<void> {
    return this.#session.close(CLOSE.noStatus, "");
  }

  #inbox(): Inbox {
    if (this.#incoming === undefined) return this.#session.inbox as Inbox;
    throw new WebSocketNetError("invalid_argument", ONLY_STREAMS);
  }

  abort(): void {
    this.#session.abort();
  }

  unref(): void {
    this.#session.transport.unref();
  }

  ref(): void {
    this.#session.transport.ref();
  }

  /**
   * `close()`; but of a connection that is over already, however it ended, nothing is thrown: whoever
   * received was told.
   */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#session.isOver ? Promise.resolve() : this.close();
  }
}
