import {
  ReadableStream,
  type ReadableStreamDefaultController,
  WritableStream,
  type WritableStreamDefaultController,
} from "node:stream/web";
import type { CloseInfo, Message } from "@zocalo/net";
import { onceAborted } from "@zocalo/net/transport";
import type { WebSocketConn } from "../session/conn.ts";
import { CLOSE, type CloseFrame } from "../core/close-frame.ts";
import { checkedDialOptions, type DialOptions } from "../client/dial-options.ts";
import { WebSocketNetError } from "../core/error.ts";
import { defineInterface, dictionary, requireArguments, usvString, usvStrings } from "./web-idl.ts";
import { readCloseInfo, streamError, type WebSocketCloseInfo, WebSocketError } from "./websocket-error.ts";
import {
  checkedCloseFrame,
  checkProtocols,
  close,
  connect,
  endOf,
  ignore,
  parseUrl,
  toMessage,
} from "./whatwg-common.ts";

/** What `opened` gives. */
export interface OpenedStream {
  /** Messages: strings, and `Uint8Array`s that belong to the reader. */
  readonly readable: ReadableStream<Message>;
  /** Takes strings, `ArrayBuffer`s and views; anything else is made a string. */
  readonly writable: WritableStream<string | ArrayBuffer | ArrayBufferView>;
  readonly protocol: string;
  readonly extensions: string;
}

/** How a `WebSocketStream` connects. Compression is offered by default, as browsers do. */
export interface WebSocketStreamOptions extends Omit<DialOptions, "subprotocols" | "messages"> {
  /** Subprotocols to offer. Default: none. */
  readonly protocols?: Iterable<string> | undefined;
}

interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * A WebSocket as a pair of Web Streams, with backpressure in both directions: what is not read stops the
 * peer, and `writer.ready` waits for room.
 *
 * **Not yet a standard, and so not covered by the promise of stable names.** It follows the proposal
 * (https://github.com/whatwg/websockets/pull/48, whose explainer is
 * https://github.com/ricea/websocketstream-explainer) and its tentative web-platform tests, with one
 * difference: what is written after `close` is refused, where the proposal drops it without a word.
 *
 * @example
 * const { readable, writable } = await new WebSocketStream("ws://localhost:8080/ws").opened;
 * await readable.pipeTo(writable);
 */
export class WebSocketStream {
  readonly #url: URL;
  readonly #opened = deferred<OpenedStream>();
  readonly #closed = deferred<Required<WebSocketCloseInfo>>();
  readonly #dialing = new AbortController();
  #connection: Connection | undefined;

  /**
   * @param options.signal cancels connecting; once connected it does nothing.
   * @throws DOMException `SyntaxError` for a bad URL or subprotocol, WebSocketNetError `invalid_argument` for
   *   an option that there is not.
   */
  constructor(url: string | URL, options: WebSocketStreamOptions = {}) {
    requireArguments("WebSocketStream", arguments.length, 1);
    const text = usvString(url); // All arguments are converted before one of them is looked at.
    const { protocols = [], signal, ...others } = dictionary(options) as WebSocketStreamOptions;
    const subprotocols = usvStrings(protocols);
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw new TypeError("signal is not an AbortSignal");
    }
    this.#url = parseUrl(text);
    checkProtocols(subprotocols);
    const { compression = true, ...rest } = checkedDialOptions(others);
    const dialOptions = { ...rest, compression, subprotocols, signal: this.#dialing.signal };
    if (signal === undefined) {
      void this.#connect(dialOptions);
      return;
    }
    if (signal.aborted) {
      this.#fail(signal.reason);
      return;
    }
    const canceled = (): void => {
      if (this.#connection !== undefined) return;
      this.#fail(signal.reason);
      this.#dialing.abort();
    };
    const forget = onceAborted(signal, canceled);
    void this.#connect(dialOptions).then(forget);
  }

  /** As it was parsed, with the scheme `ws:` or `wss:`. */
  get url(): string {
    return this.#url.href;
  }

  /** Rejects with a `WebSocketError` if no connection could be made, or with the signal's reason. */
  get opened(): Promise<OpenedStream> {
    return this.#opened.promise;
  }

  /**
   * Resolves with what the peer said, after a close in which nothing was lost. Rejects with a
   * `WebSocketError` after any other end, which both streams end with, too; only a write that is cut
   * off by the peer's Close frame rejects with `InvalidStateError`. What has arrived is read first.
   */
  get closed(): Promise<Required<WebSocketCloseInfo>> {
    return this.#closed.promise;
  }

  /**
   * Closes both streams, after what was written. Without a code the peer is told none.
   *
   * @throws DOMException `InvalidAccessError` for a code other than 1000 and 3000 to 4999, `SyntaxError` for
   *   a reason of more than 123 bytes of UTF-8.
   */
  close(closeInfo: WebSocketCloseInfo = {}): void {
    const { closeCode, reason } = readCloseInfo(closeInfo);
    const frame = checkedCloseFrame(closeCode, reason);
    if (this.#connection === undefined) this.#dialing.abort();
    else void this.#connection.close(frame);
  }

  async #connect(options: DialOptions): Promise<void> {
    let conn: WebSocketConn;
    try {
      conn = await connect(this.#url, options);
      if (this.#dialing.signal.aborted) {
        conn.abort();
        throw new WebSocketNetError("canceled", "closed while connecting");
      }
    } catch (cause) {
      this.#opened.reject(streamError("no connection", null, "", cause));
      this.#closed.reject(streamError("no connection", CLOSE.abnormal, "", cause));
      return;
    }
    this.#connection = new Connection(conn, this.#closed);
    const { readable, writable } = this.#connection;
    const { subprotocol: protocol, extensions } = conn;
    this.#opened.resolve({ readable, writable, protocol, extensions });
  }

  #fail(reason: unknown): void {
    this.#opened.reject(reason);
    this.#closed.reject(reason);
  }
}
defineInterface(WebSocketStream, "WebSocketStream");

/** An open connection and its two streams. */
class Connection {
  readonly readable: ReadableStream<Message>;
  readonly writable: WritableStream<unknown>;
  readonly #conn: WebSocketConn;
  readonly #closed: Deferred<Required<WebSocketCloseInfo>>;
  #reader: ReadableStreamDefaultController<Message> | undefined;
  /** Lets one more message through; until then the handler's promise holds the peer back. */
  #pulled: (() => void) | undefined;
  #writer: WritableStreamDefaultController | undefined;
  #isWriting = false;
  #isClosing = false;
  /** How the connection broke: one error for all who ask. */
  #failure: WebSocketError | undefined;

  constructor(conn: WebSocketConn, closed: Deferred<Required<WebSocketCloseInfo>>) {
    this.#conn = conn;
    this.#closed = closed;
    this.readable = new ReadableStream<Message>(
      {
        start: (controller) => {
          this.#reader = controller;
        },
        pull: () => this.#pull(),
        cancel: (reason) => {
          this.#reader = undefined;
          void this.close(closeFrameOf(reason));
        },
      },
      { highWaterMark: 1 },
    );
    this.writable = new WritableStream<unknown>({
      start: (controller) => {
        this.#writer = controller;
      },
      write: (chunk) => this.#write(chunk),
      close: () => this.#finish(),
      abort: (reason) => void this.close(closeFrameOf(reason)),
    });
    conn.serve({
      message: (message) => this.#received(message),
      close: (info) => this.#ended(info),
    });
  }

  /** Messages that nobody has asked for yet are dropped, as a browser drops those that come after `close`. */
  async close(frame: CloseFrame | undefined): Promise<void> {
    this.#isClosing = true;
    const over = close(this.#conn, frame);
    this.#pull();
    return over;
  }

  #received(message: Message): Promise<void> | undefined {
    const reader = this.#reader;
    if (reader === undefined || this.#isClosing) return undefined;
    // A chunk's buffer is its own: who transfers it must not take other messages along.
    reader.enqueue(typeof message === "string" ? message : ownBytes(message));
    if ((reader.desiredSize ?? 1) > 0) return undefined;
    return new Promise<void>((resolve) => {
      this.#pulled = resolve;
    });
  }

  #pull(): void {
    this.#pulled?.();
    this.#pulled = undefined;
  }

  async #write(chunk: unknown): Promise<void> {
    const message = toMessage(chunk);
    const wasOpen = this.#conn.isOpen;
    this.#isWriting = true;
    try {
      await this.#conn.send(message);
      if (this.#failure !== undefined) this.#writer?.error(this.#failure);
    } catch (error) {
      if (this.#conn.isOpen || !(error instanceof WebSocketNetError)) throw error;
      const { sent, received } = error;
      // What was accepted and then cut off makes the end unclean, whoever closed.
      if (wasOpen || (sent === undefined && received === undefined)) this.#broken(received, error);
      throw received === undefined && this.#failure !== undefined ? this.#failure : closedError();
    } finally {
      this.#isWriting = false;
    }
  }

  /** Resolves when the closing handshake is over. */
  async #finish(): Promise<void> {
    await this.close(undefined);
    await this.#closed.promise;
  }

  #ended(info: CloseInfo): void {
    const { wasClean, code, reason } = endOf(info);
    if (wasClean && this.#failure === undefined) {
      this.#reader?.close();
      this.#writer?.error(closedError());
      this.#closed.resolve({ closeCode: code, reason });
      return;
    }
    const failure = this.#broken({ code, reason }, info.error);
    this.#reader?.error(failure);
    // A write that is cut off ends the stream with its own error.
    if (!this.#isWriting) this.#writer?.error(failure);
    this.#closed.reject(failure);
  }

  #broken(received: CloseFrame | undefined, cause: unknown): WebSocketError {
    const { code, reason } = received ?? { code: CLOSE.abnormal, reason: "" };
    this.#failure ??= streamError("the connection did not end in order", code, reason, cause);
    return this.#failure;
  }
}

function ownBytes(bytes: Uint8Array): Uint8Array {
  return bytes.length === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);
}

function closedError(): DOMException {
  return new DOMException("the WebSocketStream is closed: nothing can be written", "InvalidStateError");
}

/** What a cancelled or aborted stream says to the peer: only the standard's own error has a code for it. */
function closeFrameOf(reason: unknown): CloseFrame | undefined {
  if (!(reason instanceof WebSocketError)) return undefined;
  try {
    return checkedCloseFrame(reason.closeCode ?? undefined, reason.reason);
  } catch {
    return undefined; // Of another connection, which broke: its code may not be sent.
  }
}

/** Its rejection is for those who ask; nobody has to. */
function deferred<T>(): Deferred<T> {
  let resolve: (value: T) => void = ignore;
  let reject: (reason: unknown) => void = ignore;
  const promise = new Promise<T>((resolveIt, rejectIt) => {
    resolve = resolveIt;
    reject = rejectIt;
  });
  promise.catch(ignore);
  return { promise, resolve, reject };
}
