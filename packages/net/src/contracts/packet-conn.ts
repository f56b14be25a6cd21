import type { IpAddr } from "./addr.ts";
import type { WaitOptions } from "./conn.ts";
import type { DatagramSocket, DatagramSocketHandler } from "./datagram-socket.ts";
import type { Message, SendOutcome } from "./message-conn.ts";

/** One datagram and where it came from, or goes to. */
export interface Packet {
  /**
   * All of its bytes, possibly none. Of a received one they are the application's own (on Node it is a
   * `Buffer`): nobody else ever writes there, and they may be kept, changed or transferred. Of a sent one
   * they are read as long as the call says.
   */
  readonly bytes: Uint8Array;
  /** Who sent it, as far as one can tell: a source address can be forged. */
  readonly addr: IpAddr;
}

/** One datagram to be sent: a `Packet`, or one whose `bytes` are text, which leaves as UTF-8. */
export interface OutgoingPacket {
  readonly bytes: Message;
  readonly addr: IpAddr;
}

/** Receives the datagrams of all senders. */
export type PacketHandler = DatagramSocketHandler<Packet>;

/**
 * A datagram socket that is not bound to one peer: each packet is received whole with its sender, or not at
 * all, and may be lost, doubled or overtaken on its way.
 *
 * All methods may be called at any time from several places; simultaneous receives are served in call order.
 *
 * Whose memory it is: a received packet is the application's own. A sent one is read until the promise of
 * `send` or `sendBatch` has settled, by `trySend` and `trySendBatch` until they return, and not after.
 *
 * A socket of both IP versions (`"udp"` on `":port"`) is one of IPv6 to the system, and Node can set its
 * TTLs, its interface for groups and its loopback for IPv6 only: IPv4 datagrams from it keep the system's.
 * Where those matter, bind `"udp4"`.
 */
export interface PacketConn extends DatagramSocket<Packet, OutgoingPacket> {
  /**
   * Sends one datagram, bytes or text, which leaves as UTF-8; resolves when the system has taken it, which
   * says nothing about its arrival.
   *
   * Bytes are read where they are until the promise has settled, and must not be changed before. With a
   * signal, or while a write deadline is set, they are copied, as either may end the call while the datagram
   * still waits; so are bytes that a handler was lent. Only a deadline that is set during the call may end it
   * with the datagram uncopied: its memory is then read until it has left or the socket is closed.
   *
   * Nobody need wait for it: a failure that nobody waits for ends no process, and the datagram is lost like
   * any other.
   *
   * @param message Any view or buffer counts as bytes.
   * @param addr A packet's `addr`, or `host:port`. A host name is looked up for each datagram.
   * @throws NetError `invalid_argument` for what is neither text nor bytes, `too_large` (EMSGSIZE), `timeout`
   *   past the write deadline, `permission` for broadcast that is not enabled, …
   */
  send(message: Message, addr: IpAddr | string, options?: WaitOptions): Promise<void>;

  /**
   * Sends without waiting: the way for hot paths. Bytes are copied (0.1 to 0.2 µs up to 1 KiB, 2 µs at
   * 60 KB): the caller may write over them when this returns, also if the datagram has to wait in the
   * process. `refused` when `sendLimitBytes` wait in the process because the network card is behind or a
   * host's name is looked up, when it is too large or no message, when the system refuses it at once (where
   * Node can be asked, see the README; else it counts as sent), or when closed.
   */
  trySend(message: Message, addr: IpAddr): SendOutcome;

  /**
   * Allows datagrams to broadcast addresses (SO_BROADCAST); without it they are refused with `permission`.
   * Default: not allowed.
   *
   * @throws NetError
   */
  setBroadcast(isAllowed: boolean): void;

  /**
   * How many hops a datagram may make, 1 to 255 (IP_TTL). Default: the system's, 64 as a rule. Not for IPv4
   * from a socket of both versions.
   *
   * @throws NetError
   */
  setTtl(ttl: number): void;

  /**
   * Receives what is sent to a multicast group, on the port this socket is bound to. Bind with `reuseAddr`
   * where several programs of a machine shall, and to `":port"` or to the group: a socket bound to a unicast
   * address gets nothing from groups.
   *
   * @param group Such as `"239.1.2.3"` or `"ff02::114"`.
   * @throws NetError `invalid_argument`, `address_not_available` for an interface that is not there or was
   *   already joined on, …
   * @example
   * packets.join("232.1.2.3", { source: "192.0.2.7", interface: "eth0" });
   */
  join(group: string, options?: GroupOptions): void;

  /**
   * The opposite of `join`, with the same options.
   *
   * @throws NetError `address_not_available` if it was not joined.
   */
  leave(group: string, options?: GroupOptions): void;

  /**
   * By which interface (see `GroupOptions.interface`) datagrams to groups leave. Default: the system's
   * choice.
   *
   * @throws NetError
   */
  setMulticastInterface(nameOrAddress: string): void;

  /**
   * How many hops a datagram to a group may make, 0 to 255. Default 1: it stays in the local network.
   *
   * @throws NetError
   */
  setMulticastTtl(ttl: number): void;

  /**
   * Whether groups on this machine, and this socket itself, receive what it sends to them. Default `true`.
   *
   * @throws NetError
   */
  setMulticastLoopback(isOn: boolean): void;
}

/** Which datagrams of a group, and by which way. */
export interface GroupOptions {
  /**
   * The interface by name (`"eth0"`), by index (`"2"`), by one of its addresses, or by the zone of one
   * (`"::%eth0"`, `"fe80::1%2"`: the zone decides). One that does not exist is refused. Default: the one the
   * system routes the group by.
   */
  readonly interface?: string | undefined;
  /**
   * Only what this address sends to the group (source-specific multicast, RFC 4607). Default: what anybody
   * sends.
   */
  readonly source?: string | undefined;
}
