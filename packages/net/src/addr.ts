/** An IP address with a port; prints as `127.0.0.1:8080`, `[::1]:53` or `[fe80::1%eth0]:53`. */
export interface IpAddr {
  readonly network: "tcp" | "udp" | "tls";
  readonly host: string;
  readonly port: number;
  toString(): string;
}

/** A Unix domain socket; prints as its path, and as `@name` in Linux's abstract namespace. */
export interface UnixAddr {
  readonly network: "unix";
  readonly path: string;
  toString(): string;
}

/** One end of an in-memory pipe; prints as `pipe`. */
export interface PipeAddr {
  readonly network: "pipe";
  toString(): string;
}

/** Where a socket is bound or connected. */
export type Addr = IpAddr | UnixAddr | PipeAddr;
