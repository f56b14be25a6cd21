import { isIP, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { checkServerIdentity, type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import { type IpAddr, ipAddr, joinHostPort, NetError, type Resolver, type TcpDialOptions } from "@zocalo/net";
import {
  askProxy,
  CertificateAlert,
  dialSocket,
  HandshakeTracer,
  netErrorFrom,
  parseProxyUrl,
  type ProxyFailure,
  proxyHandshake,
  proxyHost,
  type ProxyUrl,
} from "@zocalo/net/transport";
import type { DialLimits } from "./dial-limits.ts";
import { hostAndPort } from "./dial-url.ts";
import { WebSocketNetError } from "../core/error.ts";

/** How the first socket is connected, with the names of `@zocalo/net`. */
export type ConnectOptions = Pick<TcpDialOptions, "resolver" | "localAddress" | "attemptDelayMs">;

/** A connected socket, and whose it is, for messages: `example.org (192.0.2.1:80)`. */
export interface Connected<S extends Duplex = Duplex> {
  readonly socket: S;
  readonly name: string;
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
 * @throws WebSocketNetError `connect_failed`, `invalid_argument`, `timeout`, `canceled`
 */
export async function connectTcp(
  { host, port }: Place,
  name: string,
  { resolver, localAddress, attemptDelayMs }: ConnectOptions,
  limits: DialLimits,
): Promise<Connected<Socket>> {
  limits.begin(`there was no connection to ${name}`);
  const addr = ipAddr("tcp", host, port);
  let socket: Socket;
  try {
    // As node:http has it: keepalive is the WebSocket's own, by its pings.
    socket = await dialSocket(addr, { resolver, localAddress, attemptDelayMs, keepAlive: false }, limits);
  } catch (cause) {
    limits.signal.throwIfAborted();
    throw connectError(name, String(addr), cause);
  }
  // Each later step adds its own listener. An error between two steps is seen as a close by the next one.
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
    isArgument ? "invalid_argument" : "connect_failed",
    `cannot connect to ${name}: ${told.join("; ")}`,
    { cause },
  );
}

/**
 * Makes a connection a TLS one.
 *
 * @param serverName whom to ask for, and whose certificate it has to be, unless `tls` says.
 * @throws WebSocketNetError `connect_failed` with what TLS says as its cause, `invalid_argument`, `timeout`,
 * `canceled`
 */
export function secure(
  { socket: below, name }: Connected,
  { host, port }: Place,
  serverName: string,
  tls: ConnectionOptions | undefined,
  limits: DialLimits,
): Promise<Connected<TLSSocket>> {
  const tracer = HandshakeTracer.begin("client", endsOf(below));
  const securing = limits.wait<Connected<TLSSocket>>(
    `the TLS handshake with ${name} was not over`,
    below,
    ({ done, failed }) => {
      let socket: TLSSocket;
      try {
        socket = connectTls({
          ...tls,
          host,
          port,
          // RFC 6066 §3: an IP address is not asked for by name, only checked.
          servername: tls?.servername ?? (isIP(serverName) === 0 ? serverName : ""),
          socket: below,
        });
      } catch (cause) {
        const message = `cannot speak TLS with ${name}: ${reasonOf(cause)}`;
        failed(new WebSocketNetError("invalid_argument", message, { cause }));
        return;
      }
      socket.on("error", ignore); // As above.
      const judged = tls?.rejectUnauthorized === false ? undefined : alertOf(socket, below, serverName, tls);
      const onKeylog = (line: Buffer): void => judged?.keylog(line);
      if (judged !== undefined) socket.on("keylog", onKeylog);
      const onError = (cause: Error): void => {
        const message = `the TLS handshake with ${name} failed: ${reasonOf(cause)}`;
        failed(new WebSocketNetError("connect_failed", message, { cause }));
      };
      socket.once("error", onError);
      const onClose = (): void => {
        const message = `${name} closed the connection during the TLS handshake`;
        failed(new WebSocketNetError("connect_failed", message));
      };
      socket.once("close", onClose);
      socket.once("secureConnect", () => {
        socket.off("close", onClose);
        socket.off("error", onError);
        socket.off("keylog", onKeylog);
        tracer?.end(socket, tls?.servername ?? (isIP(serverName) === 0 ? serverName : undefined));
        done({ socket, name });
      });
      return () => void socket.destroy();
    },
  );
  if (tracer) securing.catch((error: unknown) => tracer.failed(error));
  return securing;
}

function endsOf(below: Duplex): { readonly localAddr?: IpAddr; readonly remoteAddr?: IpAddr } {
  if (!(below instanceof Socket)) return {};
  const { localAddress = "", localPort = 0, remoteAddress = "", remotePort = 0 } = below;
  return {
    localAddr: ipAddr("tcp", localAddress, localPort),
    remoteAddr: ipAddr("tcp", remoteAddress, remotePort),
  };
}

/**
 * What tells the server why its certificate is refused. Node tells the caller. An application's own check is
 * asked by Node alone.
 */
function alertOf(
  socket: TLSSocket,
  below: Duplex,
  serverName: string,
  tls: ConnectionOptions | undefined,
): CertificateAlert {
  const otherFault = (): Error | undefined =>
    tls?.checkServerIdentity === undefined
      ? checkServerIdentity(tls?.servername || serverName, socket.getPeerCertificate())
      : undefined;
  return new CertificateAlert({ role: "client", socket, below, otherFault, onRefused: ignore });
}

/**
 * Reads the URL of a proxy, see `DialOptions.proxy`.
 *
 * @throws WebSocketNetError `invalid_address`
 */
export function parseProxy(text: string | URL): ProxyUrl {
  try {
    return parseProxyUrl(text);
  } catch (error) {
    throw new WebSocketNetError(
      "invalid_address",
      error instanceof NetError ? error.reason : "proxy is no URL",
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
  tls: ConnectionOptions | undefined,
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
  await limits.wait<void>(missing, socket, ({ done, failed }) =>
    askProxy(socket, proxyHandshake(proxy, asked), asked, name, {
      done: () => done(undefined),
      failed: (failure) => failed(proxyError(failure)),
    }),
  );
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
  const about = { ...(status === undefined ? {} : { status }), ...(cause === undefined ? {} : { cause }) };
  return new WebSocketNetError(PROXY_CODES[kind], message, about);
}

/** What went wrong, in a few words. Never empty. */
export function reasonOf(error: unknown): string {
  const { reason } = netErrorFrom(error, { op: "dial" });
  return reason === "" ? "no reason was given" : reason;
}

/** A `lookup` function, as Node's options have it, as a resolver. */
export function resolverOf(lookup: NonNullable<ConnectionOptions["lookup"]>): Resolver {
  return (host, { family }) =>
    new Promise((resolve, reject) => {
      lookup(host, { all: true, family }, (error, found) => {
        if (error) reject(error);
        else resolve(typeof found === "string" ? [found] : found.map(({ address }) => address));
      });
    });
}

function ignore(): void {}
