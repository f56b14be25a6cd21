import { checkKind } from "@zocalo/net/transport";
import { WebSocketError } from "../error.ts";
import { isToken } from "./fields.ts";

/** Headers that are part of the handshake, or would end it. */
const OWN_HEADER = /^(?:upgrade|connection|content-length|transfer-encoding|sec-websocket-.*)$/i;
/** What may not stand in a header value: control characters but tab, and what is no byte. */
const NOT_IN_VALUE = /[^\t\u0020-\u007e\u0080-\u00ff]/;

/**
 * Checks the headers that an application adds to a handshake.
 *
 * @throws WebSocketError or NetError `invalid_argument`.
 */
export function checkHeaders(op: "dial" | "listen", headers: Readonly<Record<string, string>>): void {
  checkKind(op, "headers", headers, "object");
  for (const [name, value] of Object.entries(headers)) {
    const fault = OWN_HEADER.test(name) ? `header ${name} is set by the handshake` : headerFault(name, value);
    if (fault !== undefined) throw new WebSocketError("invalid_argument", fault);
  }
}

/**
 * Checks the subprotocols that an application asks for or takes.
 *
 * @throws WebSocketError `invalid_argument`.
 */
export function checkSubprotocols(subprotocols: readonly string[]): void {
  if (!Array.isArray(subprotocols)) {
    // A text would be taken for the list of its letters.
    throw new WebSocketError("invalid_argument", 'subprotocols is not an array, such as ["chat"]');
  }
  for (const name of subprotocols as readonly unknown[]) {
    if (typeof name === "string" && isToken(name)) continue;
    const shown = typeof name === "string" ? JSON.stringify(name) : `of type ${typeof name}`;
    throw new WebSocketError("invalid_argument", `subprotocol ${shown} is not a token`);
  }
  if (new Set(subprotocols).size < subprotocols.length) {
    throw new WebSocketError("invalid_argument", "a subprotocol is named twice");
  }
}

/** What is wrong with a header, if anything: one with CR and LF in it would be several headers, or a body. */
export function headerFault(name: string, value: unknown): string | undefined {
  if (!isToken(name)) return `header name ${JSON.stringify(name)} is not a token`;
  // The value itself is never shown: it may be a password.
  if (typeof value !== "string")
    return `value of header ${name} is of type ${typeof value}, and not a string`;
  const found = NOT_IN_VALUE.exec(value);
  if (found === null) return undefined;
  const code = found[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, "0");
  return `value of header ${name} has a character that is not allowed: U+${code} at index ${found.index}`;
}
