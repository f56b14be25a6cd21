import type { ProtocolFailure } from "./receiver-sink.ts";

/** Takes the payload of messages that are not all there in one piece, in order: see `WholeMessage` and `StreamedMessage`. */
export interface MessageBody {
  /** Most bytes of the message being received that `add` takes at once. Between two calls the receiver may be paused. */
  readonly stepBytes: number;

  /** A message begins. `isCompressed`: its payload is (RFC 7692 §6). */
  begin(isText: boolean, isCompressed: boolean): void;

  /**
   * Takes `chunk[start..end)`, which may be empty. It is lent: its memory may be used again after the call.
   *
   * @param due bytes that the frame is known to have from `start` on.
   * @param isLast the message ends here, and is told.
   * @returns what is wrong with the message, as soon as it is known.
   */
  add(chunk: Buffer, start: number, end: number, due: number, isLast: boolean): ProtocolFailure | undefined;

  /** Lets go of the message that was begun: the rest is not wanted. */
  drop(): void;
}
