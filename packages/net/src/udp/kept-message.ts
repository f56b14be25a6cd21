import { asMessage } from "../contracts/as-message.ts";
import type { Message } from "../contracts/message-conn.ts";
import { isLentMemory } from "../memory/lent-memory.ts";
import { ownCopy } from "../node/datagram-sender.ts";

/** The same bytes, in memory of their own if they are lent. */
export function keptBytes(bytes: Uint8Array): Uint8Array {
  return isLentMemory(bytes) ? ownCopy(bytes) : bytes;
}

/** The same message, in memory of its own if it is lent. What is none is refused when its turn comes. */
export function keptMessage(message: Message): Message {
  try {
    return keptBytes(bytesOf(message));
  } catch {
    return message;
  }
}

/** What leaves. @throws NetError `invalid_argument` for what is no message. */
export function bytesOf(message: Message): Uint8Array {
  const content = asMessage(message);
  return typeof content === "string" ? Buffer.from(content, "utf8") : content;
}
