import { isIP, type NetConnectOpts, type Socket } from "node:net";
import { ipAddr, type IpAddr } from "../contracts/addr.ts";
import { checkTcpDialOptions } from "../options/check-options.ts";
import type { Conn } from "../contracts/conn.ts";
import { type DialLimits, withinLimits } from "./dial-limits.ts";
import type { TcpDialOptions } from "../options/dial-options.ts";
import { NetError } from "../contracts/error.ts";
import type { FailureSite } from "../contracts/failures.ts";
import { type Attempt, DEFAULT_ATTEMPT_DELAY_MS, interleaved, race } from "./race.ts";
import { resolveHost } from "./resolve.ts";
import { connectConn, connectSocket, type DialTarget } from "./socket-dial.ts";
import { plainHost } from "../options/socket-options.ts";
import { parseAddr } from "../contracts/parse-addr.ts";
import { checkDuration } from "../options/check-values.ts";

/** Connects to a TCP address. See `dial`. */
export async function dialTcp(
  network: "tcp" | "tcp4" | "tcp6",
  address: string,
  options: TcpDialOptions | undefined,
): Promise<Conn> {
  const addr = parseAddr(network, address, "dial");
  checkTcpDialOptions(options ?? {});
  const site = { op: "dial", network, remoteAddr: addr } as const;
  return withinLimits(options, site, (limits) =>
    connectFirst(network, addr, options, limits, (target) => connectConn(target, options)),
  );
}

/**
 * For those who write a transport: connects as `dial("tcp", …)` does (RFC 8305), and gives Node's own socket. Nothing listens to it and it is paused, so
 * the caller listens for `error` in the same turn. It may be half open (`allowHalfOpen`).
 *
 * @param options `signal` and `deadline` are not looked at: `limits` has both.
 * @param limits the whole dial, and not each address, ends with them. Where they end a race, the reason of `limits.signal` is thrown as it is.
 * @throws NetError as `dial` does. That of several addresses has an `AggregateError` of all as its cause.
 */
export async function dialSocket(addr: IpAddr, options: TcpDialOptions, limits: DialLimits): Promise<Socket> {
  const { socket } = await connectFirst("tcp", addr, options, limits, (target) =>
    connectSocket(target, options),
  );
  return socket;
}

/** Connects to the first address of `addr.host` that answers. */
export async function connectFirst<T>(
  network: "tcp" | "tcp4" | "tcp6" | "tls",
  addr: IpAddr,
  options: TcpDialOptions | undefined,
  limits: DialLimits,
  start: (target: DialTarget) => Attempt<T>,
): Promise<T> {
  const site: FailureSite = { op: "dial", network, remoteAddr: addr };
  const { attemptDelayMs: delayMs = DEFAULT_ATTEMPT_DELAY_MS } = options ?? {};
  checkDuration("attemptDelayMs", delayMs, 0, "dial");
  const local =
    options?.localAddress === undefined ? undefined : parseAddr(network, options.localAddress, "dial");
  const host =
    addr.host === ""
      ? network === "tcp6"
        ? "::1"
        : network === "tcp4"
          ? "127.0.0.1"
          : "localhost"
      : addr.host;
  const { resolver } = options ?? {};
  const found = await resolveHost(host, { network, resolver, signal: limits.signal }, site);
  const addresses = interleaved(reachableFrom(local?.host ?? "", found));
  try {
    const { signal, remainingMs } = limits;
    const bounds = { signal, remainingMs, delayMs };
    return await race(addresses, (ip) => start(targetOf(network, addr, ip, local)), bounds);
  } catch (error) {
    throw error instanceof AggregateError ? firstOf(error) : error;
  }
}

/** Those of the IP version that is dialed from: the others could only fail. All of them if there is none, which then say so. */
function reachableFrom(localHost: string, addresses: readonly string[]): readonly string[] {
  const version = isIP(localHost);
  const reachable = addresses.filter((ip) => isIP(ip) === version);
  return version === 0 || reachable.length === 0 ? addresses : reachable;
}

function targetOf(
  network: "tcp" | "tcp4" | "tcp6" | "tls",
  addr: IpAddr,
  ip: string,
  local: IpAddr | undefined,
): DialTarget {
  const remoteAddr = ipAddr(addr.network, ip, addr.port);
  const socket: NetConnectOpts = {
    host: ip,
    port: addr.port,
    ...(local === undefined ? {} : { localPort: local.port }),
    ...(local === undefined || local.host === "" ? {} : { localAddress: local.host }),
  };
  return {
    socket,
    site: { op: "dial", network, localAddr: local, remoteAddr },
    describe: (connected) => ({
      socket: connected,
      localAddr: ipAddr(addr.network, plainHost(connected.localAddress), connected.localPort ?? 0),
      remoteAddr,
    }),
  };
}

/** The error of the address that was tried first, with all of them as its cause. */
function firstOf(all: AggregateError): unknown {
  const first: unknown = all.errors[0];
  if (!(first instanceof NetError)) return first;
  const { op, code, network, localAddr, remoteAddr } = first;
  const reason = `${first.reason} (and ${all.errors.length - 1} more)`;
  return new NetError({ op, code, network, localAddr, remoteAddr, reason, cause: all });
}
