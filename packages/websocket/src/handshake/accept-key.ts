import { hash } from "node:crypto";

/** RFC 6455 §1.3. */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** True for 16 bytes in base64, as `Sec-WebSocket-Key` must be. */
export function isKey(text: string): boolean {
  // The last of 22 digits has two bits to spare, which must be zero: A, Q, g or w.
  return /^[+/0-9A-Za-z]{21}[AQgw]==$/.test(text);
}

/** The `Sec-WebSocket-Accept` that answers `key` (RFC 6455 §4.2.2). */
export function acceptKey(key: string): string {
  return hash("sha1", key + GUID, "base64");
}
