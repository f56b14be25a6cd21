import type { ReceivedAnswer } from "@zocalo/protocol";
import type { Attempts } from "./attempts.ts";
import { ChannelError, type ChannelErrorCode } from "../primitives/error.ts";
import { unknownOutcome, type Unpublished } from "./publication.ts";

/** A command that waits for a connection, and is sent again on each one until it is answered. */
export interface Entry {
  /** What it is about: a channel, or a method. */
  readonly channel: string;
  readonly encode: (id: number) => string;
  /** It is given up after this many milliseconds, if set. */
  readonly timeoutMs?: number;
  /** It is a call: sent once, and no answer is waited for any more if the connection is lost. */
  readonly isOnce?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** How a publication is to be treated. */
export interface Treatment {
  /** True: in the store, if there is one. */
  readonly isKept: boolean;
  readonly kept: (() => void) | undefined;
  readonly signal: AbortSignal | undefined;
}

/** One that waits for its answer, or to be sent. */
export interface Waiting extends Entry {
  readonly unpublished: Unpublished | undefined;
  isInFlight: boolean;
  /** The id with which it was sent last. */
  sentAs: number;
  /** The store writes it, or that it is sent. */
  isWriting: boolean;
  /** The store could not write that it is sent, and is asked again later. It holds up nothing else. */
  isPutOff: boolean;
  /** Its number in the store. */
  id: number | undefined;
  /** To the next session: this one was closed. */
  isLeft: boolean;
  readonly attempts: Attempts;
  readonly finish: (outcome: ReceivedAnswer | Error) => void;
}

/** What is said of this attempt says nothing of one before that had no answer. */
export function refuse(
  { unpublished, attempts, channel, finish }: Waiting,
  code: ChannelErrorCode,
  message: string,
): void {
  const error = new ChannelError(code, channel, message);
  finish(unpublished && attempts.isPerhapsThere ? unknownOutcome(channel, error) : error);
}
