import type { Deadline, WaitOptions } from "../contracts/conn.ts";
import type { SocketOptions } from "./socket-options.ts";
import type { TlsClientOptions, TlsEndOptions } from "./tls-options.ts";

/** Finds the addresses of a host, best first. `family` 0 asks for both. Rejects if there are none. */
export type Resolver = (
  host: string,
  options: { readonly family: 0 | 4 | 6; readonly signal?: AbortSignal | undefined },
) => Promise<readonly string[]>;

/** Options of every network; `signal` cancels the dialing, not the connection. */
export interface DialOptions extends SocketOptions, WaitOptions {
  /**
   * Until when there must be a connection, name resolution and handshake included. Default: the system gives
   * up (minutes).
   */
  readonly deadline?: Deadline | undefined;
}

/** Options of `"tcp"`, `"tcp4"` and `"tcp6"`. */
export interface TcpDialOptions extends DialOptions {
  /** The address to dial from, `"10.0.0.5:0"`; port 0 lets the system choose. */
  readonly localAddress?: string | undefined;
  /**
   * A proxy to go through: `"socks5://user:password@host:port"` (RFC 1928, RFC 1929; port 1080), `"http://…"`
   * (CONNECT, RFC 9110 §9.3.6; port 80) or `"https://…"` (the same over TLS; port 443), for `"tcp"` and
   * `"tls"`. User and password are percent-encoded. The proxy resolves the name that is dialed;
   * `localAddress`, `resolver` and `attemptDelayMs` are for the way to the proxy. `conn.remoteAddr` is the
   * address as it was dialed. Default: none; the environment is not looked at.
   *
   * Risk: user and password travel in clear text to the proxy, unless it is `https:`, and with `"tcp"` it
   * reads and may change all that is said. Use `"tls"`.
   */
  readonly proxy?: string | URL | undefined;
  /** How to speak TLS with an `https:` proxy, as to the server of `dial("tls", …)`. No other is told them. */
  readonly proxyTls?: ProxyTlsOptions | undefined;
  /** How long the proxy may take to open the tunnel once it is connected, in milliseconds. Default 30 s. */
  readonly proxyTimeoutMs?: number | undefined;
  /** Finds the addresses of a host, with `proxy` those of the proxy's. Default: the system's own way. */
  readonly resolver?: Resolver | undefined;
  /**
   * Between attempts at the addresses of a host, in milliseconds (RFC 8305). Default 250; 0 tries all at
   * once, `Infinity` the next when one has failed.
   */
  readonly attemptDelayMs?: number | undefined;
}

/** What a client of an `https:` proxy decides. */
export interface ProxyTlsOptions extends Omit<TlsClientOptions, keyof TlsEndOptions> {}

/** Options of `dial("tls", …)`. Names that are not listed here are refused (`invalid_argument`). */
export interface TlsDialOptions extends TcpDialOptions, TlsClientOptions {}
