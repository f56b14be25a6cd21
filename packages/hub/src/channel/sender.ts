import type { SendOutcome } from "@zocalo/net";
import type { SharedMessage } from "./shared-message.ts";

/** Where messages to a peer go. They are given as JSON text, or for many; the peer has them in its form. */
export interface Sender {
  /** Largest message, in bytes. */
  readonly maxSendBytes: number;
  /** @param message bytes are a message in the peer's binary form, and read before this returns */
  trySend(message: string | Uint8Array | SharedMessage): SendOutcome;
  /** True unless the message is larger than any that can be sent. */
  canSend(message: string | Uint8Array | SharedMessage): boolean;
}
