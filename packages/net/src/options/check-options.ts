import type { DialOptions, TcpDialOptions } from "./dial-options.ts";
import type { NetOp } from "../contracts/error.ts";
import type {
  ListenOptions,
  TcpListenOptions,
  UnixListenOptions,
  ProxyProtocolOptions,
} from "./listen-options.ts";
import { type Names, checkSignal, checkNames, checkKind, checkTime } from "./check-values.ts";
import { parseProxyUrl } from "./proxy-url.ts";
import { nodeSocketOptions } from "./socket-options.ts";

/*
 * A misspelt option is a door left open: `clientCertificate: "require"` would let in everybody, and `modee:
 * 0o600` anybody of this machine. TypeScript sees it only in object literals, so each name is checked against
 * these lists, which the compiler keeps complete.
 */

const socketNames = { noDelay: 1, keepAlive: 1, keepAliveIdleMs: 1, closeTimeoutMs: 1, signal: 1 } as const;
const listenNames: Names<ListenOptions> = {
  ...socketNames,
  backlog: 1,
  maxPending: 1,
  maxConnections: 1,
  maxConnectionsPerAddress: 1,
  maxHalfOpenPerAddress: 1,
  maxHandshakesPerAddress: 1,
  exemptAddresses: 1,
  firstByteTimeoutMs: 1,
  onRefuse: 1,
};
const unixListenNames: Names<UnixListenOptions> = {
  ...listenNames,
  mode: 1,
  replaceStale: 1,
  unlinkOnClose: 1,
};
export const tcpListenNames: Names<TcpListenOptions> = {
  ...listenNames,
  reusePort: 1,
  ipv6Only: 1,
  proxyProtocol: 1,
};
const proxyProtocolNames: Names<ProxyProtocolOptions> = { trusted: 1, timeoutMs: 1 };
const dialNames: Names<DialOptions> = { ...socketNames, deadline: 1 };
export const tcpDialNames: Names<TcpDialOptions> = {
  ...dialNames,
  localAddress: 1,
  proxy: 1,
  proxyTls: 1,
  proxyTimeoutMs: 1,
  resolver: 1,
  attemptDelayMs: 1,
};

/** Checks what `listen("tcp", …)` was given. @throws NetError `invalid_argument`. */
export function checkTcpListenOptions(options: TcpListenOptions): void {
  checkNames("listen", "a TCP listener", options, tcpListenNames);
  checkTcpListenValues(options);
}

/** The same of what TLS shares with it. */
export function checkTcpListenValues(options: TcpListenOptions): void {
  checkListenValues(options);
  for (const name of ["reusePort", "ipv6Only"] as const) checkKind("listen", name, options[name], "boolean");
  const { proxyProtocol } = options;
  if (proxyProtocol === undefined) return;
  checkKind("listen", "proxyProtocol", proxyProtocol, "object");
  checkNames("listen", "proxyProtocol", proxyProtocol, proxyProtocolNames);
}

/**
 * Checks what `listen("unix", …)` was given; the mode is checked where it is used. @throws NetError
 * `invalid_argument`.
 */
export function checkUnixListenOptions(options: UnixListenOptions): void {
  checkNames("listen", "a listener on a Unix socket", options, unixListenNames);
  checkListenValues(options);
  for (const name of ["replaceStale", "unlinkOnClose"] as const) {
    checkKind("listen", name, options[name], "boolean");
  }
}

function checkListenValues(options: ListenOptions): void {
  checkSocket(options, "listen");
  checkKind("listen", "onRefuse", options.onRefuse, "function");
}

/** Checks what `dial("unix", …)` was given. @throws NetError `invalid_argument`. */
export function checkUnixDialOptions(options: DialOptions): void {
  checkNames("dial", "a dial of a Unix socket", options, dialNames);
  checkSocket(options, "dial");
}

/** Checks what `dial("tcp", …)` was given. @throws NetError `invalid_argument`. */
export function checkTcpDialOptions(options: TcpDialOptions): void {
  checkNames("dial", "a TCP dial", options, tcpDialNames);
  checkTcpDialValues(options);
}

/** The same of what TLS shares with it. */
export function checkTcpDialValues(options: TcpDialOptions): void {
  checkSocket(options, "dial");
  nodeSocketOptions(options, "dial");
  checkKind("dial", "resolver", options.resolver, "function");
  checkKind("dial", "localAddress", options.localAddress, "string");
  if (options.proxy !== undefined) parseProxyUrl(options.proxy);
  if (options.proxyTimeoutMs !== undefined) checkTime("dial", "proxyTimeoutMs", options.proxyTimeoutMs);
}

function checkSocket(options: DialOptions | ListenOptions, op: NetOp): void {
  for (const name of ["noDelay", "keepAlive"] as const) checkKind(op, name, options[name], "boolean");
  checkSignal(op, options.signal);
}
