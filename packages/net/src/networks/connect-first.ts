import { isIP, type NetConnectOpts } from "node:net";
import { ipAddr, type IpAddr } from "../contracts/addr.ts";
import { NetError } from "../contracts/error.ts";
import type { FailureSite } from "../contracts/failures.ts";
import { parseAddr } from "../contracts/parse-addr.ts";
import { checkDelay } from "../options/check-values.ts";
import type { TcpDialOptions } from "../options/dial-options.ts";
import { plainHost } from "../options/socket-options.ts";
import type { DialLimits } from "./dial-limits.ts";
import { type Attempt, DEFAULT_ATTEMPT_DELAY_MS, interleaved, race } from "./race.ts";
import { resolveHost } from "./resolve.ts";
import type { DialTarget } from "./socket-dial.ts";

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
  checkDelay("dial", "attemptDelayMs", delayMs);
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
    const { tracer } = limits;
    const attempt = (ip: string): Attempt<T> => {
      const target = targetOf(network, addr, ip, local);
      return tracer?.attempt(ipAddr(addr.network, ip, addr.port), () => start(target)) ?? start(target);
    };
    return await race(addresses, attempt, bounds);
  } catch (error) {
    throw error instanceof AggregateError ? firstOf(error) : error;
  }
}

/**
 * Those of the IP version that is dialed from: the others could only fail. All of them if there is none,
 * which then say so.
 */
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
