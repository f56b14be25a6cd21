import { asMessage } from "../contracts/as-message.ts";
import { type Message, PreparedMessage } from "../contracts/message-conn.ts";
import { isLentMemory } from "../memory/lent-memory.ts";
import { type FrameCodec, FrameFault, refuseFaulty, toBytes } from "./frame-codec.ts";

/** One message as it leaves: in one piece, or in parts to save copying. */
export type Frame = Uint8Array | readonly Uint8Array[];

/**
 * Whose memory a frame is: `kept`, nobody will ever write there; `shared`, the same, and it is for many; or
 * `borrowed`, its sender may write there once its call has settled. What is borrowed is copied unless the
 * call stays pending until the bytes were taken.
 */
export type FrameMemory = "kept" | "shared" | "borrowed";

/** A part larger than this is not copied to join it with its header. */
const MAX_JOINED_BYTES = 16_384;

/**
 * A message in its frame.
 *
 * @throws FrameFault if it cannot be framed, or has more than `maxBytes`; NetError for what is no message.
 */
export function frameOf(message: Message | PreparedMessage, codec: FrameCodec, maxBytes: number): Frame {
  const content = asMessage(message instanceof PreparedMessage ? message.message : message);
  const length = payloadBytes(content, maxBytes);
  if (length > maxBytes) {
    throw new FrameFault("too_large", 1009, `message of ${length} bytes is larger than ${maxBytes}`);
  }
  if (message instanceof PreparedMessage) return message.encodedAs(codec);
  if (typeof content === "string" || length <= MAX_JOINED_BYTES) return codec.encode(content);
  refuseFaulty(codec, content);
  const payload = toBytes(content);
  const parts = [codec.header(length), payload, codec.trailer(payload)];
  return parts.filter((part) => part !== undefined);
}

/** Bytes of `message` as payload; for a text that is surely below `limit` its length will do. */
function payloadBytes(message: Message, limit: number): number {
  if (typeof message !== "string") return message.length;
  // A UTF-16 unit is at most 3 bytes of UTF-8.
  return message.length * 3 <= limit ? message.length : Buffer.byteLength(message, "utf8");
}

/**
 * A prepared message is the connections' for ever, and what a codec makes of a message its own, unless it
 * shows the message itself.
 */
export function memoryOf(frame: Frame, message: Message | PreparedMessage): FrameMemory {
  if (message instanceof PreparedMessage) return "shared";
  const content = asMessage(message);
  if (typeof content === "string") return "kept";
  const parts = frame instanceof Uint8Array ? [frame] : frame;
  return parts.some((part) => overlap(part, content)) ? "borrowed" : "kept";
}

/** Two pieces of Node's pool lie in the same memory, and have nothing in common. */
function overlap(a: Uint8Array, b: Uint8Array): boolean {
  if (a.buffer !== b.buffer) return false;
  return a.byteOffset < b.byteOffset + b.byteLength && b.byteOffset < a.byteOffset + a.byteLength;
}

/** All bytes of a frame. */
export function frameBytes(frame: Frame): number {
  if (frame instanceof Uint8Array) return frame.length;
  let bytes = 0;
  for (const part of frame) bytes += part.length;
  return bytes;
}

/** The same bytes in memory of their own. */
export function ownFrame(frame: Frame): Frame {
  return frame instanceof Uint8Array ? ownCopy(frame) : frame.map(ownCopy);
}

function ownCopy(bytes: Uint8Array): Uint8Array {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
}

/** True if a handler was only lent some of it. */
export function isLentFrame(frame: Frame): boolean {
  return frame instanceof Uint8Array ? isLentMemory(frame) : frame.some((part) => isLentMemory(part));
}
