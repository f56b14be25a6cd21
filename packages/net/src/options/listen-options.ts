import type { Addr } from "../contracts/addr.ts";
import type { NetError } from "../contracts/error.ts";
import type { SocketOptions } from "./socket-options.ts";

/**
 * How much one visitor may hold of a listener. A visitor is an address: an IPv4 address (also one that came
 * as `::ffff:192.0.2.1`), or the /64 network of an IPv6 address, since a host may take any address of its
 * link (RFC 4291 §2.5.1, RFC 7421). Risk: a customer is often given many such networks, a /56 or a /48 (RFC
 * 6177 §2), and is a visitor in each of them.
 *
 * A proxy in front is one visitor with all its clients. Take the clients' addresses from it
 * (`proxyProtocol`), or list it in `exemptAddresses` and let it limit them.
 */
export interface AddressLimitOptions {
  /** Most connections that one address has open at once. Default 1,000; `Infinity`: no limit. */
  readonly maxConnectionsPerAddress?: number | undefined;
  /**
   * Most connections of one address that have not yet said what they want. Default 64; `Infinity`: no limit.
   * On a byte stream of `listen` this counts where `firstByteTimeoutMs` is set.
   */
  readonly maxHalfOpenPerAddress?: number | undefined;
  /** Most TLS handshakes of one address at a time. Default 64; `Infinity`: no limit. */
  readonly maxHandshakesPerAddress?: number | undefined;
  /**
   * Who has no limit of its own: addresses, networks such as `"10.0.0.0/8"`, `"unix"` and `"pipe"`. Default
   * `localAddresses`: this machine, where a proxy may run. `[]` exempts nobody; to add to the default,
   * `[...localAddresses, "10.0.0.5"]`. All other limits hold for them, those of time, too.
   */
  readonly exemptAddresses?: readonly string[] | undefined;
}

/**
 * Take the addresses of connections from the proxy in front (PROXY protocol, versions 1 and 2). A header that
 * speaks of no TCP connection (`LOCAL`, `UNKNOWN`, Unix sockets, datagrams) leaves the addresses of the
 * proxy's connection, as the protocol has it (§2.2).
 */
export interface ProxyProtocolOptions {
  /**
   * The proxies: IP addresses, or networks as `"10.0.0.0/8"`. Connections from these must begin with a
   * header; all others are taken as they are. Risk: whoever connects from a trusted address can claim any
   * other.
   */
  readonly trusted: readonly string[];
  /** How long a proxy may take to send the header, in milliseconds. Default 5 s. */
  readonly timeoutMs?: number | undefined;
}

/** Why a listener dropped a connection before the application saw it. */
export type RefusalReason =
  | "max_connections" // the limit on open connections
  | "max_pending" // too many wait for `accept` or for the end of a handshake
  | "max_pending_per_address" // of its address half of `maxPending` wait for `accept`
  | "max_connections_per_address" // its address has `maxConnectionsPerAddress` open
  | "max_half_open_per_address" // its address has `maxHalfOpenPerAddress` that have said nothing yet
  | "max_handshakes_per_address" // its address is in `maxHandshakesPerAddress` handshakes
  | "too_many_files" // the process or the system has no descriptor left; mostly not told, see `onRefuse`
  | "handshake" // TLS or the PROXY header failed or took too long; `error` says how
  | "upgrade" // a WebSocket's request was not accepted; `error` says why, and with which status
  | "gone"; // it was gone before it could be looked at

/** A connection that was dropped. */
export interface Refusal {
  readonly reason: RefusalReason;
  readonly remoteAddr: Addr | undefined;
  readonly error: NetError | undefined;
}

/**
 * Options of every network; those of connections hold for each accepted one.
 *
 * Whoever is past a limit is closed at once, before a byte of it is read, and sees an end or a reset;
 * `onRefuse` is told which limit it was. All limits count what there is now: one connection less, and the
 * next is let in.
 */
export interface ListenOptions extends SocketOptions, AddressLimitOptions {
  /**
   * How many connections the system keeps that this process has not yet taken. Default 511; the system may
   * lower it.
   */
  readonly backlog?: number | undefined;
  /**
   * Most connections that wait for `accept` or are in a handshake; one more is refused. Of those that wait,
   * one address may have half, rounded up, unless it is in `exemptAddresses`: while the application accepts
   * slowly, one visitor does not keep all others out. Default 512.
   */
  readonly maxPending?: number | undefined;
  /** Most connections open at once; one more is refused by closing it at once. Default `Infinity`. */
  readonly maxConnections?: number | undefined;
  /**
   * How long a new connection may say nothing, in milliseconds, counted from its acceptance (behind TLS, from
   * the end of the handshake); at most half as long again. Then it is reset, and what waits for it rejects
   * with `timeout`. Until its first byte, or its end, it counts for `maxHalfOpenPerAddress`, and its first
   * bytes are read ahead, at most one read buffer. Default `Infinity`, as there are protocols whose server
   * speaks first, or alone; set it wherever clients do. Without it nothing on this network is half-open: TLS
   * handshakes and PROXY headers have limits of their own.
   */
  readonly firstByteTimeoutMs?: number | undefined;
  /**
   * Told of each connection that this listener drops before `accept`, for logs and counters. What it throws
   * is a warning of the process.
   *
   * Not told of connections that the system drops, nor of those that wait when the listener is closed. On
   * Unix, when the process has no descriptor left (EMFILE, ENFILE), libuv closes all waiting connections
   * silently; `too_many_files` is told only where it has kept no descriptor for that. To notice, watch the
   * number of open descriptors, or set `maxConnections` below their limit: what is past that is told.
   */
  readonly onRefuse?: ((refusal: Refusal) => void) | undefined;
  /** Cancels the setting up. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Options of `"tcp"`, `"tcp4"`, `"tcp6"`. `reuseAddr` is always on (the system's listeners expect it), as in
 * Go.
 */
export interface TcpListenOptions extends ListenOptions {
  /**
   * Let several processes listen on the same port and share its connections (SO_REUSEPORT). Needs Node 22.12
   * or later; earlier ones throw `unsupported`. Risk: any process of the same user can take a share. Default
   * `false`.
   */
  readonly reusePort?: boolean | undefined;
  /** On an IPv6 address, do not also accept IPv4 (IPV6_V6ONLY). Default `false`, and `true` for `"tcp6"`. */
  readonly ipv6Only?: boolean | undefined;
  /** Take the addresses of connections from a proxy in front. Default: none is. */
  readonly proxyProtocol?: ProxyProtocolOptions | undefined;
}

/**
 * Options of `"unix"`. Abstract names have no file, so `mode`, `replaceStale` and `unlinkOnClose` mean
 * nothing there.
 */
export interface UnixListenOptions extends ListenOptions {
  /**
   * Permissions of the socket file, from 0 to `0o777`, such as `0o660`, from the first moment that others see
   * it. To connect one needs the right to write. Default: what the process's umask leaves.
   *
   * Risk: who may write to the directory may put another socket in its place, whatever its mode is. Elsewhere
   * than on Linux, and on Linux without `/proc`, that one may also turn the mode to another file.
   */
  readonly mode?: number | undefined;
  /**
   * Replace a socket whose server went without closing it, as in a crash: one that refuses a connection. One
   * that answers in any other way, and a file that is no socket, stay where they are, and `listen` rejects
   * with `address_in_use`. A server that lives sees a connection that ends at once. Default `false`.
   *
   * Risk: a connection is also refused by a server of another make that is bound and does not listen yet;
   * where the server runs on another machine with which this one shares the directory; and, but on Linux,
   * where the queue of a living server is full.
   */
  readonly replaceStale?: boolean | undefined;
  /**
   * Remove the socket file on `close`, `drain` and `abort`; only if it is still the one that this listener
   * made (device and inode are compared). `false`, as Go's `SetUnlinkOnClose(false)`, leaves it, for a
   * process that goes on with the same socket. Default `true`.
   */
  readonly unlinkOnClose?: boolean | undefined;
}
