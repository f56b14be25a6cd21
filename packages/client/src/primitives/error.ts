import type { Data, ErrorAnswer, ErrorCode, Failed } from "@zocalo/protocol";

/**
 * Every `code` of a `ChannelError`: those of the protocol, and what only a client can say.
 * - `closed`: the session or subscription was closed.
 * - `timeout`: no answer within `timeoutMs`.
 * - `outbox_full`: too much waits for the server's acknowledgement.
 * - `unknown_outcome`: it was sent and not answered, and for so long that the server may have forgotten its
 *   key, or it was refused when it was sent again (`cause`). It may be in the log, so it is not sent again.
 */
export type ChannelErrorCode =
  | ErrorCode
  | "closed"
  | "timeout"
  | "outbox_full"
  | "unknown_outcome"
  | "connection_lost";

/**
 * A publish, a read or a subscription that the server refused or that could not be carried out. `message` may
 * have the server's own words, as they came: clean them before a terminal shows them.
 */
export class ChannelError extends Error {
  override readonly name = "ChannelError";
  /** Stable: compare this, not the message. */
  readonly code: ChannelErrorCode;
  /** The channel, or the method that was called. */
  readonly channel: string;

  constructor(code: ChannelErrorCode, channel: string, message: string, options?: ErrorOptions) {
    super(`${channel}: ${message}`, options);
    this.code = code;
    this.channel = channel;
  }
}

/** The server's program refused a call. */
export class CallError extends Error {
  override readonly name = "CallError";
  /** The program's own: compare this, not the message. */
  readonly code: string;
  readonly method: string;
  /** What it says beside the message: what JSON can say, or bytes. */
  readonly data: Data | undefined;

  constructor(method: string, { code, message, data }: Omit<Failed, "type">) {
    super(`${method}: ${message}`);
    this.code = code;
    this.method = method;
    this.data = data;
  }
}

/**
 * Every `code` of a `SessionError`: those of the protocol, and
 * - `dial_failed`: no connection, or no token for it; `cause` has the reason.
 * - `timeout`: no answer within `timeoutMs`.
 * - `connection_lost`: the connection ended; `closeCode` says how.
 * - `offline`: the browser says that there is no network; `cause` has what else is known.
 */
export type SessionErrorCode = ErrorCode | "dial_failed" | "timeout" | "connection_lost" | "offline";

/**
 * Why a session has no connection. `message` may have the server's own words, as they came: clean them before
 * a terminal shows them.
 */
export class SessionError extends Error {
  override readonly name = "SessionError";
  /** Stable: compare this, not the message. */
  readonly code: SessionErrorCode;
  /** The close code, where the connection ended with one. */
  readonly closeCode: number | undefined;
  /** True: connecting again would not help, and the session is closed. */
  readonly isFinal: boolean;
  /** The server asked to wait at least this long. */
  readonly retryMs: number | undefined;

  constructor(code: SessionErrorCode, message: string, details: SessionErrorDetails = {}) {
    super(message, details);
    this.code = code;
    this.closeCode = details.closeCode;
    this.isFinal = details.isFinal ?? false;
    this.retryMs = details.retryMs;
  }
}

/** What a `SessionError` knows beside its code. */
export interface SessionErrorDetails extends ErrorOptions {
  readonly closeCode?: number;
  readonly isFinal?: boolean;
  readonly retryMs?: number | undefined;
}

/** How long to wait after "not now" when the server does not say, in milliseconds. */
export const RETRY_MS = 1_000;

/** True for an answer that says "not now": the same command may succeed later. */
export function isTemporary({ code, retryMs }: Pick<ErrorAnswer, "code" | "retryMs">): boolean {
  return (
    code === "rate_limited" || code === "unavailable" || (code === "limit_reached" && retryMs !== undefined)
  );
}

/** What was thrown, or given as the reason of a signal, as an error. */
export function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason), { cause: reason });
}
