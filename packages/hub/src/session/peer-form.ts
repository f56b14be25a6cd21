import type { Message, MessageConn, SendOutcome } from "@zocalo/net";
import {
  BINARY_SUBPROTOCOL,
  decodeBinaryCommand,
  decodeCommand,
  isBinaryStart,
  type ReceivedCommand,
  toBinaryMessage,
} from "@zocalo/protocol";
import type { Sender } from "../channel/sender.ts";
import type { SharedMessage } from "../channel/shared-message.ts";
import { fitsInBytes } from "../primitives/utf8.ts";

/**
 * The form of the protocol that a peer speaks, JSON (docs/protocol.md) or binary (docs/protocol-binary.md):
 * its commands are read in it, and what the hub says, which is JSON text, is sent in it.
 */
export class PeerForm implements Sender {
  readonly #conn: Pick<MessageConn, "trySend" | "maxSendBytes">;
  /** Unset: its first message will say it. */
  #isBinary: boolean | undefined;

  constructor(conn: Pick<MessageConn, "trySend" | "maxSendBytes" | "peer">) {
    this.#conn = conn;
    const { transport, subprotocol } = conn.peer;
    if (transport === "websocket") this.#isBinary = subprotocol === BINARY_SUBPROTOCOL;
    else if (transport === "udp") this.#isBinary = false;
  }

  /** Of messages in JSON; those of the binary form are no longer. */
  get maxSendBytes(): number {
    return this.#conn.maxSendBytes;
  }

  get isBinary(): boolean {
    return this.#isBinary === true;
  }

  /** The first message has come. */
  begin(first: Message): void {
    this.#isBinary ??= typeof first !== "string" && isBinaryStart(first[0] ?? 0);
  }

  /** True for a message of this form, be it a good one. */
  has(message: Message): boolean {
    return (typeof message !== "string") === this.isBinary;
  }

  /**
   * @param message of this form
   * @throws ProtocolError for what is no command
   */
  decode(message: Message, maxBytes: number): ReceivedCommand {
    return typeof message === "string"
      ? decodeCommand(message, maxBytes)
      : decodeBinaryCommand(message, maxBytes);
  }

  /** Hot path. */
  trySend(message: string | Uint8Array | SharedMessage): SendOutcome {
    if (message instanceof Uint8Array) return this.#conn.trySend(message);
    if (typeof message === "string")
      return this.#conn.trySend(this.isBinary ? toBinaryMessage(message) : message);
    return this.#conn.trySend(this.isBinary ? message.binary : message.text);
  }

  canSend(message: string | Uint8Array | SharedMessage): boolean {
    if (typeof message === "string") return fitsInBytes(message, this.maxSendBytes);
    if (message instanceof Uint8Array) return message.length <= this.maxSendBytes;
    return this.isBinary
      ? message.binary.message.length <= this.maxSendBytes
      : fitsInBytes(message.text.message as string, this.maxSendBytes);
  }
}
