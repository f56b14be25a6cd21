import type { IpAddr, UnixAddr } from "./contracts/addr.ts";
import type { StreamListener } from "./contracts/conn.ts";
import { argumentError } from "./contracts/failures.ts";
import { shown } from "./options/check-values.ts";
import type { ListenOptions, TcpListenOptions, UnixListenOptions } from "./options/listen-options.ts";
import type { InheritedSocket } from "./networks/inherited.ts";
import { listenTcp } from "./networks/tcp.ts";
import { listenTls } from "./networks/tls.ts";
import type { TlsListenOptions } from "./options/tls-options.ts";
import { listenUnix } from "./networks/unix.ts";

/**
 * Listens for connections.
 *
 * Networks: `"tcp"` (IPv4 and IPv6), `"tcp4"`, `"tcp6"` and `"tls"` take addresses as Go writes them,
 * `":8080"`, `"127.0.0.1:0"` (the system chooses a port, see `listener.addr`), `"[::1]:53"`; `"unix"` takes a
 * path, or `"@name"` in Linux's abstract namespace (Node 20 fills the name up with NULs to 108 bytes, so that
 * only programs that do the same find it, Node 20's among them).
 *
 * In place of an address `"tcp"`, `"tls"` and `"unix"` take a socket that the process was started with, `{
 * fd: 3 }`: see `inheritedSockets`. It is closed with the listener; options that are said when a socket is
 * made (`reusePort`, `ipv6Only`, `mode`, `replaceStale`, `unlinkOnClose`) are refused.
 *
 * When the process runs out of file descriptors the listener neither stops nor spins: connections that cannot
 * be taken are closed by the system's side, and accepting goes on as soon as there are descriptors again.
 *
 * @throws NetError `invalid_address`, `invalid_argument`, `address_in_use`, `address_not_available`,
 *   `permission`, `name_not_found`, …
 * @example
 * const listener = await listen("tcp", ":8080");
 * for await (const conn of listener) handle(conn).catch(console.error);
 */
export function listen(
  network: "tcp",
  address: string | InheritedSocket,
  options?: TcpListenOptions,
): Promise<StreamListener<IpAddr>>;
export function listen(
  network: "tcp" | "tcp4" | "tcp6",
  address: string,
  options?: TcpListenOptions,
): Promise<StreamListener<IpAddr>>;
export function listen(
  network: "unix",
  address: string | InheritedSocket,
  options?: UnixListenOptions,
): Promise<StreamListener<UnixAddr>>;
export function listen(
  network: "tls",
  address: string | InheritedSocket,
  options: TlsListenOptions,
): Promise<StreamListener<IpAddr>>;
export function listen(
  network: "tcp" | "tcp4" | "tcp6" | "unix",
  address: string,
  options?: ListenOptions,
): Promise<StreamListener<IpAddr> | StreamListener<UnixAddr>>;
export async function listen(
  network: "tcp" | "tcp4" | "tcp6" | "unix" | "tls",
  address: string | InheritedSocket,
  options?: TlsListenOptions & UnixListenOptions,
): Promise<StreamListener> {
  switch (network) {
    case "tcp":
    case "tcp4":
    case "tcp6":
      return listenTcp(network, address, options);
    case "unix":
      return listenUnix(address, options);
    case "tls":
      return listenTls(address, options ?? {});
    default:
      throw argumentError("listen", `unknown network ${shown(network)}`);
  }
}
