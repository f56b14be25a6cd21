import { argumentError } from "./failures.ts";

/**
 * What is sent, as text or bytes: any view, of which only what it shows may leave, and whole buffers are
 * bytes, too.
 *
 * @throws NetError `invalid_argument` for what is neither.
 */
export function asMessage(message: unknown): string | Uint8Array {
  if (typeof message === "string" || message instanceof Uint8Array) return message;
  if (ArrayBuffer.isView(message)) {
    return new Uint8Array(message.buffer, message.byteOffset, message.byteLength);
  }
  if (message instanceof ArrayBuffer || message instanceof SharedArrayBuffer) return new Uint8Array(message);
  const kind = message === null ? "null" : typeof message;
  throw argumentError("write", `a message is a string or bytes, not ${kind}`);
}
