import { isIPv4 } from "node:net";

/** An IP address with a port; prints as `127.0.0.1:8080`, `[::1]:53` or `[fe80::1%eth0]:53`. */
export interface IpAddr {
  readonly network: "tcp" | "udp" | "tls";
  /**
   * An IP address (IPv6 without brackets, with its `%zone` if it has one), a host name, or `""`: every
   * address of this machine.
   */
  readonly host: string;
  readonly port: number;
  /** As Go writes it: `10.0.0.1:80`, `[::1]:80`. */
  toString(): string;
}

/** A Unix domain socket; prints as its path, and as `@name` in Linux's abstract namespace. */
export interface UnixAddr {
  readonly network: "unix";
  /** The path, `@name` for an abstract one, `""` for a socket that was never bound (the dialing side). */
  readonly path: string;
  /** The path. */
  toString(): string;
}

/** One end of an in-memory pipe; prints as `pipe`. */
export interface PipeAddr {
  readonly network: "pipe";
  /** `pipe`. */
  toString(): string;
}

/** Where a socket is bound or connected. */
export type Addr = IpAddr | UnixAddr | PipeAddr;

/** Networks whose addresses are `host:port`; a digit restricts them to that IP version. */
export type IpNetwork = "tcp" | "tcp4" | "tcp6" | "udp" | "udp4" | "udp6" | "tls";

/** Makes an `IpAddr`; `host` is not checked. */
export function ipAddr(network: IpAddr["network"], host: string, port: number): IpAddr {
  return new HostAndPort(network, host, port);
}

/** Makes a `UnixAddr`; `path` is not checked. */
export function unixAddr(path: string): UnixAddr {
  return new SocketPath(path);
}

/**
 * The address of a TCP peer at an IPv4 address as one number: connections keep theirs like this, and make it
 * an object when asked.
 */
export type PackedAddr = number;

/** Packs an address; `undefined` if it is of another kind. */
export function packed(addr: Addr): PackedAddr | undefined {
  if (addr.network !== "tcp" || addr.host.includes(":") || !isIPv4(addr.host)) return undefined;
  let ip = 0;
  let part = 0;
  for (let at = 0; at < addr.host.length; at++) {
    const digit = addr.host.charCodeAt(at) - 0x30;
    if (digit >= 0) part = part * 10 + digit;
    else {
      ip = ip * 256 + part; // A dot.
      part = 0;
    }
  }
  return (ip * 256 + part) * 65536 + addr.port;
}

/** The last address that was unpacked: whoever has accepted a connection asks for it several times. */
let last: { readonly packed: PackedAddr; readonly addr: IpAddr } | undefined;

/** What was packed. */
export function unpacked(addr: PackedAddr): IpAddr {
  if (last?.packed !== addr) last = { packed: addr, addr: unpackedAnew(addr) };
  return last.addr;
}

function unpackedAnew(addr: PackedAddr): IpAddr {
  const ip = Math.floor(addr / 65536);
  const host = [ip / 2 ** 24, ip / 2 ** 16, ip / 2 ** 8, ip].map((part) => Math.floor(part) % 256).join(".");
  return ipAddr("tcp", host, addr % 65536);
}

/** The address of both ends of every in-memory pipe. */
export const pipeAddr: PipeAddr = Object.freeze({ network: "pipe", toString: () => "pipe" });

/**
 * Joins a host and a port or service name to `host:port`, with brackets when the host has a colon or a zone.
 *
 * @example
 * joinHostPort("::1", 53); // "[::1]:53"
 */
export function joinHostPort(host: string, port: number | string): string {
  return host.includes(":") || host.includes("%") ? `[${host}]:${port}` : `${host}:${port}`;
}

class HostAndPort implements IpAddr {
  readonly network: IpAddr["network"];
  readonly host: string;
  readonly port: number;

  constructor(network: IpAddr["network"], host: string, port: number) {
    this.network = network;
    this.host = host;
    this.port = port;
  }

  toString(): string {
    return joinHostPort(this.host, this.port);
  }
}

class SocketPath implements UnixAddr {
  readonly network = "unix";
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  toString(): string {
    return this.path;
  }
}
