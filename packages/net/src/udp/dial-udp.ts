import { type IpAddr, ipAddr } from "../contracts/addr.ts";
import type { Deadline, WaitOptions } from "../contracts/conn.ts";
import { ConnectedDatagramConn, type DatagramConn } from "./datagram-conn.ts";
import { withinLimits } from "../networks/dial-limits.ts";
import { argumentError, type FailureSite } from "../contracts/failures.ts";
import {
  bind,
  checkNetwork,
  checkedLimits,
  packetNames,
  type PacketNetwork,
  type PacketOptions,
} from "./listen-packet.ts";
import { netErrorFrom } from "../contracts/node-error.ts";
import { raced, resolveHost } from "../networks/resolve.ts";
import type { UdpLimits } from "./udp-socket.ts";
import type { Resolver } from "../options/dial-options.ts";
import { parseAddr } from "../contracts/parse-addr.ts";
import { checkKind, checkNames, type Names } from "../options/check-values.ts";

/** Options of `dial("udp", …)`. */
export interface UdpDialOptions extends Omit<PacketOptions, "signal">, WaitOptions {
  /** Until when the host's name must be resolved. Default: none. */
  readonly deadline?: Deadline | undefined;
  /**
   * Where to send from, such as `"192.0.2.1:0"`. Default: what the system's routes say, and any free port.
   */
  readonly localAddress?: string | undefined;
  /** How the host's name becomes addresses. Default: the system's. */
  readonly resolver?: Resolver | undefined;
}

const names: Names<UdpDialOptions> = { ...packetNames, deadline: 1, localAddress: 1, resolver: 1 };

/**
 * Connects a datagram socket to a peer; of several addresses of a name the first that has a route is taken.
 * See `dial`.
 */
export async function dialUdp(
  network: PacketNetwork,
  address: string,
  options: UdpDialOptions = {},
): Promise<DatagramConn> {
  checkNetwork(network, "dial");
  checkNames("dial", "a UDP dial", options, names);
  const limits = checkedLimits(options, "dial");
  checkKind("dial", "localAddress", options.localAddress, "string");
  checkKind("dial", "resolver", options.resolver, "function");
  const addr = parseAddr(network, address, "dial");
  const site: FailureSite = { op: "dial", network, remoteAddr: addr };
  if (addr.port === 0) throw argumentError("dial", `cannot dial port 0 of ${JSON.stringify(address)}`);
  const host = addr.host || (network === "udp6" ? "::1" : "127.0.0.1");
  return withinLimits(options, site, async ({ signal }) => {
    const failures: unknown[] = [];
    for (const ip of await resolveHost(host, { network, signal, resolver: options.resolver }, site)) {
      try {
        return await connect(network, ipAddr("udp", ip, addr.port), { ...options, signal }, limits, site);
      } catch (error) {
        failures.push(error);
        if (signal.aborted) break;
      }
    }
    throw signal.aborted ? failures.at(-1) : failures[0];
  });
}

async function connect(
  network: PacketNetwork,
  remote: IpAddr,
  options: UdpDialOptions,
  limits: UdpLimits,
  site: FailureSite,
): Promise<DatagramConn> {
  const isIPv6 = remote.host.includes(":");
  const local = parseAddr(network, options.localAddress ?? ":0", "dial");
  const localHost = local.host || (isIPv6 ? "::" : "0.0.0.0");
  const socket = await bind(network, localHost, local.port, options, site);
  try {
    const connected = new Promise<void>((resolve, reject) => {
      socket.connect(remote.port, remote.host, (error?: Error) => {
        if (error) reject(error);
        else resolve();
      });
    });
    await raced(connected, options.signal, site);
    // As in TCP, the system may have given the very port at which nobody listens.
    const { address, port } = socket.address();
    if (local.port === 0 && port === remote.port && address === socket.remoteAddress().address)
      throw { code: "ECONNREFUSED" };
    return new ConnectedDatagramConn(socket, network, limits, remote);
  } catch (error) {
    socket.close();
    throw netErrorFrom(error, { ...site, remoteAddr: remote });
  }
}
