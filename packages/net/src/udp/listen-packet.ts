import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import { NetError } from "../contracts/error.ts";
import { argumentError, canceledError, type FailureSite } from "../contracts/failures.ts";
import { netErrorFrom } from "../contracts/node-error.ts";
import { BoundPacketConn } from "./bound-packet-conn.ts";
import type { PacketConn } from "../contracts/packet-conn.ts";
import { raced, resolveHost } from "../networks/resolve.ts";
import { lookUp } from "../node/udp-lookup.ts";
import type { UdpLimits } from "./udp-socket.ts";
import { parseAddr } from "../contracts/parse-addr.ts";
import {
  checkCount,
  checkKind,
  checkLimit,
  checkNames,
  checkSignal,
  type Names,
  shown,
} from "../options/check-values.ts";

/** Networks of datagrams; a digit restricts them to that IP version. */
export type PacketNetwork = "udp" | "udp4" | "udp6";

/** Options of `listenPacket`. */
export interface PacketOptions {
  /** Most datagrams that wait for the application; one more is dropped and counted. Default 1,024. */
  readonly receiveLimitDatagrams?: number | undefined;
  /**
   * Most bytes of datagrams that wait for the application; what comes then is dropped and counted. Default
   * 1,048,576.
   */
  readonly receiveLimitBytes?: number | undefined;
  /**
   * Most bytes that `trySend` leaves waiting in this process, because the system is behind or a host's name
   * is looked up. Default 1,048,576.
   */
  readonly sendLimitBytes?: number | undefined;
  /**
   * The system's receive buffer in bytes (SO_RCVBUF; Linux doubles it and caps it at `net.core.rmem_max`).
   * Default: the system's.
   */
  readonly readBufferBytes?: number | undefined;
  /** The system's send buffer in bytes (SO_SNDBUF). Default: the system's. */
  readonly writeBufferBytes?: number | undefined;
  /**
   * Share the port with other sockets that also set it (SO_REUSEADDR), as multicast needs. Risk: on Linux the
   * last one to bind gets all unicast datagrams. Default `false`.
   */
  readonly reuseAddr?: boolean | undefined;
  /** IPv6 alone, for `"udp"` on `":port"` or an IPv6 address. Default `false`; `true` for `"udp6"`. */
  readonly ipv6Only?: boolean | undefined;
  /** Cancels the setting up. */
  readonly signal?: AbortSignal | undefined;
}

/** Every name of `PacketOptions`. */
export const packetNames: Names<PacketOptions> = {
  receiveLimitDatagrams: 1,
  receiveLimitBytes: 1,
  sendLimitBytes: 1,
  readBufferBytes: 1,
  writeBufferBytes: 1,
  reuseAddr: 1,
  ipv6Only: 1,
  signal: 1,
};

/** Used where `PacketOptions` leaves a limit out. */
export const defaultPacketLimits: UdpLimits = {
  receiveLimitDatagrams: 1_024,
  receiveLimitBytes: 1_048_576,
  sendLimitBytes: 1_048_576,
};

/**
 * Binds a datagram socket.
 *
 * `"udp"` on `":port"` takes IPv4 and IPv6, and IPv4 alone where there is no IPv6.
 *
 * @param address As Go writes them: `":7001"`, `"127.0.0.1:0"` (the system chooses a port, see `localAddr`),
 *   `"[::1]:53"`.
 * @throws NetError `invalid_address`, `invalid_argument`, `address_in_use`, `address_not_available`,
 *   `permission`, `name_not_found`, …
 * @example
 * const packets = await listenPacket("udp", ":7001");
 * // `trySend`, as `send` rejects for a forged address.
 * for await (const { bytes, addr } of packets) packets.trySend(bytes, addr);
 */
export async function listenPacket(
  network: PacketNetwork,
  address: string,
  options: PacketOptions = {},
): Promise<PacketConn> {
  checkNetwork(network, "listen");
  checkNames("listen", "a datagram socket", options, packetNames);
  const limits = checkedLimits(options, "listen");
  const addr = parseAddr(network, address, "listen");
  const site: FailureSite = { op: "listen", network, localAddr: addr };
  const hosts =
    addr.host === ""
      ? anyHosts(network)
      : await resolveHost(addr.host, { network, signal: options.signal }, site);
  let failure: unknown;
  for (const host of hosts) {
    try {
      return new BoundPacketConn(await bind(network, host, addr.port, options, site), network, limits);
    } catch (error) {
      failure ??= error;
      // Only a machine without IPv6 gets a second try: any other failure would be the same or would hide the
      // first.
      if (addr.host !== "" || !(error instanceof NetError) || !lacksIPv6.has(error.code)) throw error;
    }
  }
  throw failure;
}

/** Node takes no more for SO_RCVBUF and SO_SNDBUF. */
const MAX_SYSTEM_BUFFER_BYTES = 2 ** 31 - 1;

const lacksIPv6: ReadonlySet<string> = new Set(["unsupported", "address_not_available"]);

function anyHosts(network: PacketNetwork): readonly string[] {
  if (network === "udp4") return ["0.0.0.0"];
  return network === "udp6" ? ["::"] : ["::", "0.0.0.0"];
}

/** @throws NetError `invalid_argument` */
export function checkNetwork(network: string, op: "listen" | "dial"): void {
  if (network !== "udp" && network !== "udp4" && network !== "udp6") {
    throw argumentError(op, `unknown network ${shown(network)}, allowed are "udp", "udp4" and "udp6"`);
  }
}

/**
 * Checks the values of all options; their names are checked by the caller.
 *
 * @throws NetError `invalid_argument`.
 */
export function checkedLimits(options: PacketOptions, op: "listen" | "dial"): UdpLimits {
  for (const name of ["reuseAddr", "ipv6Only"] as const) checkKind(op, name, options[name], "boolean");
  checkSignal(op, options.signal);
  for (const name of ["readBufferBytes", "writeBufferBytes"] as const) {
    if (options[name] !== undefined) checkCount(op, name, options[name], MAX_SYSTEM_BUFFER_BYTES);
  }
  const limit = (name: keyof UdpLimits): number => {
    const { [name]: value = defaultPacketLimits[name] } = options;
    return checkLimit(op, name, value);
  };
  return {
    receiveLimitDatagrams: limit("receiveLimitDatagrams"),
    receiveLimitBytes: limit("receiveLimitBytes"),
    sendLimitBytes: limit("sendLimitBytes"),
  };
}

/** A bound socket. @throws NetError */
export async function bind(
  network: PacketNetwork,
  host: string,
  port: number,
  options: PacketOptions,
  site: FailureSite,
): Promise<Socket> {
  if (options.signal?.aborted) throw canceledError(site, options.signal);
  let socket: Socket;
  try {
    socket = createSocket({
      type: isIPv6(host) ? "udp6" : "udp4",
      reuseAddr: options.reuseAddr ?? false,
      ipv6Only: options.ipv6Only ?? network === "udp6",
      ...(options.readBufferBytes === undefined ? {} : { recvBufferSize: options.readBufferBytes }),
      ...(options.writeBufferBytes === undefined ? {} : { sendBufferSize: options.writeBufferBytes }),
      lookup: lookUp,
    });
  } catch (error) {
    throw netErrorFrom(error, site);
  }
  const bound = new Promise<Socket>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind({ port, address: host, exclusive: true }, () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
  try {
    return await raced(bound, options.signal, site);
  } catch (error) {
    void bound.then((late) => late.close()).catch(() => closeQuietly(socket));
    throw netErrorFrom(error, site);
  }
}

function closeQuietly(socket: Socket): void {
  try {
    socket.close();
  } catch {
    // It never came to life.
  }
}
