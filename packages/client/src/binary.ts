import { BINARY_SUBPROTOCOL, toBinaryMessage, toJsonMessage } from "@zocalo/protocol";
import type { ClientConn, ConnHandler, Dial } from "./connection/conn.ts";
import { webSocketDial } from "./connection/dial-websocket.ts";

/** A connection that carries bytes, too, and knows what both sides agreed on. */
export interface BinaryClientConn extends ClientConn {
  readonly subprotocol: string;
  trySend(message: string | Uint8Array): "sent" | "buffered" | "refused";
}

/**
 * A `Dial` that speaks the binary form of the protocol: for channels of bytes, which then are not written in
 * base64. Where the server does not agree to the subprotocol `zocalo.binary` it speaks JSON, if `dial` has a
 * connection then; a global `WebSocket` has none.
 *
 * @param dial opens a WebSocket that offers the subprotocol. Default: the global `WebSocket`
 * @throws TypeError where there is no `WebSocket` and no `dial` was given
 * @example
 * import { connect } from "@zocalo/client";
 * import { binaryDial } from "@zocalo/client/binary";
 * const session = connect("wss://example.org/ws", { dial: binaryDial() });
 * await session.channel<Uint8Array>("doc:x").publish(new Uint8Array([0, 255]));
 */
export function binaryDial(
  dial: (...given: Parameters<Dial>) => Promise<BinaryClientConn> = webSocketDial([BINARY_SUBPROTOCOL]),
): Dial {
  return async (url, options) => {
    const conn = await dial(url, options);
    return conn.subprotocol === BINARY_SUBPROTOCOL ? new BinaryConn(conn) : conn;
  };
}

/** The session writes and reads JSON text; the connection carries bytes. */
class BinaryConn implements ClientConn {
  readonly #conn: BinaryClientConn;

  constructor(conn: BinaryClientConn) {
    this.#conn = conn;
  }

  serve(handler: ConnHandler): void {
    this.#conn.serve({
      message(message) {
        const text = typeof message === "string" ? message : toJsonMessage(message);
        if (text !== undefined) handler.message(text);
      },
      drain: () => handler.drain(),
      close: (end) => handler.close(end),
    });
  }

  get bufferedAmount(): number {
    return this.#conn.bufferedAmount ?? 0;
  }

  trySend(message: string): "sent" | "buffered" | "refused" {
    return this.#conn.trySend(toBinaryMessage(message));
  }

  close(code?: number, reason?: string): Promise<void> {
    return this.#conn.close(code, reason);
  }

  abort(): void {
    this.#conn.abort();
  }
}
