import type { Message } from "@zocalo/net";
import type { WebSocketConn } from "./conn.ts";
import { MAX_REASON_BYTES } from "./core/close-code.ts";
import { type DialOptions, dial } from "./dial.ts";
import { isToken } from "./handshake/fields.ts";

/** The event that ends a `WebSocket`, as in the DOM. */
export class CloseEvent extends Event {
  readonly wasClean: boolean;
  readonly code: number;
  readonly reason: string;

  constructor(type: string, init: { wasClean?: boolean; code?: number; reason?: string } = {}) {
    super(type);
    this.wasClean = init.wasClean ?? false;
    this.code = init.code ?? 0;
    this.reason = init.reason ?? "";
  }
}

/** The event that carries a message, as in the DOM. */
export class MessageEvent extends Event {
  /** A string, an `ArrayBuffer` or a `Blob`: see `binaryType`. */
  readonly data: string | ArrayBuffer | Blob;
  /** The server's origin. */
  readonly origin: string;

  constructor(type: string, init: { data: string | ArrayBuffer | Blob; origin: string }) {
    super(type);
    this.data = init.data;
    this.origin = init.origin;
  }
}

/** What a `WebSocket` can be told here that it cannot in a browser. Compression is offered by default, as browsers do. */
export interface WebSocketOptions extends Omit<DialOptions, "subprotocols" | "signal" | "messages"> {
  /** Bytes that may wait to be sent; past them the connection fails, as the standard says. Default 16,777,216. */
  readonly maxBufferedBytes?: number | undefined;
}

/** What `send` takes. */
export type SendData = string | ArrayBufferLike | ArrayBufferView | Blob;

const MAX_BUFFERED_BYTES = 16_777_216;
const CONNECTING = 0;
const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;

/**
 * The `WebSocket` of browsers (https://websockets.spec.whatwg.org/), for code that was written for them. It has no backpressure: new
 * code is better off with `dial`.
 *
 * @example
 * const socket = new WebSocket("ws://localhost:8080/ws");
 * socket.onmessage = ({ data }) => console.log(data);
 */
export class WebSocket extends EventTarget {
  static readonly CONNECTING = CONNECTING;
  static readonly OPEN = OPEN;
  static readonly CLOSING = CLOSING;
  static readonly CLOSED = CLOSED;
  readonly CONNECTING = CONNECTING;
  readonly OPEN = OPEN;
  readonly CLOSING = CLOSING;
  readonly CLOSED = CLOSED;

  /** With the scheme `ws:` or `wss:`. */
  readonly url: string;
  #readyState = CONNECTING;
  #binaryType: "blob" | "arraybuffer" = "blob";
  #conn: WebSocketConn | undefined;
  readonly #dialing = new AbortController();
  /** Bytes of messages that will never be sent, and of those that wait for a `Blob` to be read. */
  #uncounted = 0;
  /** Sends wait for each other once there was a `Blob`, whose bytes come later. */
  #blobs: Promise<void> | undefined;
  readonly #handlers = new Map<string, EventListener>();

  /**
   * @param protocols subprotocols to offer.
   * @throws DOMException `SyntaxError` for a bad URL or subprotocol.
   */
  constructor(url: string | URL, protocols: string | readonly string[] = [], options: WebSocketOptions = {}) {
    super();
    const target = parseUrl(url);
    this.url = target.href;
    const names = typeof protocols === "string" ? [protocols] : [...protocols];
    const distinct = new Set(names.map((name) => name.toLowerCase()));
    if (distinct.size < names.length || !names.every(isToken)) {
      throw new DOMException("a subprotocol is repeated or not a token", "SyntaxError");
    }
    void this.#connect(target, names, options);
  }

  get readyState(): number {
    return this.#readyState;
  }

  /** Bytes that wait to be sent, frame headers included. Does not go back to zero when the connection closes. */
  get bufferedAmount(): number {
    return this.#uncounted + (this.#conn?.bufferedAmount ?? 0);
  }

  get protocol(): string {
    return this.#conn?.subprotocol ?? "";
  }

  get extensions(): string {
    return this.#conn?.extensions ?? "";
  }

  get binaryType(): "blob" | "arraybuffer" {
    return this.#binaryType;
  }

  /** Other values are ignored. */
  set binaryType(type: "blob" | "arraybuffer") {
    if (type === "blob" || type === "arraybuffer") this.#binaryType = type;
  }

  /**
   * Sends; after the connection has begun to close, it does nothing.
   *
   * @throws DOMException `InvalidStateError` while connecting.
   */
  send(data: SendData): void {
    if (this.#readyState === CONNECTING) throw new DOMException("still connecting", "InvalidStateError");
    if (data instanceof Blob) {
      this.#after(data.size, async () => this.#sendNow(new Uint8Array(await data.arrayBuffer())));
      return;
    }
    const message = toMessage(data);
    if (this.#blobs === undefined) this.#sendNow(message);
    else this.#after(message.length, async () => this.#sendNow(message));
  }

  /**
   * @param code 1000, or 3000 to 4999.
   * @param reason at most 123 bytes of UTF-8.
   * @throws DOMException `InvalidAccessError` for another code, `SyntaxError` for a longer reason.
   */
  close(code?: number, reason = ""): void {
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) {
      throw new DOMException(
        `close code ${code} is neither 1000 nor from 3000 to 4999`,
        "InvalidAccessError",
      );
    }
    if (Buffer.byteLength(reason) > MAX_REASON_BYTES) {
      throw new DOMException(`close reason longer than ${MAX_REASON_BYTES} bytes`, "SyntaxError");
    }
    if (this.#readyState >= CLOSING) return;
    const wasConnecting = this.#readyState === CONNECTING;
    this.#readyState = CLOSING;
    if (wasConnecting) this.#dialing.abort();
    else if (this.#blobs === undefined) this.#closeNow(code, reason);
    else this.#after(0, async () => this.#closeNow(code, reason));
  }

  get onopen(): EventListener | null {
    return this.#handlers.get("open") ?? null;
  }
  set onopen(handler: ((event: Event) => void) | null) {
    this.#handle("open", handler);
  }
  get onmessage(): EventListener | null {
    return this.#handlers.get("message") ?? null;
  }
  set onmessage(handler: ((event: MessageEvent) => void) | null) {
    this.#handle("message", handler as ((event: Event) => void) | null);
  }
  get onerror(): EventListener | null {
    return this.#handlers.get("error") ?? null;
  }
  set onerror(handler: ((event: Event) => void) | null) {
    this.#handle("error", handler);
  }
  get onclose(): EventListener | null {
    return this.#handlers.get("close") ?? null;
  }
  set onclose(handler: ((event: CloseEvent) => void) | null) {
    this.#handle("close", handler as ((event: Event) => void) | null);
  }

  async #connect(target: URL, subprotocols: readonly string[], options: WebSocketOptions): Promise<void> {
    let conn: WebSocketConn;
    try {
      conn = await dial(target, {
        compression: true,
        maxBufferedBytes: MAX_BUFFERED_BYTES,
        ...options,
        subprotocols,
        signal: this.#dialing.signal,
      });
      if (subprotocols.length > 0 && conn.subprotocol === "") {
        conn.abort();
        throw new Error("the server chose none of the subprotocols");
      }
    } catch {
      // Why it failed is not told, as in browsers: a page must not be able to look around in the network.
      this.#ended(false, 1006, "");
      return;
    }
    if (this.#dialing.signal.aborted) {
      conn.abort();
      this.#ended(false, 1006, "");
      return;
    }
    this.#conn = conn;
    this.#readyState = OPEN;
    this.dispatchEvent(new Event("open"));
    conn.serve({
      message: (message) => this.#received(message, target),
      close: ({ wasClean, code, reason }) => this.#ended(wasClean, wasClean ? code : 1006, reason),
    });
  }

  #received(message: Message, { origin }: URL): void {
    if (this.#readyState !== OPEN) return;
    const data =
      typeof message === "string"
        ? message
        : this.#binaryType === "blob"
          ? new Blob([new Uint8Array(message)])
          : new Uint8Array(message).buffer;
    this.dispatchEvent(new MessageEvent("message", { data, origin: origin.replace(/^http/, "ws") }));
  }

  #sendNow(message: Message): void {
    if (this.#conn !== undefined && this.#conn.trySend(message) !== "refused") return;
    this.#uncounted += typeof message === "string" ? Buffer.byteLength(message) : message.length;
    // Full: the standard wants the connection to fail. Closing or closed: nothing.
    if (this.#readyState === OPEN) this.#conn?.abort();
  }

  #closeNow(code: number | undefined, reason: string): void {
    void this.#conn?.close(code ?? 1000, reason);
  }

  /** Does `work` after what waits already; meanwhile `bytes` count as buffered. */
  #after(bytes: number, work: () => Promise<void>): void {
    this.#uncounted += bytes;
    const mine = this.#afterAll(this.#blobs, bytes, work);
    this.#blobs = mine;
    void mine.then(() => {
      if (this.#blobs === mine) this.#blobs = undefined;
      return undefined;
    });
  }

  async #afterAll(
    before: Promise<void> | undefined,
    bytes: number,
    work: () => Promise<void>,
  ): Promise<void> {
    await before;
    this.#uncounted -= bytes;
    await work();
  }

  #ended(wasClean: boolean, code: number, reason: string): void {
    this.#readyState = CLOSED;
    if (!wasClean) this.dispatchEvent(new Event("error"));
    this.dispatchEvent(new CloseEvent("close", { wasClean, code, reason }));
  }

  #handle(type: string, handler: ((event: Event) => void) | null): void {
    const old = this.#handlers.get(type);
    if (old !== undefined) this.removeEventListener(type, old);
    this.#handlers.delete(type);
    if (typeof handler !== "function") return;
    this.#handlers.set(type, handler);
    this.addEventListener(type, handler);
  }
}

type EventListener = (event: Event) => void;

function parseUrl(text: string | URL): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new DOMException(`${JSON.stringify(String(text))} is not a URL`, "SyntaxError");
  }
  if (url.protocol === "http:") url = new URL(url.href.replace(/^http/, "ws"));
  else if (url.protocol === "https:") url = new URL(url.href.replace(/^https/, "wss"));
  if (url.protocol !== "ws:" && url.protocol !== "wss:") {
    throw new DOMException(
      `the scheme of ${JSON.stringify(url.href)} is not ws, wss, http or https`,
      "SyntaxError",
    );
  }
  if (url.hash !== "" || url.href.endsWith("#"))
    throw new DOMException("the URL has a fragment", "SyntaxError");
  return url;
}

/** A copy: the caller may change its bytes after `send`. */
function toMessage(data: unknown): Message {
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
  if (data instanceof ArrayBuffer || data instanceof SharedArrayBuffer) return new Uint8Array(data).slice();
  return String(data); // Whatever else JavaScript callers pass, as in browsers.
}
