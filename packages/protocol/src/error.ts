/** Every `code` of an `error` message. Stable: clients may compare them. */
export type ErrorCode =
  | "bad_json" // the message is not one JSON object
  | "bad_command" // a field is missing, of the wrong type or out of range; the message names it
  | "unknown_command" // no command has this `type`
  | "too_large" // the command, `data` or `info` is past its limit
  | "unsupported_version"
  | "already_connected" // `connect` after the session had begun
  // the session it names is not there (any more), or on datagrams none; `connect` again
  | "unknown_session"
  | "unauthorized" // the token was not accepted
  | "unknown_channel" // no namespace of this server covers the channel
  | "unknown_method" // nothing at this server takes it
  | "deadline_exceeded" // the call was not over in its time; what it did until then may be done
  | "cancelled" // the call was, by `cancel`; what it did until then may be done
  | "forbidden" // the namespace does not allow this to this user
  | "already_subscribed"
  | "not_subscribed"
  // too many subscriptions or calls, of the session, its address or its user, too many channels or keys, or
  // no room
  | "limit_reached"
  // too many commands a second, of the session, its address or its user; `retryMs` says when to go on
  | "rate_limited"
  // the engine could not do it now; trying again with the same key is safe. Or the program failed at a call
  | "unavailable"
  | "internal";

/** A command that cannot be served, with the `id` it had, as far as it could be read. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  readonly code: ErrorCode;
  readonly id: number | undefined;

  constructor(code: ErrorCode, message: string, id?: number) {
    super(message);
    this.code = code;
    this.id = id;
  }
}

/** Why a server ended a connection: a close code, on every transport. */
export const CLOSE = {
  /** Ended by request. */
  normal: 1000,
  /** The server stops or the session expired; connect again. */
  goingAway: 1001,
  /** Not a message of this transport at all: a broken frame. */
  protocolError: 1002,
  /** A message of a kind this transport does not take (binary). */
  unsupportedData: 1003,
  /** Text that is not UTF-8. */
  invalidText: 1007,
  /** A command was begun and not completed in time; connect again. */
  incomplete: 1008,
  /** A command past `commandBytes`. */
  tooLarge: 1009,
  /** The server failed; connect again. */
  internal: 1011,
  /** The server is full; connect again later. */
  tryAgainLater: 1013,
  /** One bad command after the other; do not connect again. */
  badCommands: 4400,
  /** The token was not accepted; do not connect again with it. */
  unauthorized: 4401,
  /** The peer does not read what it asked for, sent no first command in time, or no answer to a ping. */
  slowConsumer: 4408,
  /** Far past the command rate, for long; do not connect again. */
  rateLimited: 4429,
} as const;

/** As numbers: a page that does not name them all does not pay for their names. */
const FINAL: ReadonlySet<number> = new Set([1000, 1002, 1003, 1007, 1009, 4400, 4401, 4429]);

/** True if a client should connect again after a connection that ended with `code`. */
export function mayReconnect(code: number): boolean {
  return !FINAL.has(code);
}
