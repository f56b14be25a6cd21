import { isIP, Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { SecureContextOptions, TLSSocket } from "node:tls";
import {
  type Conn,
  type IpAddr,
  ipAddr,
  joinHostPort,
  NetError,
  type ProxyTlsOptions,
  type TcpDialOptions,
} from "@zocalo/net";
import {
  askProxy,
  DEFAULT_PROXY_DIAL_TIMEOUT_MS,
  dialSocket,
  clientHandshake,
  type DialLimits as NetDialLimits,
  netErrorFrom,
  parseProxyUrl,
  type ProxyFailure,
  proxyHandshake,
  proxyHost,
  type ProxyUrl,
  secureContextOptions,
  startTimer,
  tlsName,
} from "@zocalo/net/transport";
import type { DialLimits } from "./dial-limits.ts";
import { hostAndPort } from "./dial-url.ts";
import { WebSocketNetError } from "../core/error.ts";

/** How the first socket is connected, with the names of `@zocalo/net`. */
export type ConnectOptions = Pick<
  TcpDialOptions,
  | "resolver"
  | "localAddress"
  | "attemptDelayMs"
  | "noDelay"
  | "keepAlive"
  | "keepAliveIdleMs"
  | "proxyTimeoutMs"
>;

/**
 * What a client of `wss:`, or of an `https:` proxy, decides: what `dial("tls", …)` of `@zocalo/net` takes,
 * with the same names, defaults and checks, but `dangerouslyAcceptTruncation`: a WebSocket says itself how
 * long its messages are, and where it ends. By default `handshakeTimeoutMs` is what is left of the dial's.
 */
export interface WebSocketTlsOptions extends ProxyTlsOptions {}

/** TLS options, with what their texts and files hold. */
export interface ReadTls {
  readonly options: WebSocketTlsOptions;
  readonly context: SecureContextOptions;
}

/**
 * Reads what TLS options name, as `dial("tls", …)` does.
 *
 * @param what messages call the options.
 * @throws WebSocketNetError `not_found`, `permission`, `invalid_argument`, `tls`, `timeout`, `canceled`.
 */
export async function readTls(
  what: string,
  options: WebSocketTlsOptions,
  { signal }: NetDialLimits,
): Promise<ReadTls> {
  const site = { op: "dial", network: "tls" } as const;
  try {
    return { options, context: await secureContextOptions(options, site, signal) };
  } catch (error) {
    signal.throwIfAborted();
    const cause = netErrorFrom(error, site);
    const reason = cause.reason.replace(/^TLS: /, "");
    throw new WebSocketNetError(cause.code, `${what}: ${reason}`, { op: "dial", cause });
  }
}

/**
 * What of it holds for a server that the caller did not choose: whom to believe, and how to speak. The
 * caller's own certificate is left out, and so is `dangerouslyAcceptAnyCertificate`, which was said of the
 * first server.
 */
export function tlsForAnyServer({ options, context }: ReadTls): ReadTls {
  const { ca, crl, minVersion, maxVersion, ciphers } = context;
  const { alpnProtocols, verifyPeer, dangerouslyLogKeys, handshakeTimeoutMs, sessions } = options;
  return {
    options: { alpnProtocols, verifyPeer, dangerouslyLogKeys, handshakeTimeoutMs, sessions },
    context: { ca, crl, minVersion, maxVersion, ciphers },
  };
}

/** A connected socket, and whose it is, for messages: `example.org (192.0.2.1:80)`. */
export interface Connected<S extends Duplex = Duplex> {
  readonly socket: S;
  readonly name: string;
  /** Whose stream it is, if the caller gave it. */
  readonly conn?: Conn | undefined;
}

/** Where a server or a proxy is. IPv6 addresses have no brackets. */
export interface Place {
  readonly host: string;
  readonly port: number;
}

/** Most addresses of a host that a message names. */
const MAX_NAMED = 8;

/**
 * Connects to the first address of a host that answers (RFC 8305), by `@zocalo/net`.
 *
 * @param name of the other side, for messages.
 * @throws WebSocketNetError `connect_failed`, `invalid_argument`, `invalid_address`, `timeout`, `canceled`
 */
export async function connectTcp(
  { host, port }: Place,
  name: string,
  options: ConnectOptions,
  limits: DialLimits,
): Promise<Connected<Socket>> {
  limits.begin(`there was no connection to ${name}`);
  const addr = ipAddr("tcp", host, port);
  const { resolver, localAddress, attemptDelayMs, noDelay, keepAliveIdleMs } = options;
  const { keepAlive = false } = options; // The WebSocket's own pings do that.
  const how = { resolver, localAddress, attemptDelayMs, noDelay, keepAlive, keepAliveIdleMs };
  let socket: Socket;
  try {
    socket = await dialSocket(addr, how, limits);
  } catch (cause) {
    limits.signal.throwIfAborted();
    throw connectError(name, String(addr), cause);
  }
  socket.on("error", ignore);
  socket.allowHalfOpen = false;
  const actual = String(ipAddr("tcp", socket.remoteAddress ?? host, port));
  return { socket, name: isIP(host) === 0 ? `${name} (${actual})` : name };
}

/** One sentence with each address and what was wrong there. */
function connectError(name: string, asked: string, cause: unknown): WebSocketNetError {
  if (!(cause instanceof NetError))
    return new WebSocketNetError("connect_failed", `cannot connect to ${name}: ${reasonOf(cause)}`, {
      cause,
    });
  const failures: readonly unknown[] =
    cause.cause instanceof AggregateError ? (cause.cause.errors as readonly unknown[]) : [cause];
  const told = failures.slice(0, MAX_NAMED).map((failure) => {
    const where = failure instanceof NetError ? String(failure.remoteAddr ?? asked) : asked;
    return where === asked ? reasonOf(failure) : `${where}: ${reasonOf(failure)}`;
  });
  if (failures.length > MAX_NAMED) told.push(`and ${failures.length - MAX_NAMED} more addresses`);
  const isArgument = cause.code === "invalid_argument" || cause.code === "invalid_address";
  return new WebSocketNetError(
    isArgument ? cause.code : "connect_failed",
    `cannot connect to ${name}: ${told.join("; ")}`,
    { cause },
  );
}

/**
 * Makes a connection a TLS one, as `dial("tls", …)` does.
 *
 * @param serverName whom to ask for, and whose certificate it has to be, unless `tls` says.
 * @throws WebSocketNetError `connect_failed` with the `NetError` as its cause, `invalid_argument`, `timeout`,
 * `canceled`
 */
export async function secure(
  { socket: below, name, conn }: Connected,
  { host, port }: Place,
  serverName: string,
  tls: ReadTls | undefined,
  limits: DialLimits,
): Promise<Connected<TLSSocket>> {
  const { options: given, context } = tls ?? (await readTls("tls", {}, limits));
  // Without a time of its own it has that of the dial.
  const options = { ...given, handshakeTimeoutMs: given.handshakeTimeoutMs ?? Number.POSITIVE_INFINITY };
  const site = { op: "dial", network: "tls", remoteAddr: ipAddr("tls", host, port) } as const;
  return limits.wait(`the TLS handshake with ${name} was not over`, below, ({ done, failed }) => {
    const handshake = async (): Promise<void> => {
      try {
        const asked = tlsName("dial", "the host to ask for", options.serverName ?? serverName);
        const { localAddr, remoteAddr } = conn ?? endsOf(below);
        const carrier = { socket: below, localAddr, remoteAddr };
        const parts = { context, name: asked };
        await clientHandshake(carrier, site, options, parts, ({ socket }) => {
          done({ socket: socket.on("error", ignore), name });
        });
      } catch (error) {
        failed(tlsError(name, netErrorFrom(error, site)));
      }
    };
    void handshake();
  });
}

function tlsError(name: string, cause: NetError): WebSocketNetError {
  const code = cause.code === "timeout" || cause.code === "invalid_argument" ? cause.code : "connect_failed";
  const what = `the TLS handshake with ${name}`;
  const message =
    code === "timeout" ? cause.reason.replace("the TLS handshake", what) : `${what} failed: ${cause.reason}`;
  return new WebSocketNetError(code, message, { op: "dial", cause });
}

function endsOf(below: Duplex): Partial<Record<"localAddr" | "remoteAddr", IpAddr>> {
  if (!(below instanceof Socket)) return {};
  const { localAddress = "", localPort = 0, remoteAddress = "", remotePort = 0 } = below;
  return {
    localAddr: ipAddr("tcp", localAddress, localPort),
    remoteAddr: ipAddr("tcp", remoteAddress, remotePort),
  };
}

/**
 * Reads the URL of a proxy, see `DialOptions.proxy`.
 *
 * @throws WebSocketNetError `invalid_argument`. Without a cause, which might have all that was given.
 */
export function parseProxy(text: string | URL): ProxyUrl {
  try {
    return parseProxyUrl(text);
  } catch (error) {
    throw new WebSocketNetError(
      "invalid_argument",
      error instanceof NetError ? error.reason : "proxy is no URL",
      { op: "dial" },
    );
  }
}

/**
 * Asks a proxy for a tunnel (SOCKS 5, or CONNECT of HTTP), by the code of `@zocalo/net`. Its user and
 * password go to the proxy alone.
 *
 * @returns a socket whose other end is `target`. What the proxy sent behind its answer is still to be read
 * from it.
 * @throws WebSocketNetError `proxy_refused` (with `status` of an HTTP proxy), `connect_failed`,
 * `handshake_failed` for an answer that is neither, `timeout`, `canceled`,
 *   `invalid_argument`
 */
export async function openTunnel(
  proxy: ProxyUrl,
  target: URL,
  options: ConnectOptions,
  tls: ReadTls | undefined,
  limits: DialLimits,
): Promise<Connected> {
  const { host, port } = hostAndPort(target);
  const known = proxyHost(host);
  if (known === undefined) {
    throw new WebSocketNetError("invalid_address", `the host ${target.hostname} means nothing to a proxy`);
  }
  const asked = { host: known, port };
  let connected: Connected = await connectTcp(
    proxy,
    `proxy ${joinHostPort(proxy.host, proxy.port)}`,
    options,
    limits,
  );
  if (proxy.scheme === "https") connected = await secure(connected, proxy, proxy.host, tls, limits);
  const { socket, name } = connected;
  const missing = `${name} did not answer CONNECT ${joinHostPort(asked.host, port)}`;
  const { proxyTimeoutMs = DEFAULT_PROXY_DIAL_TIMEOUT_MS } = options;
  await limits.wait<void>(missing, socket, ({ done, failed }) => {
    const timer = startTimer(() => {
      failed(new WebSocketNetError("timeout", `${missing} within ${proxyTimeoutMs} ms`, { op: "dial" }));
    }, proxyTimeoutMs);
    const stop = askProxy(socket, proxyHandshake(proxy, asked), asked, name, {
      done() {
        clearTimeout(timer);
        done(undefined);
      },
      failed: (failure) => failed(proxyError(failure)),
    });
    return () => {
      clearTimeout(timer);
      stop();
    };
  });
  return { socket, name: `${target.host} by way of ${name}` };
}

/** Codes of what a proxy has made impossible. */
const PROXY_CODES = {
  refused: "proxy_refused",
  malformed: "handshake_failed",
  ended: "connect_failed",
  broken: "connect_failed",
} as const;

function proxyError({ kind, message, status, cause }: ProxyFailure): WebSocketNetError {
  const about = {
    ...(status === undefined ? {} : { status }),
    ...(cause === undefined ? {} : { cause: netErrorFrom(cause, { op: "dial" }) }),
  };
  return new WebSocketNetError(PROXY_CODES[kind], message, about);
}

/** What went wrong, in a few words. Never empty. */
export function reasonOf(error: unknown): string {
  const { reason } = netErrorFrom(error, { op: "dial" });
  return reason === "" ? "no reason was given" : reason;
}

/** Each step has its own listener. An error between two of them is seen as a close by the next one. */
function ignore(): void {}
