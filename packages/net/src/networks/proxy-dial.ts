import type { Socket } from "node:net";
import { type IpAddr, ipAddr } from "../contracts/addr.ts";
import { NetError } from "../contracts/error.ts";
import { startTimer } from "../flow/deadline.ts";
import type { FailureSite } from "../contracts/failures.ts";
import { netErrorFrom } from "../contracts/node-error.ts";
import type { ProxyTlsOptions, TcpDialOptions } from "../options/dial-options.ts";
import type { ProxyUrl } from "../options/proxy-url.ts";
import type { RawConnection } from "../node/socket-ends.ts";
import { secureContextOptions } from "../tls/certificates.ts";
import { tlsName } from "../tls/check-tls-options.ts";
import type { SecuredSocket } from "../tls/tls-handshakes.ts";
import { connectFirst } from "./connect-first.ts";
import type { DialLimits } from "./dial-limits.ts";
import { HttpConnect } from "./http-connect.ts";
import {
  askProxy,
  type ProxyFailure,
  type ProxyHandshake,
  proxyHost,
  type ProxyTarget,
} from "./proxy-handshake.ts";
import { type Attempt, race } from "./race.ts";
import { type ClientHandshakeParts, clientHandshake } from "./secure-client.ts";
import { connectSocket } from "./socket-dial.ts";
import { Socks5 } from "./socks5.ts";

/** How long a proxy may take to open a tunnel unless told otherwise, in milliseconds. */
export const DEFAULT_PROXY_DIAL_TIMEOUT_MS = 30_000;

/** What asks a proxy of this kind for a tunnel. */
export function proxyHandshake({ scheme, login }: ProxyUrl, target: ProxyTarget): ProxyHandshake {
  return scheme === "socks5" ? new Socks5(target, login) : new HttpConnect(target, login);
}

/** A connection through a proxy. */
export interface Tunnel extends RawConnection {
  /** With an `https:` proxy: the TCP socket that carries the TLS one. */
  readonly below?: Socket | undefined;
}

/**
 * Connects to `addr` by way of a proxy. The connection's remote address is `addr` as it was asked for, since
 * that is who is spoken with.
 *
 * @throws NetError whose message names the proxy, and has nothing of its user and password.
 */
export async function connectThrough(
  proxy: ProxyUrl,
  network: "tcp" | "tcp4" | "tcp6" | "tls",
  addr: IpAddr,
  options: TcpDialOptions,
  limits: DialLimits,
): Promise<Tunnel> {
  const site = { op: "dial", network, remoteAddr: addr } as const;
  const target = targetOf(addr, site);
  const proxyAddr = ipAddr("tcp", proxy.host, proxy.port);
  const name = `proxy ${String(proxyAddr)}`;
  const { proxyTimeoutMs = DEFAULT_PROXY_DIAL_TIMEOUT_MS, proxyTls = {} } = options;
  // Before anybody is dialed, as what the server of `"tls"` is shown.
  const isSecure = proxy.scheme === "https";
  const server = isSecure ? await proxyToMeet(proxy.host, name, site, proxyTls, limits) : undefined;
  let raw: RawConnection;
  try {
    raw = await connectFirst("tcp", proxyAddr, options, limits, (to) => connectSocket(to, options));
  } catch (error) {
    limits.signal.throwIfAborted();
    if (!(error instanceof NetError) || error.code === "invalid_argument") throw error;
    const reason = `cannot connect to ${name}: ${error.reason}`;
    throw new NetError({ ...site, code: error.code, reason, cause: error });
  }
  const { signal, remainingMs } = limits;
  const bounds = { delayMs: 0, remainingMs, signal };
  const below = server && raw.socket;
  const securing = server && ((): Attempt<Socket> => secureProxy(raw, server, name, site, proxyTls));
  const socket = securing ? await race([addr], securing, bounds) : raw.socket;
  const opening = (): Attempt<void> =>
    openTunnel(socket, proxyHandshake(proxy, target), target, name, site, proxyTimeoutMs);
  await race([addr], opening, bounds);
  const localAddr = ipAddr(addr.network, "host" in raw.localAddr ? raw.localAddr.host : "", portOf(raw));
  return { socket, localAddr, remoteAddr: addr, below };
}

/** Reads what `proxyTls` names. */
async function proxyToMeet(
  host: string,
  name: string,
  site: FailureSite,
  options: ProxyTlsOptions,
  { signal }: DialLimits,
): Promise<ClientHandshakeParts> {
  const whose = tlsName("dial", "the host of the proxy", options.serverName ?? host);
  try {
    return { context: await secureContextOptions(options, site, signal), name: whose };
  } catch (error) {
    signal.throwIfAborted();
    throw proxyTlsError(error, name, site);
  }
}

/** Speaks TLS with the proxy itself. */
function secureProxy(
  raw: RawConnection,
  server: ClientHandshakeParts,
  name: string,
  site: FailureSite,
  options: ProxyTlsOptions,
): Attempt<Socket> {
  const secured = async (): Promise<Socket> => {
    try {
      // What breaks it before somebody else listens, that one sees as a close.
      const use = ({ socket }: SecuredSocket): Socket => socket.on("error", ignore).pause();
      return await clientHandshake(raw, { ...site, remoteAddr: raw.remoteAddr }, options, server, use);
    } catch (error) {
      raw.socket.on("error", ignore).destroy();
      throw proxyTlsError(error, name, site);
    }
  };
  return { result: secured(), cancel: () => void raw.socket.destroy() };
}

function proxyTlsError(error: unknown, name: string, site: FailureSite): NetError {
  const { code, reason } = netErrorFrom(error, site);
  return new NetError({ ...site, code, reason: `TLS with ${name} failed: ${reason}`, cause: error });
}

/**
 * What the proxy is told. @throws NetError `invalid_argument`, `invalid_address` for what it cannot be told.
 */
function targetOf(addr: IpAddr, site: FailureSite): ProxyTarget {
  const invalid = (code: "invalid_argument" | "invalid_address", reason: string): NetError =>
    new NetError({ ...site, code, reason });
  if (site.network === "tcp4" || site.network === "tcp6") {
    throw invalid("invalid_argument", `the proxy resolves names, and is not told the IP version: use "tcp"`);
  }
  const host = proxyHost(addr.host);
  if (host !== undefined) return { host, port: addr.port };
  const reason = addr.host === "" ? "an address without a host" : `the host ${JSON.stringify(addr.host)}`;
  throw invalid("invalid_address", `${reason} means nothing to a proxy`);
}

function openTunnel(
  socket: Socket,
  handshake: ProxyHandshake,
  target: ProxyTarget,
  name: string,
  site: FailureSite,
  timeoutMs: number,
): Attempt<void> {
  const result = new Promise<void>((resolve, reject) => {
    const failed = ({ code, message, cause }: ProxyFailure): void => {
      clearTimeout(timer);
      reject(new NetError({ ...site, code, reason: message, cause }));
      socket.on("error", ignore).destroy();
    };
    const done = (): void => {
      clearTimeout(timer);
      resolve();
    };
    const timer = startTimer(() => {
      stop();
      failed({ kind: "ended", code: "timeout", message: `${name} did not answer within ${timeoutMs} ms` });
    }, timeoutMs);
    const stop = askProxy(socket, handshake, target, name, { done, failed });
  });
  return { result, cancel: () => void socket.destroy() };
}

function portOf({ localAddr }: RawConnection): number {
  return "port" in localAddr ? localAddr.port : 0;
}

function ignore(): void {
  // The failure has been told.
}
