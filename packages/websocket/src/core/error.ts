import { NetError, type NetErrorCode, type NetOp, printable } from "@zocalo/net";
import type { CloseFrame } from "./close-frame.ts";

/** The parts of a `WebSocketNetError` besides its message. */
export interface WebSocketNetErrorParts {
  /**
   * What was being done. Default: `dial` while there is no connection yet, `set` for `invalid_argument`, else
   * `read`.
   */
  readonly op?: NetOp | undefined;
  readonly status?: number | undefined;
  readonly sent?: CloseFrame | undefined;
  readonly received?: CloseFrame | undefined;
  readonly cause?: unknown;
}

const OPS: Partial<Record<NetErrorCode, NetOp>> = {
  invalid_argument: "set",
  invalid_address: "dial",
  refused: "dial",
  proxy_refused: "dial",
  connect_failed: "dial",
  handshake_failed: "dial",
  canceled: "write",
};

/**
 * What this package throws: a `NetError` that also knows what a WebSocket says. `WebSocketError` is another
 * class: the browser's, of `WebSocketStream`. What the operating system or TLS said is the `cause`.
 *
 * `message` is one sentence, without the operation and the route before it: it names the host where there is
 * one to name. It may quote the peer, such as its status text: it is `printable`, as `@zocalo/net` has it.
 * `sent` and `received` are as they came.
 */
export class WebSocketNetError extends NetError {
  /** HTTP status, for `refused` and `proxy_refused`. */
  readonly status: number | undefined;
  /** The Close frame this side sent, if it did. */
  readonly sent: CloseFrame | undefined;
  /** The Close frame the peer sent, if it did. */
  readonly received: CloseFrame | undefined;

  constructor(code: NetErrorCode, message: string, parts: WebSocketNetErrorParts = {}) {
    super({
      op: parts.op ?? OPS[code] ?? "read",
      code,
      reason: message,
      network: "websocket",
      cause: parts.cause,
    });
    this.message = printable(message);
    this.status = parts.status;
    this.sent = parts.sent;
    this.received = parts.received;
  }
}

/** For calls whose signal was aborted. */
export function canceled(signal: AbortSignal): WebSocketNetError {
  return new WebSocketNetError("canceled", "operation canceled", { cause: signal.reason });
}
