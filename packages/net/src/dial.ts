import type { IpAddr, UnixAddr } from "./contracts/addr.ts";
import type { Conn } from "./contracts/conn.ts";
import type { DialOptions, TcpDialOptions, TlsDialOptions } from "./options/dial-options.ts";
import type { DatagramConn } from "./udp/datagram-conn.ts";
import { dialUdp, type UdpDialOptions } from "./udp/dial-udp.ts";
import { argumentError } from "./contracts/failures.ts";
import { shown } from "./options/check-values.ts";
import type { PacketNetwork } from "./udp/listen-packet.ts";
import { dialTcp } from "./networks/tcp-dial.ts";
import { dialTls } from "./networks/tls.ts";
import { dialUnix } from "./networks/unix.ts";

/**
 * Connects to a listener. Of a host with several addresses the first that answers is taken (Happy Eyeballs,
 * RFC 8305), and a deadline is split so that each gets a share of it. Nothing is tried twice.
 *
 * `"udp"` sends nothing: the connection is only this side's decision to speak with one peer. See
 * `DatagramConn`.
 *
 * A port of this machine at which nobody listens is `refused`, also where the system would connect a socket
 * with itself (RFC 9293 §3.5) because it was given that very port. Who asks for it by `localAddress` gets it.
 *
 * @param address As for `listen`; an empty host is this machine.
 * @throws NetError `refused`, `timeout`, `name_not_found`, `host_unreachable`, `canceled`, … When all of
 * several addresses failed it is the first one's error, and its `cause` an `AggregateError` of all.
 * @example
 * const conn = await dial("tcp", "example.org:80", { deadline: Date.now() + 5000 });
 */
export function dial(
  network: "tcp" | "tcp4" | "tcp6",
  address: string,
  options?: TcpDialOptions,
): Promise<Conn<IpAddr>>;
export function dial(network: "unix", address: string, options?: DialOptions): Promise<Conn<UnixAddr>>;
export function dial(network: "tls", address: string, options?: TlsDialOptions): Promise<Conn<IpAddr>>;
export function dial(
  network: PacketNetwork,
  address: string,
  options?: UdpDialOptions,
): Promise<DatagramConn>;
export function dial(
  network: "tcp" | "tcp4" | "tcp6" | "unix" | "tls",
  address: string,
  options?: DialOptions,
): Promise<Conn<IpAddr> | Conn<UnixAddr>>;
export async function dial(
  network: "tcp" | "tcp4" | "tcp6" | "unix" | "tls" | PacketNetwork,
  address: string,
  options?: TlsDialOptions & UdpDialOptions,
): Promise<Conn | DatagramConn> {
  switch (network) {
    case "tcp":
    case "tcp4":
    case "tcp6":
      return dialTcp(network, address, options);
    case "unix":
      return dialUnix(address, options);
    case "tls":
      return dialTls(address, options);
    case "udp":
    case "udp4":
    case "udp6":
      return dialUdp(network, address, options);
    default:
      throw argumentError("dial", `unknown network ${shown(network)}`);
  }
}
