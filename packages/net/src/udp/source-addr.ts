import { type IpAddr, joinHostPort } from "../contracts/addr.ts";
import { plainHost } from "../options/socket-options.ts";

/** The address a datagram came from: an IP address for sure, so nobody needs to look it up. */
export class SourceAddr implements IpAddr {
  readonly network = "udp";
  readonly host: string;
  readonly port: number;
  /** As the socket names it: IPv4 in IPv6 on a dual-stack socket. */
  readonly wireHost: string;
  #text: string | undefined;

  constructor(wireHost: string, port: number) {
    this.wireHost = wireHost;
    this.host = plainHost(wireHost);
    this.port = port;
  }

  toString(): string {
    return (this.#text ??= joinHostPort(this.host, this.port));
  }
}

/** Source addresses that one socket remembers; a power of two. One takes about 200 bytes. */
const REMEMBERED = 256;

/**
 * The newest source addresses of a socket, so that a peer who sends again is the same object with the same
 * text. A flood of made-up addresses drives out others, and costs no more than making each anew.
 */
export class SourceAddrs {
  readonly #slots: (SourceAddr | undefined)[] = [];

  of(wireHost: string, port: number): SourceAddr {
    const slot = port & (REMEMBERED - 1);
    const known = this.#slots[slot];
    if (known !== undefined && known.port === port && known.wireHost === wireHost) return known;
    return (this.#slots[slot] = new SourceAddr(wireHost, port));
  }
}
