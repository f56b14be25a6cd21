import type { Message } from "@zocalo/net";
import type { WebSocketConn } from "../session/conn.ts";
import { CLOSE, type CloseFrame } from "../core/close-frame.ts";
import { checkedDialOptions, type DialOptions } from "../client/dial-options.ts";
import {
  clampedUnsignedShort,
  defineInterface,
  domString,
  isObject,
  requireArguments,
  usvString,
  usvStrings,
} from "./web-idl.ts";
import {
  checkedCloseFrame,
  checkProtocols,
  close,
  connect,
  type End,
  endOf,
  parseUrl,
  toMessage,
} from "./whatwg-common.ts";
import {
  CloseEvent,
  type EventHandler,
  Handler,
  MessageEvent,
  type WebSocketEvents,
  type WebSocketListener,
} from "./whatwg-events.ts";

/**
 * What a `WebSocket` can be told here that it cannot in a browser. Compression is offered by default, as
 * browsers do.
 */
export interface WebSocketOptions extends Omit<DialOptions, "subprotocols" | "signal" | "messages"> {
  /** Subprotocols to offer, where they are not an argument of their own. Default: none. */
  readonly protocols?: string | Iterable<string> | undefined;
  /**
   * Bytes that may wait to be sent; past them the connection fails, as the standard says. Default 16,777,216.
   */
  readonly sendLimitBytes?: number | undefined;
}

/** What `send` takes. */
export type SendData = string | ArrayBuffer | ArrayBufferView | Blob;

const MAX_BUFFERED_BYTES = 16_777_216;
const CONNECTING = 0;
const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;

/**
 * The `WebSocket` of browsers (https://websockets.spec.whatwg.org/), for code that was written for them. It
 * has no backpressure: new code is better off with `dial`.
 *
 * Differences: there is no page, so URLs are absolute, no `Origin` is sent and no port is blocked; a
 * `SharedArrayBuffer` is refused; `isTrusted` of events is false; `null` for the subprotocols means none; and
 * options can be given in their place, or behind them.
 *
 * @example
 * const socket = new WebSocket("ws://localhost:8080/ws");
 * socket.onmessage = ({ data }) => console.log(data);
 */
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging -- the methods below are there: only their types are narrower
export class WebSocket extends EventTarget {
  declare static readonly CONNECTING: 0;
  declare static readonly OPEN: 1;
  declare static readonly CLOSING: 2;
  declare static readonly CLOSED: 3;
  declare readonly CONNECTING: 0;
  declare readonly OPEN: 1;
  declare readonly CLOSING: 2;
  declare readonly CLOSED: 3;

  readonly #url: URL;
  #readyState: 0 | 1 | 2 | 3 = CONNECTING;
  #binaryType: "blob" | "arraybuffer" = "blob";
  #conn: WebSocketConn | undefined;
  readonly #dialing = new AbortController();
  /** Payload that the connection has accepted and the system has not taken. */
  #acceptedBytes = 0;
  #isCountingDown = false;
  /** Payload that waits for a `Blob` to be read, or will never be sent. */
  #otherBytes = 0;
  /** Sends wait for each other once there was a `Blob`, whose bytes come later. */
  #blobs: Promise<void> | undefined;
  readonly #handlers = new Map<string, Handler>();
  readonly #tasks: (() => void)[] = [];
  #isInTask = false;

  /**
   * @param protocols subprotocols to offer, or options.
   * @throws DOMException `SyntaxError` for a bad URL or subprotocol, WebSocketNetError `invalid_argument` for
   *   an option that there is not.
   */
  constructor(
    url: string | URL,
    protocols: string | Iterable<string> | WebSocketOptions = {},
    options: WebSocketOptions = {},
  ) {
    requireArguments("WebSocket", arguments.length, 1);
    super();
    const text = usvString(url); // All arguments are converted before one of them is looked at.
    const isBag = protocols === null || (isObject(protocols) && !(Symbol.iterator in protocols));
    // Programs pass strings as a third argument, too, which browsers ignore.
    const bag = { ...(isBag ? protocols : undefined), ...(isObject(options) ? options : undefined) };
    const { protocols: listed = [], ...rest } = bag;
    const offered = isBag ? listed : protocols;
    const names = isObject(offered) ? usvStrings(offered) : [usvString(offered)];
    this.#url = parseUrl(text);
    checkProtocols(names);
    void this.#connect(names, checkedDialOptions(rest));
  }

  /** As it was parsed, with the scheme `ws:` or `wss:`. */
  get url(): string {
    return this.#url.href;
  }

  /** `CONNECTING`, `OPEN`, `CLOSING` or `CLOSED`. */
  get readyState(): 0 | 1 | 2 | 3 {
    // The peer's Close frame has come, and messages before it may still wait for their events.
    if (this.#readyState === OPEN && this.#conn?.isOpen === false) return CLOSING;
    return this.#readyState;
  }

  /**
   * Payload that was given to `send` and that the operating system has not taken, in bytes: of text in UTF-8,
   * without frame headers and before compression. Does not go back to zero when the connection closes, and
   * grows with what is given to `send` after that.
   */
  get bufferedAmount(): number {
    return this.#acceptedBytes + this.#otherBytes;
  }

  get extensions(): string {
    return this.#conn?.extensions ?? "";
  }

  get protocol(): string {
    return this.#conn?.subprotocol ?? "";
  }

  get binaryType(): "blob" | "arraybuffer" {
    return this.#binaryType;
  }

  /** Other values are ignored. @throws TypeError for what cannot be made text. */
  set binaryType(type: "blob" | "arraybuffer") {
    const given = domString(type);
    if (given === "blob" || given === "arraybuffer") this.#binaryType = given;
  }

  /**
   * Sends. Bytes may be changed as soon as this returns. After the connection has begun to close it only adds
   * to `bufferedAmount`.
   *
   * @throws DOMException `InvalidStateError` while connecting.
   * @throws TypeError for shared memory and for buffers whose size may change.
   */
  send(data: SendData): void {
    requireArguments("send", arguments.length, 1);
    const message = data instanceof Blob ? data : toMessage(data);
    const state = this.readyState;
    if (state === CONNECTING) throw new DOMException("still connecting", "InvalidStateError");
    const bytes = byteLengthOf(message);
    this.#otherBytes += bytes;
    if (state !== OPEN) return;
    if (message instanceof Blob) {
      this.#afterBlobs(async () => this.#sendNow(new Uint8Array(await message.arrayBuffer()), bytes));
    } else if (this.#blobs === undefined) {
      this.#sendNow(message, bytes);
    } else {
      const copy = typeof message === "string" ? message : message.slice();
      this.#afterBlobs(() => this.#sendNow(copy, bytes));
    }
  }

  /**
   * Closes, after what was sent. Without a code the peer is told none, and sees 1005.
   *
   * A code is 1000, or 3000 to 4999. A reason is at most 123 bytes of UTF-8; with a reason and no code, the
   * code is 1000.
   *
   * @throws DOMException `InvalidAccessError` for another code, `SyntaxError` for a longer reason.
   */
  close(...[code, reason]: [code?: number | undefined, reason?: string | undefined]): void {
    const frame = checkedCloseFrame(
      code === undefined ? undefined : clampedUnsignedShort(code),
      reason === undefined ? "" : usvString(reason),
    );
    if (this.#readyState >= CLOSING) return;
    const wasConnecting = this.#readyState === CONNECTING;
    this.#readyState = CLOSING;
    if (wasConnecting) this.#dialing.abort();
    else if (this.#blobs === undefined) this.#closeNow(frame);
    else this.#afterBlobs(() => this.#closeNow(frame));
  }

  get onopen(): EventHandler<Event> {
    return this.#handler("open") as EventHandler<Event>;
  }
  /** What is no object becomes `null`, here and below. */
  set onopen(handler: EventHandler<Event>) {
    this.#setHandler("open", handler);
  }
  get onerror(): EventHandler<Event> {
    return this.#handler("error") as EventHandler<Event>;
  }
  set onerror(handler: EventHandler<Event>) {
    this.#setHandler("error", handler);
  }
  get onclose(): EventHandler<CloseEvent> {
    return this.#handler("close") as EventHandler<CloseEvent>;
  }
  set onclose(handler: EventHandler<CloseEvent>) {
    this.#setHandler("close", handler);
  }
  get onmessage(): EventHandler<MessageEvent> {
    return this.#handler("message") as EventHandler<MessageEvent>;
  }
  set onmessage(handler: EventHandler<MessageEvent>) {
    this.#setHandler("message", handler);
  }

  async #connect(subprotocols: readonly string[], options: WebSocketOptions): Promise<void> {
    const { signal } = this.#dialing;
    let conn: WebSocketConn;
    try {
      const { compression = true, sendLimitBytes = MAX_BUFFERED_BYTES } = options;
      conn = await connect(this.#url, { ...options, compression, sendLimitBytes, subprotocols, signal });
      if (signal.aborted) {
        conn.abort();
        throw new Error("closed meanwhile");
      }
    } catch {
      // Why it failed is not told, as in browsers: a page must not be able to look around in the network.
      setImmediate(() =>
        this.#inTask(() => this.#ended({ wasClean: false, code: CLOSE.abnormal, reason: "" })),
      );
      return;
    }
    this.#conn = conn;
    this.#inTask(() => {
      this.#readyState = OPEN;
      this.dispatchEvent(new Event("open"));
    });
    conn.serve({
      message: (message) => this.#inTask(() => this.#received(message)),
      close: (info) => this.#inTask(() => this.#ended(endOf(info))),
    });
  }

  /**
   * Runs each task when what the listeners of the one before await has gone on: a browser's event loop
   * empties the queue of microtasks between two events, so programs add the listener of the next event in
   * one.
   */
  #inTask(task: () => void): void {
    if (this.#isInTask) {
      this.#tasks.push(task);
      return;
    }
    this.#isInTask = true;
    task();
    queueMicrotask(() => process.nextTick(() => this.#nextTask())); // Ticks come after all microtasks.
  }

  #nextTask(): void {
    const task = this.#tasks.shift();
    this.#isInTask = false;
    if (task !== undefined) this.#inTask(task);
  }

  #received(message: Message): void {
    if (this.#readyState !== OPEN) return;
    const data =
      typeof message === "string"
        ? message
        : this.#binaryType === "blob"
          ? new Blob([new Uint8Array(message)])
          : new Uint8Array(message).buffer;
    this.dispatchEvent(new MessageEvent("message", { data, origin: this.#url.origin }));
  }

  /** `bytes` have been counted among the others. */
  #sendNow(message: Message, bytes: number): void {
    const conn = this.#conn;
    if (conn === undefined) return;
    if (conn.trySend(message) !== "refused") {
      this.#otherBytes -= bytes;
      this.#acceptedBytes += bytes;
      if (!this.#isCountingDown) void this.#countDown(conn);
    } else if (conn.isOpen) {
      conn.abort(); // Full: the standard wants the connection to fail.
    }
  }

  async #countDown(conn: WebSocketConn): Promise<void> {
    this.#isCountingDown = true;
    try {
      while (this.#acceptedBytes > 0) {
        // At the end of the turn, so that all of it leaves in one write, and the amount is the same
        // throughout the turn.
        await new Promise((resolve) => setImmediate(resolve));
        const bytes = this.#acceptedBytes;
        await conn.flush();
        this.#acceptedBytes -= bytes;
      }
    } catch {
      // They were not taken, and stay counted. The close event tells.
    }
    this.#isCountingDown = false;
  }

  #closeNow(frame: CloseFrame | undefined): void {
    if (this.#conn !== undefined) void close(this.#conn, frame);
  }

  /** Does `work` after the blobs that are being read. One that cannot be read fails the connection. */
  #afterBlobs(work: () => void | Promise<void>): void {
    const mine: Promise<void> = this.#after(this.#blobs, work).then(() => {
      if (this.#blobs === mine) this.#blobs = undefined;
      return undefined;
    });
    this.#blobs = mine;
  }

  async #after(before: Promise<void> | undefined, work: () => void | Promise<void>): Promise<void> {
    try {
      await before;
      await work();
    } catch {
      this.#conn?.abort(); // The application is told of that end.
    }
  }

  #ended({ wasClean, code, reason }: End): void {
    this.#readyState = CLOSED;
    if (!wasClean) this.dispatchEvent(new Event("error"));
    this.dispatchEvent(new CloseEvent("close", { wasClean, code, reason }));
  }

  #handler(type: string): object | null {
    return this.#handlers.get(type)?.value ?? null;
  }

  /**
   * HTML, "event handlers": any object is kept, one that cannot be called does nothing, and another handler
   * takes the place of the one before.
   */
  #setHandler(type: string, value: unknown): void {
    const handler = this.#handlers.get(type);
    if (!isObject(value)) {
      if (handler !== undefined) this.removeEventListener(type, handler.listener);
      this.#handlers.delete(type);
    } else if (handler !== undefined) {
      handler.value = value;
    } else {
      const added = new Handler(value, this);
      this.#handlers.set(type, added);
      this.addEventListener(type, added.listener);
    }
  }
}

/** Listeners whose events have their own types. */
export interface WebSocket {
  /** Listens for an event, whose type it knows. */
  addEventListener<T extends keyof WebSocketEvents>(
    type: T,
    listener: WebSocketListener<T>,
    options?: AddListenerOptions,
  ): void;
  /** Listens for any event, as every `EventTarget` does. */
  addEventListener(type: string, listener: AnyListener, options?: AddListenerOptions): void;
}
type AnyListener = Parameters<EventTarget["addEventListener"]>[1];
type AddListenerOptions = Parameters<EventTarget["addEventListener"]>[2];

defineInterface(WebSocket, "WebSocket", { CONNECTING, OPEN, CLOSING, CLOSED });

function byteLengthOf(data: Message | Blob): number {
  if (typeof data === "string") return Buffer.byteLength(data);
  return data instanceof Blob ? data.size : data.length;
}
