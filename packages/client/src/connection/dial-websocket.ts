import type { ClientConn, ConnEnd, Dial } from "./conn.ts";
import { SessionError } from "../primitives/error.ts";
import { shownUrl } from "./shown-url.ts";

/** Bytes that may wait in the socket before `trySend` refuses. */
const MAX_BUFFERED_BYTES = 1_048_576;

/**
 * The `Dial` of a browser, of Node from 22, of Deno and of Bun: the global `WebSocket`.
 *
 * @throws TypeError where there is none: pass another one, such as the `dial` of `@zocalo/websocket`
 */
export function webSocketDial(
  subprotocols: readonly string[] = [],
): (...given: Parameters<Dial>) => Promise<WebSocketConn> {
  const Socket = globalThis.WebSocket;
  if (typeof Socket !== "function") {
    throw new TypeError("there is no WebSocket here (Node has one from 22): pass { dial }");
  }
  return (url, { signal }) =>
    new Promise((resolve, reject) => {
      const socket = new Socket(url, [...subprotocols]);
      socket.binaryType = "arraybuffer";
      const abort = () => socket.close();
      signal.addEventListener("abort", abort, { once: true });
      socket.addEventListener("close", (event) => {
        signal.removeEventListener("abort", abort);
        // Has no effect after `open`.
        reject(
          new SessionError("dial_failed", `cannot connect to ${shownUrl(url)}`, {
            closeCode: event.code,
            cause: event,
          }),
        );
      });
      socket.addEventListener("open", () => resolve(new WebSocketConn(socket)));
    });
}

/** A global `WebSocket` that is open. */
export class WebSocketConn implements ClientConn {
  readonly #socket: WebSocket;
  /**
   * Messages that came before `serve`; the peer speaks only when spoken to, so there are none, by the
   * protocol.
   */
  readonly #early: (string | Uint8Array)[] = [];
  #end: ConnEnd | undefined;
  #isWaiting = false;
  #drained: () => void = () => {};
  #take = (message: string | Uint8Array): void => void this.#early.push(message);
  #finish = (end: ConnEnd): void => {
    this.#end ??= end;
  };

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }: MessageEvent<string | ArrayBuffer>) =>
      this.#take(typeof data === "string" ? data : new Uint8Array(data)),
    );
    socket.addEventListener("close", ({ code, reason }) => this.#finish({ code, reason }));
  }

  /** What both sides agreed on; empty: nothing. */
  get subprotocol(): string {
    return this.#socket.protocol;
  }

  get bufferedAmount(): number {
    return this.#socket.bufferedAmount;
  }

  serve(handler: Parameters<ClientConn["serve"]>[0]): void {
    this.#take = (message) => handler.message(message);
    let hasEnded = false;
    this.#finish = (end) => {
      if (!hasEnded) handler.close(end);
      hasEnded = true;
    };
    for (const message of this.#early.splice(0)) handler.message(message);
    if (this.#end !== undefined) this.#finish(this.#end);
    this.#drained = () => handler.drain();
  }

  trySend(message: string | Uint8Array<ArrayBuffer>): "sent" | "refused" {
    if (this.#socket.readyState !== 1) return "refused";
    if (this.#socket.bufferedAmount > MAX_BUFFERED_BYTES) {
      this.#awaitRoom();
      return "refused";
    }
    this.#socket.send(message);
    return "sent";
  }

  /** The interface has no event for room in the buffer, so it is looked at. */
  #awaitRoom(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    const timer = setInterval(() => {
      if (this.#socket.readyState === 1 && this.#socket.bufferedAmount > MAX_BUFFERED_BYTES / 2) return;
      clearInterval(timer);
      this.#isWaiting = false;
      if (this.#socket.readyState === 1) this.#drained();
    }, 50);
  }

  async close(code?: number, reason?: string): Promise<void> {
    this.#socket.close(code, reason);
  }

  /** Browsers have no abrupt close: the end is told at once and the closing handshake goes on unwatched. */
  abort(): void {
    this.#socket.close();
    this.#finish({ code: 1006, reason: "aborted" });
  }
}
