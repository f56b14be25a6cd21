import { MAX_REASON_BYTES } from "@zocalo/net/transport";
import type { CloseInfo, Message } from "@zocalo/net";
import type { WebSocketConn } from "../session/conn.ts";
import { CLOSE, type CloseFrame } from "../core/close-frame.ts";
import { dial } from "../client/dial.ts";
import type { DialOptions } from "../client/dial-options.ts";
import { shownUrl } from "../client/dial-url.ts";
import { WebSocketNetError } from "../core/error.ts";
import { isToken } from "../handshake/fields.ts";
import { bufferSource, usvString } from "./web-idl.ts";

/** What `WebSocket` and `WebSocketStream` have in common. */

/** @throws DOMException `SyntaxError`. There is no page that a relative URL could be relative to. */
export function parseUrl(given: string): URL {
  let url: URL;
  try {
    url = new URL(given);
  } catch {
    throw new DOMException(`"${shownUrl(given)}" is not an absolute URL`, "SyntaxError");
  }
  if (url.protocol === "http:") url = new URL(url.href.replace(/^http/, "ws"));
  else if (url.protocol === "https:") url = new URL(url.href.replace(/^https/, "wss"));
  if (url.protocol !== "ws:" && url.protocol !== "wss:") {
    throw new DOMException(
      `the scheme of "${shownUrl(url.href)}" is not ws, wss, http or https`,
      "SyntaxError",
    );
  }
  if (url.hash !== "" || url.href.endsWith("#"))
    throw new DOMException("the URL has a fragment", "SyntaxError");
  return url;
}

/** @throws DOMException `SyntaxError` if one is repeated, in whatever case, or is no token. */
export function checkProtocols(names: readonly string[]): void {
  const distinct = new Set(names.map((name) => name.toLowerCase()));
  if (distinct.size < names.length || !names.every(isToken)) {
    throw new DOMException("a subprotocol is repeated or not a token", "SyntaxError");
  }
}

/**
 * The standard's "validate close code and reason". A reason without a code gets 1000. Without both the
 * frame is empty: `undefined`.
 *
 * @throws DOMException `InvalidAccessError` for a code that is neither 1000 nor from 3000 to 4999,
 *   `SyntaxError` for a reason of more than 123 bytes of UTF-8.
 */
export function checkedCloseFrame(code: number | undefined, reason: string): CloseFrame | undefined {
  if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) {
    throw new DOMException(`close code ${code} is neither 1000 nor from 3000 to 4999`, "InvalidAccessError");
  }
  if (Buffer.byteLength(reason) > MAX_REASON_BYTES) {
    throw new DOMException(`close reason longer than ${MAX_REASON_BYTES} bytes`, "SyntaxError");
  }
  return code === undefined && reason === "" ? undefined : { code: code ?? 1000, reason };
}

/** Starts the closing handshake. Resolves when it is over; how it ended is told to the handler. */
export function close(conn: WebSocketConn, frame: CloseFrame | undefined): Promise<void> {
  const over = frame === undefined ? conn.closeWithoutCode() : conn.close(frame.code, frame.reason);
  return over.catch(ignore); // The connection's handler learns that it was not clean.
}

/** How a connection ended, as the standard sees it. */
export interface End extends CloseFrame {
  readonly wasClean: boolean;
}

/**
 * What the handler was told, in the standard's terms: the code is always that of the peer's Close frame
 * (RFC 6455 §7.1.5).
 */
export function endOf({ error, wasClean, ...info }: CloseInfo): End {
  const received = wasClean ? info : error instanceof WebSocketNetError ? error.received : undefined;
  return { wasClean, code: received?.code ?? CLOSE.abnormal, reason: received?.reason ?? "" };
}

/** `BufferSource`, or text made of anything else. Bytes are not copied. @throws TypeError */
export function toMessage(data: unknown): Message {
  return bufferSource(data) ?? usvString(data);
}

/**
 * Connects as a browser does: when subprotocols were offered the server has to choose one.
 *
 * @throws what `dial` throws.
 */
export async function connect(url: URL, options: DialOptions): Promise<WebSocketConn> {
  const conn = await dial(url, options);
  if (options.subprotocols !== undefined && options.subprotocols.length > 0 && conn.subprotocol === "") {
    conn.abort();
    throw new WebSocketNetError("handshake_failed", `${url.host} chose none of the subprotocols`);
  }
  return conn;
}

export function ignore(): void {}
