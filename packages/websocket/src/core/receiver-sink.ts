import type { Message } from "@zocalo/net";

/** What the peer did wrong, and the code to close with. */
export interface ProtocolFailure {
  readonly closeCode: number;
  readonly reason: string;
}

/** A portion of a message that is told as it comes: see `Receiver`. */
export interface MessagePart {
  readonly isText: boolean;
  readonly isFirst: boolean;
  readonly isLast: boolean;
  /** Belongs to the sink. Of text, valid so far; it may begin and end within a character. */
  readonly bytes: Uint8Array;
}

/**
 * Who is told what the bytes mean. Binary messages belong to the sink; other byte arrays are lent for the
 * call.
 */
export interface ReceiverSink {
  /**
   * A whole message.
   *
   * @param byteLength encoded length of the message, in bytes.
   */
  onMessage(message: Message, byteLength: number): void;
  /** Instead of `onMessage`, from a receiver that streams. */
  onPart(part: MessagePart): void;
  /** A ping came. */
  onPing(payload: Uint8Array): void;
  /** A pong came. */
  onPong(payload: Uint8Array): void;
  /** Nothing follows. @param code 1005 if the frame had none. */
  onClose(code: number, reason: string): void;
  /** So much was inflated that others should have their turn: best pause, and resume in the next one. */
  onBusy(): void;
  /** Nothing follows. */
  onFailure(failure: ProtocolFailure): void;
}
