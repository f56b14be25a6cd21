import { applyMask } from "./mask.ts";
import type { Encoding, Message } from "@zocalo/net";

/** Frame opcodes, RFC 6455 §5.2. */
export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** First header byte of a frame that is a whole message or control frame. */
export const FIN = 0x80;
/** The bit that permessage-deflate uses (RFC 7692 §6). */
export const RSV1 = 0x40;
/** Set in the second header byte when the payload is masked. */
export const MASKED = 0x80;

/** Longest payload of a control frame, in bytes (RFC 6455 §5.5). */
export const MAX_CONTROL_PAYLOAD = 125;
/** Longest frame header, in bytes: 2, an 8-byte length and a mask. */
export const MAX_HEADER_BYTES = 14;

/** Which side of the connection. A client masks what it sends, a server does not (RFC 6455 §5.1). */
export type Role = "client" | "server";

/** Bytes of the shortest header for a payload of `length` bytes. */
export function headerBytes(length: number, isMasked: boolean): number {
  return (length < 126 ? 2 : length < 65_536 ? 4 : 10) + (isMasked ? 4 : 0);
}

/**
 * Writes the two to ten bytes before the mask.
 *
 * @returns where the header goes on.
 */
export function writeHeader(
  target: Uint8Array,
  at: number,
  firstByte: number,
  length: number,
  maskBit: 0 | typeof MASKED,
): number {
  target[at] = firstByte;
  if (length < 126) {
    target[at + 1] = maskBit | length;
    return at + 2;
  }
  if (length < 65_536) {
    target[at + 1] = maskBit | 126;
    target[at + 2] = length >>> 8;
    target[at + 3] = length & 255;
    return at + 4;
  }
  const high = Math.floor(length / 4_294_967_296);
  target[at + 1] = maskBit | 127;
  target[at + 2] = 0;
  target[at + 3] = 0;
  target[at + 4] = (high >>> 8) & 255;
  target[at + 5] = high & 255;
  target[at + 6] = (length >>> 24) & 255;
  target[at + 7] = (length >>> 16) & 255;
  target[at + 8] = (length >>> 8) & 255;
  target[at + 9] = length & 255;
  return at + 10;
}

/** Writes a mask key, and masks `length` payload bytes that already stand behind it. */
export function writeMask(target: Uint8Array, at: number, key: number, length: number): void {
  target[at] = key & 255;
  target[at + 1] = (key >>> 8) & 255;
  target[at + 2] = (key >>> 16) & 255;
  target[at + 3] = key >>> 24;
  applyMask(target, at + 4, at + 4 + length, key);
}

/**
 * Builds one frame by itself. For what is built once and sent to many; single messages go through an `Outbox`.
 *
 * @param key the mask, or `undefined` for a server's frame.
 */
export function buildFrame(firstByte: number, payload: Uint8Array | string, key?: number): Buffer {
  const isMasked = key !== undefined;
  const length = typeof payload === "string" ? Buffer.byteLength(payload) : payload.byteLength;
  const header = headerBytes(length, isMasked);
  const frame = Buffer.allocUnsafeSlow(header + length);
  writeHeader(frame, 0, firstByte, length, isMasked ? MASKED : 0);
  if (typeof payload === "string") frame.write(payload, header, "utf8");
  else frame.set(payload, header);
  if (isMasked) writeMask(frame, header - 4, key, length);
  return frame;
}

/**
 * How a server puts a message on the wire: one unmasked frame, the same for every connection.
 * `PreparedMessage` keeps it under this constant.
 */
export const serverFrame: Encoding = {
  encode(message: Message): Uint8Array {
    return buildFrame(FIN | (typeof message === "string" ? OPCODE.text : OPCODE.binary), message);
  },
};
