import { isUtf8 } from "node:buffer";
import type { NetErrorCode } from "../contracts/error.ts";
import type { Encoding, Message } from "../contracts/message-conn.ts";

/** Turns the bytes of one stream into messages, wherever the stream is cut. */
export interface FrameDecoder {
  /**
   * Adds the next bytes; called only after `next` answered `undefined`. They are lent until `keep` or that
   * answer.
   */
  write(chunk: Uint8Array): void;
  /**
   * Copies what `next` has not yet taken of the bytes last written: their memory is about to be used again.
   */
  keep(): void;
  /**
   * The next whole message, or `undefined` until more bytes come. A binary one is the application's own from
   * then on: it must be a copy of what was written, in memory that nothing else stands in and nobody else
   * refers to.
   *
   * @throws FrameFault when the bytes do not follow the framing; the stream cannot go on after it.
   */
  next(): Message | undefined;
  /** Payload bytes of the message that `next` gave last. */
  readonly messageBytes: number;
  /** True if no message is begun, so that the stream may end here. */
  readonly isAtBoundary: boolean;
}

/**
 * A way to put messages on a byte stream: a header before each payload, a trailer after it, or both.
 * `encode` (of `Encoding`) makes the whole frame in one piece, for messages that are shared or small.
 *
 * Return new or constant memory from `encode`, `header` and `trailer`: it is read until sent, which may be
 * long after. Never reuse a buffer. It may show the message itself, which is then copied where it has to
 * wait.
 */
export interface FrameCodec extends Encoding {
  /** Largest payload the header can express, in bytes; `Infinity` if there is no such limit. */
  readonly maxPayloadBytes: number;
  /** Most bytes that header and trailer add to a payload. */
  readonly maxOverheadBytes: number;
  /** What precedes a payload of this many bytes. */
  header(payloadBytes: number): Uint8Array | undefined;
  /** What follows this payload. */
  trailer(payload: Uint8Array): Uint8Array | undefined;
  /** Why this message cannot be framed (it contains the delimiter), or `undefined`. `encode` throws it. */
  fault(message: Message): string | undefined;
  /** A decoder for one stream, which refuses payloads over `maxMessageBytes`. */
  decoder(maxMessageBytes: number): FrameDecoder;
}

/** What a decoder throws; the connection turns it into a `NetError` and a close code. */
export class FrameFault extends Error {
  override readonly name = "FrameFault";
  readonly code: NetErrorCode;
  /** 1002 protocol error, 1007 invalid text, 1009 too big (RFC 6455 §7.4.1). */
  readonly closeCode: 1002 | 1007 | 1009;

  constructor(code: NetErrorCode, closeCode: 1002 | 1007 | 1009, reason: string) {
    super(reason);
    this.code = code;
    this.closeCode = closeCode;
  }
}

/** The fault of a message over the limit. */
export function tooLarge(maxMessageBytes: number): FrameFault {
  return new FrameFault("too_large", 1009, `message larger than ${maxMessageBytes} bytes`);
}

/** The fault of a text message that is none. */
export function notUtf8(): FrameFault {
  return new FrameFault("bad_frame", 1007, "text message is not valid UTF-8");
}

/** `bytes` as text. @throws FrameFault if it is not valid UTF-8. */
export function toText(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw notUtf8();
  return bytes.toString("utf8");
}

/** The payload of `message`: text as UTF-8. */
export function toBytes(message: Message): Buffer {
  if (typeof message === "string") return Buffer.from(message, "utf8");
  return Buffer.from(message.buffer, message.byteOffset, message.byteLength);
}

/** No bytes. */
export const nothing: Buffer = Buffer.alloc(0);

/**
 * A copy of `chunk[start, end)`: a message must neither pin the read buffer it came in nor show what is
 * beside it.
 */
export function copyOf(chunk: Buffer, start: number, end: number): Buffer {
  const own = Buffer.allocUnsafeSlow(end - start);
  chunk.copy(own, 0, start, end);
  return own;
}

/** Header, payload and trailer in one piece. @throws FrameFault if the message cannot be framed. */
export function encodeWhole(codec: FrameCodec, message: Message): Buffer {
  refuseFaulty(codec, message);
  const payload = toBytes(message);
  const parts = [codec.header(payload.length), payload, codec.trailer(payload)];
  return Buffer.concat(parts.filter((part) => part !== undefined));
}

/** @throws FrameFault if the message cannot be framed. */
export function refuseFaulty(codec: FrameCodec, message: Message): void {
  const fault = codec.fault(message);
  if (fault !== undefined) throw new FrameFault("bad_frame", 1002, fault);
}
