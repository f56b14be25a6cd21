import type { Deadline, WaitOptions } from "../contracts/conn.ts";
import type { SocketOptions } from "./socket-options.ts";

/** Finds the addresses of a host, best first. `family` 0 asks for both. Rejects if there are none. */
export type Resolver = (
  host: string,
  options: { readonly family: 0 | 4 | 6; readonly signal?: AbortSignal | undefined },
) => Promise<readonly string[]>;

/** Options of every network; `signal` cancels the dialing, not the connection. */
export interface DialOptions extends SocketOptions, WaitOptions {
  /** Until when there must be a connection, name resolution and handshake included. Default: the system gives up (minutes). */
  readonly deadline?: Deadline | undefined;
}

/** Options of `"tcp"`, `"tcp4"` and `"tcp6"`. */
export interface TcpDialOptions extends DialOptions {
  /** The address to dial from, `"10.0.0.5:0"`; port 0 lets the system choose. */
  readonly localAddress?: string | undefined;
  /** Finds the addresses of a host. Default: the system's own way. */
  readonly resolver?: Resolver | undefined;
  /** Between attempts at the addresses of a host, in milliseconds (RFC 8305). Default 250. */
  readonly attemptDelayMs?: number | undefined;
}
