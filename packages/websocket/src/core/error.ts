import { printable } from "@zocalo/net";

/** Every `code` a `WebSocketError` can carry. Stable: programs may compare them. */
export type WebSocketErrorCode =
  | "invalid_argument" // an option or argument is outside what is allowed
  | "invalid_url" // the URL to dial is not one of `ws:`, `wss:`, `http:`, `https:`, or has a fragment
  | "refused" // the HTTP answer was not 101, or the request was not a valid upgrade; `status` has the HTTP status
  | "proxy_refused" // the proxy's answer to CONNECT was not 2xx; `status` has the HTTP status
  | "handshake_failed" // the peer's answer to the upgrade broke RFC 6455
  | "handshake_timeout" // the handshake took longer than `handshakeTimeoutMs`
  | "connect_failed" // no connection could be made; `cause` has the reason
  | "canceled" // the caller's signal aborted this call
  | "closed" // sent on, or sending interrupted by the end of, a connection
  | "protocol_error" // the peer broke the protocol (close codes 1002, 1007)
  | "too_large" // what the peer sent is past a limit (close code 1009)
  | "abnormal_closure" // the connection ended without a close handshake
  | "keepalive_timeout" // nothing came from the peer for `pingIntervalMs` + `pongTimeoutMs`, and it took nothing
  | "write_timeout" // the peer took nothing of what waited for it for `writeTimeoutMs`
  | "message_timeout" // the peer began a message and did not complete it within `messageTimeoutMs`
  | "close_timeout" // the peer did not answer the close within `closeTimeoutMs`
  | "handler_failed"; // the application's handler threw; `cause` has what

/** What one side said in its Close frame. Code 1005: the frame had none. */
export interface CloseFrame {
  readonly code: number;
  readonly reason: string;
}

/** The parts of a `WebSocketError` besides its message. */
export interface WebSocketErrorParts {
  readonly status?: number | undefined;
  readonly sent?: CloseFrame | undefined;
  readonly received?: CloseFrame | undefined;
  readonly cause?: unknown;
}

/**
 * The error class of this package. What the operating system or TLS said is the `cause`.
 *
 * `message` may quote the peer, such as its status text: it is `printable`, as `@zocalo/net` has it. `sent` and
 * `received` are as they came.
 */
export class WebSocketError extends Error {
  override readonly name = "WebSocketError";
  readonly code: WebSocketErrorCode;
  /** HTTP status, for `refused` and `proxy_refused`. */
  readonly status: number | undefined;
  /** The Close frame this side sent, if it did. */
  readonly sent: CloseFrame | undefined;
  /** The Close frame the peer sent, if it did. */
  readonly received: CloseFrame | undefined;

  constructor(code: WebSocketErrorCode, message: string, parts: WebSocketErrorParts = {}) {
    super(printable(message), parts.cause === undefined ? undefined : { cause: parts.cause });
    this.code = code;
    this.status = parts.status;
    this.sent = parts.sent;
    this.received = parts.received;
  }
}

/** For calls whose signal was aborted. */
export function canceled(signal: AbortSignal): WebSocketError {
  return new WebSocketError("canceled", "operation canceled", { cause: signal.reason });
}
