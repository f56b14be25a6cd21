import { checkKind } from "@zocalo/net/transport";
import { WebSocketNetError } from "../core/error.ts";
import { isToken } from "./fields.ts";

/** Headers that are part of the handshake, or would end it. */
const OWN_HEADER = /^(?:upgrade|connection|content-length|transfer-encoding|sec-websocket-.*)$/i;
/** What may not stand in a header value: control characters but tab, and what is no byte. */
const NOT_IN_VALUE = /[^\t\u0020-\u007e\u0080-\u00ff]/;
/** What may not stand in a token (RFC 9110 §5.6.2). */
const NOT_IN_TOKEN = /[^!#$%&'*+\-.^_`|~0-9A-Za-z]/;

/**
 * Checks the headers that an application adds to a handshake.
 *
 * @throws WebSocketNetError or NetError `invalid_argument`.
 */
export function checkHeaders(op: "dial" | "listen", headers: Readonly<Record<string, string>>): void {
  checkKind(op, "headers", headers, "object");
  for (const [name, value] of Object.entries(headers)) {
    const fault = OWN_HEADER.test(name) ? `header ${name} is set by the handshake` : headerFault(name, value);
    if (fault !== undefined) throw new WebSocketNetError("invalid_argument", fault);
  }
}

/**
 * Checks the subprotocols that an application asks for or takes.
 *
 * @throws WebSocketNetError `invalid_argument`.
 */
export function checkSubprotocols(subprotocols: readonly string[]): void {
  if (!Array.isArray(subprotocols)) {
    // A text would be taken for the list of its letters.
    throw new WebSocketNetError("invalid_argument", 'subprotocols is not an array, such as ["chat"]');
  }
  for (const [index, name] of (subprotocols as readonly unknown[]).entries()) {
    if (typeof name === "string" && isToken(name)) continue;
    // Not shown: browsers have no other place for a token, so it may be one that was put here by mistake.
    const why =
      typeof name === "string" ? wrongCharacter(name, NOT_IN_TOKEN) : `it is of type ${typeof name}`;
    throw new WebSocketNetError("invalid_argument", `subprotocol ${index} is not a token: ${why}`);
  }
  if (new Set(subprotocols).size < subprotocols.length) {
    throw new WebSocketNetError("invalid_argument", "a subprotocol is named twice");
  }
}

/** What is wrong with a header, if anything: one with CR and LF in it would be several headers, or a body. */
export function headerFault(name: string, value: unknown): string | undefined {
  // Neither is shown if it is wrong: it may be a password.
  if (!isToken(name)) return `a header name is not a token: ${wrongCharacter(name, NOT_IN_TOKEN)}`;
  if (typeof value !== "string")
    return `value of header ${name} is of type ${typeof value}, and not a string`;
  if (!NOT_IN_VALUE.test(value)) return undefined;
  return `value of header ${name} has a character that is not allowed: ${wrongCharacter(value, NOT_IN_VALUE)}`;
}

function wrongCharacter(text: string, wrong: RegExp): string {
  const found = wrong.exec(text);
  if (found === null) return "it is empty";
  const code = found[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, "0");
  return `U+${code} at index ${found.index}`;
}
