import { type Conn, NetError, type TcpDialOptions } from "@zocalo/net";
import { checkNames, checkTcpDialValues, checkTlsOfDial, deadlineToMs, shown } from "@zocalo/net/transport";
import { WebSocketNetError } from "../core/error.ts";
import { checkHeaders } from "../handshake/added-fields.ts";
import type { CompressionOptions } from "../handshake/deflate.ts";
import { type ConnOptions, connOptionNames } from "../session/options.ts";
import { reasonOf, type WebSocketTlsOptions } from "./connect.ts";

/**
 * How `dial` connects. Names that are not listed here are refused (`invalid_argument`), those of `tls` and
 * `proxyTls` too.
 */
export interface DialOptions extends ConnOptions {
  /**
   * Headers added to the request, for example `Authorization`, `Cookie` or `Origin`. CR, LF and other control
   * characters are refused.
   */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Subprotocols to offer, in order of preference. Default: none. */
  readonly subprotocols?: readonly string[] | undefined;
  /** Offer permessage-deflate: `true`, or how. Default false. */
  readonly compression?: boolean | CompressionOptions | undefined;
  /**
   * From the call to the open connection, in milliseconds: all addresses of the host together, TLS, proxy and
   * redirects included. Default 10,000.
   */
  readonly handshakeTimeoutMs?: number | undefined;
  /**
   * Most redirects to follow. Default 0: a redirect is `refused`. Never from `wss:` to `ws:`. Where scheme,
   * host or port change, what was said to the first server stays with it: `headers`, `subprotocols`, user and
   * password of the URL, and of `tls` the certificate, its key, `serverName` and
   * `dangerouslyAcceptAnyCertificate`. They are not said again if a later redirect leads back. User and
   * password in a redirect are not used. A redirect is `refused` with a `conn`. The rest of these options
   * holds for every server.
   */
  readonly maxRedirects?: number | undefined;
  /**
   * A proxy to go through: `http://user:password@host:port` or `https:` (CONNECT, RFC 9110 §9.3.6), or
   * `socks5:` (RFC 1928). It resolves and sees names, and with `ws:` also what is said. User and password are
   * percent-encoded, and go to the proxy alone. Default: none; the environment is not looked at.
   */
  readonly proxy?: string | URL | undefined;
  /** As `tls`, for an `https:` proxy. What `tls` says is for the server alone. */
  readonly proxyTls?: WebSocketTlsOptions | undefined;
  /** How long the proxy may take to open the tunnel once it is connected, in milliseconds. Default 30 s. */
  readonly proxyTimeoutMs?: number | undefined;
  /**
   * A connection to speak over, in place of one that is dialed: on a Unix socket, a pipe, by way of
   * something of your own. `wss:` does TLS over it. You may have spoken over it before: one of
   * `@zocalo/net` is refused (`invalid_argument`, and left as it is) while it is read, served or written,
   * with unread bytes, once a side has ended, and if another dial has taken it. Leave it alone from then on:
   * it is closed if dialing fails, but not if an argument is refused or certificates cannot be used.
   * Redirects are refused, `proxy` may not be given, and `resolver` to `keepAliveIdleMs` say nothing, as it
   * is connected. Default: the host of the URL is dialed.
   */
  readonly conn?: Conn | undefined;
  /**
   * Finds the addresses of the host; of the proxy's host if there is a proxy, which finds the server itself.
   * Default: the system's own way.
   */
  readonly resolver?: TcpDialOptions["resolver"];
  /** The address to dial from, `"10.0.0.5:0"`; port 0 lets the system choose. Default: the system chooses. */
  readonly localAddress?: string | undefined;
  /**
   * Between attempts at the addresses of the host, in milliseconds (RFC 8305 §5). Default 250; 0 tries all
   * at once, `Infinity` the next when one has failed. No attempt is given up for the next one.
   */
  readonly attemptDelayMs?: number | undefined;
  /** Send small writes at once (TCP_NODELAY); `false` lets the system collect them. Default `true`. */
  readonly noDelay?: boolean | undefined;
  /**
   * Let the system ask whether the peer of an idle connection is there (SO_KEEPALIVE). Default `false`,
   * unlike in `@zocalo/net`: the WebSocket asks by its pings (`pingIntervalMs`), which also notice a peer
   * that hangs.
   */
  readonly keepAlive?: boolean | undefined;
  /**
   * With `keepAlive`: idle time before the first probe, in milliseconds, rounded down to seconds: 1,000 to
   * 2^31 - 1. Default 15 s.
   */
  readonly keepAliveIdleMs?: number | undefined;
  /**
   * Until when there must be an open connection. `handshakeTimeoutMs` holds beside it: what is earlier ends
   * the dial. Default: none.
   */
  readonly deadline?: TcpDialOptions["deadline"];
  /** Cancels dialing; once connected it does nothing. */
  readonly signal?: AbortSignal | undefined;
  /**
   * How to speak TLS with a server of `wss:`, as `dial("tls", …)` of `@zocalo/net` does. Files are read, and
   * what certificates hold is parsed, before anybody is dialed. `serverName` is the host of the URL by
   * default, or that of a `Host` header. `alpnProtocols` may not name
   * another version of HTTP.
   * Default: the authorities of the runtime. Risk: `dangerouslyAcceptAnyCertificate` lets anybody in the
   * middle read and change everything.
   */
  readonly tls?: WebSocketTlsOptions | undefined;
}

/** Every name of `DialOptions`. */
export const dialOptionNames: Readonly<Record<keyof DialOptions, 1>> = {
  ...connOptionNames,
  headers: 1,
  subprotocols: 1,
  compression: 1,
  handshakeTimeoutMs: 1,
  maxRedirects: 1,
  proxy: 1,
  proxyTls: 1,
  proxyTimeoutMs: 1,
  conn: 1,
  resolver: 1,
  localAddress: 1,
  attemptDelayMs: 1,
  noDelay: 1,
  keepAlive: 1,
  keepAliveIdleMs: 1,
  deadline: 1,
  signal: 1,
  tls: 1,
};

/**
 * Checks the names of options, and what Node would take without a word.
 *
 * @throws WebSocketNetError `invalid_argument`.
 */
export function checkedDialOptions(options: DialOptions): DialOptions {
  return checked(() => {
    checkNames("dial", "a WebSocket dial", options, dialOptionNames);
    // The proxy's URL has an error of its own, and a WebSocket's `closeTimeoutMs` is checked as one.
    checkTcpDialValues({ ...options, proxy: undefined, proxyTls: undefined, closeTimeoutMs: undefined });
    deadlineToMs(options.deadline ?? null);
    if (options.headers !== undefined) checkHeaders("dial", options.headers);
    const { tls, proxyTls, conn, proxy } = options;
    if (conn !== undefined && !isConn(conn)) {
      throw new WebSocketNetError(
        "invalid_argument",
        `conn ${shown(conn)} is not a connection of @zocalo/net`,
      );
    }
    if (conn !== undefined && proxy !== undefined) {
      throw new WebSocketNetError("invalid_argument", "conn is already connected: it cannot go with proxy");
    }
    if (tls !== undefined) checkTls("tls", tls);
    if (proxyTls !== undefined) checkTls("proxyTls", proxyTls);
    return options;
  });
}

/** Versions of HTTP in which this package does not ask for a WebSocket. */
const OTHER_HTTP: readonly string[] = ["http/1.0", "h2", "h3"];

/** A server that chose another version of HTTP would speak that. */
function checkTls(what: string, tls: WebSocketTlsOptions): void {
  checkTlsOfDial(what, tls);
  const other = tls.alpnProtocols?.find((name) => OTHER_HTTP.includes(name));
  if (other === undefined) return;
  const message = `${what}.alpnProtocols has ${shown(other)}: a WebSocket begins with HTTP/1.1, "http/1.1"`;
  throw new WebSocketNetError("invalid_argument", message);
}

/** Not by its class: another copy of the package has another one. */
function isConn(value: object): boolean {
  return ["read", "write", "closeWrite", "abort"].every(
    (name) => typeof Reflect.get(Object(value), name) === "function",
  );
}

/**
 * What `check` answers; its NetError is told as an error of this package.
 *
 * @throws WebSocketNetError `invalid_argument`.
 */
export function checked<T>(check: () => T): T {
  try {
    return check();
  } catch (cause) {
    if (cause instanceof WebSocketNetError) throw cause;
    const message = cause instanceof NetError ? cause.reason : reasonOf(cause);
    throw new WebSocketNetError("invalid_argument", message, { cause });
  }
}
