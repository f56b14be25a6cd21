import type { TlsServerOptions } from "@zocalo/net";
import type { WebSocketRefusal } from "./refusal.ts";
import { type UpgraderOptions, upgraderOptionNames } from "./upgrader-options.ts";

/** How `attach` accepts. Names that are not listed here are refused (`invalid_argument`). */
export interface AttachOptions extends UpgraderOptions {
  /**
   * The path that is upgraded, as it stands in the request, without its query (and without scheme and host,
   * if the target is in absolute form). Default: every path. Others are answered with 404, unless the server
   * has other `upgrade` listeners.
   */
  readonly path?: string | undefined;
  /**
   * Connections that may wait for `accept`; more are answered with 503. One address may have half of the
   * places, rounded up, unless it is in `exemptAddresses`; more are answered with 429. Default 512.
   */
  readonly maxPending?: number | undefined;
  /** Connections that may be open at once; more are answered with 503. Default `Infinity`. */
  readonly maxConnections?: number | undefined;
  /**
   * Told of each connection that is refused before `accept`, for logs and counters, as `onRefuse` of
   * `@zocalo/net` is; the peer was answered already. With `attach` that are upgrades alone, with `listen`
   * also TLS handshakes that failed, and connections past a limit of their address. What it throws is a
   * warning of the process. Default: nobody is told.
   */
  readonly onRefuse?: ((refusal: WebSocketRefusal) => void) | undefined;
}

/**
 * How `listen` accepts. Names that are not listed here are refused (`invalid_argument`).
 *
 * A connection that has not asked for a WebSocket `handshakeTimeoutMs` after it was accepted (behind TLS,
 * after the handshake, which may take as long) is cut, whatever it says meanwhile.
 */
export interface ListenOptions extends AttachOptions {
  /**
   * Most connections of one address that have not yet asked for a WebSocket; one more is closed without an
   * answer. Default 64; `Infinity`: no limit.
   */
  readonly maxHalfOpenPerAddress?: number | undefined;
  /**
   * Most TLS handshakes of one address at a time; one more is closed without an answer. Default 64;
   * `Infinity`: no limit.
   */
  readonly maxHandshakesPerAddress?: number | undefined;
  /**
   * Serve `wss:` with this certificate and key, as `listen("tls", …)` of `@zocalo/net` does: files are read
   * again when they change, what they hold is parsed, names that are not known are refused. A handshake may
   * take as long as `handshakeTimeoutMs` unless it has one of its own. Default: plain `ws:`.
   */
  readonly tls?: TlsServerOptions | undefined;
  /**
   * Who reads the requests for a WebSocket: `"here"`, which takes half of the time, or `"node:http"`, whose
   * parser then sees each byte that a stranger sends; what the parser here is not sure of goes there anyway.
   * The answers are the same. Risk of `"node:http"`: a crowd that comes back at once waits twice as long.
   * Default `"here"`, or `"node:http"` where the environment has `ZOCALO_NO_OWN_UPGRADES`.
   */
  readonly readUpgrades?: "here" | "node:http" | undefined;
}

/** Every name of `AttachOptions`. */
export const attachOptionNames: Readonly<Record<keyof AttachOptions, 1>> = {
  ...upgraderOptionNames,
  path: 1,
  maxPending: 1,
  maxConnections: 1,
  onRefuse: 1,
};
/** Every name of `ListenOptions`. */
export const listenOptionNames: Readonly<Record<keyof ListenOptions, 1>> = {
  ...attachOptionNames,
  maxHalfOpenPerAddress: 1,
  maxHandshakesPerAddress: 1,
  tls: 1,
  readUpgrades: 1,
};
