import { ReadableStream, WritableStream } from "node:stream/web";
import type { CloseInfo, Message } from "@zocalo/net";
import type { WebSocketConn } from "./conn.ts";
import { type DialOptions, dial } from "./dial.ts";

/** Settles when the connection is open. */
export interface OpenedStream {
  readonly readable: ReadableStream<Message>;
  readonly writable: WritableStream<Message>;
  readonly protocol: string;
  readonly extensions: string;
}

/** How a `WebSocketStream` connects. */
export interface WebSocketStreamOptions extends Omit<DialOptions, "subprotocols" | "messages"> {
  /** Subprotocols to offer. Default: none. */
  readonly protocols?: readonly string[] | undefined;
}

/**
 * A WebSocket as a pair of Web Streams, in the shape of the proposal (https://websockets.spec.whatwg.org/#the-websocketstream-interface),
 * with backpressure in both directions: what is not read stops the peer, and `writer.ready` waits for room.
 *
 * @example
 * const { readable, writable } = await new WebSocketStream("ws://localhost:8080/ws").opened;
 * await readable.pipeTo(writable);
 */
export class WebSocketStream {
  readonly url: string;
  /** Rejects with a `WebSocketError` if no connection could be made. */
  readonly opened: Promise<OpenedStream>;
  /** Resolves after a clean close, and rejects after any other end. */
  readonly closed: Promise<{ readonly closeCode: number; readonly reason: string }>;
  #conn: WebSocketConn | undefined;
  #closing: { code: number; reason: string } | undefined;

  constructor(url: string | URL, options: WebSocketStreamOptions = {}) {
    this.url = String(url);
    const connected = this.#connect(url, options);
    this.opened = connected.then(({ opened }) => opened);
    this.closed = connected.then(({ ended }) => ended);
    // Whoever asks gets the rejection; nobody has to.
    this.opened.catch(ignore);
    this.closed.catch(ignore);
  }

  /** Closes both streams in order. @throws WebSocketError through `closed`. */
  close({ closeCode = 1000, reason = "" }: { closeCode?: number; reason?: string } = {}): void {
    this.#closing ??= { code: closeCode, reason };
    this.#conn?.close(closeCode, reason).catch(ignore);
  }

  async #connect(
    url: string | URL,
    options: WebSocketStreamOptions,
  ): Promise<{ opened: OpenedStream; ended: ReturnType<typeof outcome> }> {
    const conn = await dial(url, { ...options, subprotocols: options.protocols });
    this.#conn = conn;
    let end: (info: CloseInfo) => void = ignore;
    const ended = outcome(
      new Promise((resolve) => {
        end = resolve;
      }),
    );
    ended.catch(ignore);
    // The consumer's pull lets one more message through; until then the handler's promise holds the peer back.
    let pulled: (() => void) | undefined;
    const readable = new ReadableStream<Message>(
      {
        start: (controller) => {
          conn.serve({
            message(message) {
              controller.enqueue(message);
              if ((controller.desiredSize ?? 1) > 0) return undefined;
              return new Promise<void>((resolve) => {
                pulled = resolve;
              });
            },
            close(info) {
              end(info);
              try {
                if (info.wasClean) controller.close();
                else controller.error(info.error);
              } catch {
                // The consumer has cancelled it.
              }
            },
          });
        },
        pull() {
          pulled?.();
          pulled = undefined;
        },
        cancel: () => this.close(),
      },
      { highWaterMark: 1 },
    );
    const writable = new WritableStream<Message>({
      write: (message) => conn.send(message),
      close: () => conn.close(),
      abort: () => this.close(),
    });
    if (this.#closing !== undefined) conn.close(this.#closing.code, this.#closing.reason).catch(ignore);
    const { subprotocol: protocol, extensions } = conn;
    return { opened: { readable, writable, protocol, extensions }, ended };
  }
}

async function outcome(
  end: Promise<CloseInfo>,
): Promise<{ readonly closeCode: number; readonly reason: string }> {
  const { wasClean, code, reason, error } = await end;
  if (!wasClean) throw error ?? new Error("the connection broke");
  return { closeCode: code, reason };
}

function ignore(): void {}
