import type { Addr } from "./addr.ts";
import { printable } from "./printable.ts";

/** Every `code` a `NetError` can carry. Stable: programs may compare them. */
export type NetErrorCode =
  | "invalid_address" // an address or a URL cannot be parsed, or cannot be used here
  | "invalid_argument" // an option or argument is outside what is allowed
  | "name_not_found" // the resolver knows no such host or service
  | "resolver_failed" // the resolver could not answer; it may later
  | "refused" // nobody listens there (ECONNREFUSED); the answer to a WebSocket was no upgrade, see `status`
  // the proxy opens no tunnel: by its rules, or without a login; of a WebSocket see `status`
  | "proxy_refused"
  | "reset" // the peer cut the connection (ECONNRESET)
  | "broken_pipe" // written after the peer stopped reading (EPIPE)
  | "timeout" // a deadline passed, or the system gave up (ETIMEDOUT)
  | "canceled" // the caller's signal aborted this call
  | "closed" // this side has closed
  | "end_of_stream" // the peer ended in the middle of what was asked for
  | "truncated" // the connection was cut before TLS had ended; a message may have lost its rest
  | "address_in_use"
  | "address_not_available"
  | "host_unreachable"
  | "network_unreachable"
  | "permission"
  | "not_found" // no such socket file (ENOENT)
  | "too_many_files" // EMFILE, ENFILE
  | "too_large" // a message past the limit, a datagram past EMSGSIZE
  // what may wait to be sent, or be sent to an address that may be forged, is used up; there may be room
  // later
  | "no_room"
  | "bad_frame" // the peer broke the framing, or the protocol of a WebSocket (close codes 1002, 1007)
  | "tls" // the TLS handshake or record layer failed; `cause` has the reason
  | "connect_failed" // a WebSocket found no connection to dial over; `cause` has the reason
  | "handshake_failed" // the peer's answer to the upgrade broke RFC 6455
  | "abnormal_closure" // a WebSocket ended without a close handshake
  | "handler_failed" // the application's handler threw; `cause` has what
  | "unsupported" // this platform or runtime cannot do it
  | "unknown"; // anything else; `cause` has what the runtime said

/** What was being done: `dial`, `listen`, `accept`, `read`, `write`, `close`, `set`, `parse`, … */
export type NetOp = "dial" | "listen" | "accept" | "read" | "write" | "close" | "set" | "parse" | "resolve";

/** The parts of a `NetError`. */
export interface NetErrorParts {
  readonly op: NetOp;
  readonly code: NetErrorCode;
  /** What went wrong, in a few words: `i/o timeout`. */
  readonly reason: string;
  readonly network?: string | undefined;
  readonly localAddr?: Addr | undefined;
  readonly remoteAddr?: Addr | undefined;
  /**
   * Of a write: how many bytes have been taken, or, where it was cut short, where to go on. See `Conn.write`.
   */
  readonly bytesWritten?: number | undefined;
  /** How many datagrams of a batch the system had taken before the one that failed. */
  readonly datagramsSent?: number | undefined;
  readonly cause?: unknown;
}

/**
 * The one family of errors of this package and of `@zocalo/websocket`, whose `WebSocketNetError` is one;
 * prints like `read tcp 127.0.0.1:8080->127.0.0.1:51234: i/o timeout`.
 *
 * `message` and `reason` may quote others, such as the names in a peer's certificate: they are `printable`.
 * `cause` is what the runtime threw; where it is about TLS, its own texts are printable, too, since
 * `console.error` shows them.
 */
export class NetError extends Error {
  override readonly name = "NetError";
  readonly op: NetOp;
  readonly code: NetErrorCode;
  /** What went wrong, in a few words: `i/o timeout`. */
  readonly reason: string;
  readonly network: string | undefined;
  readonly localAddr: Addr | undefined;
  readonly remoteAddr: Addr | undefined;
  readonly bytesWritten: number | undefined;
  readonly datagramsSent: number | undefined;

  constructor(parts: NetErrorParts) {
    super(printable(describe(parts)), parts.cause === undefined ? undefined : { cause: parts.cause });
    this.op = parts.op;
    this.code = parts.code;
    this.reason = printable(parts.reason);
    this.network = parts.network;
    this.localAddr = parts.localAddr;
    this.remoteAddr = parts.remoteAddr;
    this.bytesWritten = parts.bytesWritten;
    this.datagramsSent = parts.datagramsSent;
  }

  /** True for `timeout`: trying again later, with a later deadline, may succeed. */
  get timeout(): boolean {
    return this.code === "timeout";
  }
}

function describe({ op, network, localAddr, remoteAddr, reason }: NetErrorParts): string {
  const route = [localAddr, remoteAddr].filter((addr) => addr !== undefined).join("->");
  return `${[op, network, route].filter(Boolean).join(" ")}: ${reason}`;
}
