import { isIP } from "node:net";
import { AddressSet, hostOf, type Peer } from "@zocalo/net";

/** The headers in which a proxy says for whom it asks. */
export const FORWARDED_HEADERS = ["x-forwarded-for", "forwarded"] as const;

/** Which of them is believed. */
export type ForwardedHeader = (typeof FORWARDED_HEADERS)[number];

/**
 * The proxies in front of this server. What they say of a visitor's address is believed, and what anybody
 * else says is not.
 *
 * Only one header is read. A proxy writes one and passes the other on as it came, so that reading both would
 * let a visitor choose.
 */
export class Proxies {
  readonly #trusted: AddressSet;
  readonly #header: ForwardedHeader;

  /** @param trusted addresses, and networks such as `10.0.0.0/8` */
  constructor(trusted: readonly string[], header: ForwardedHeader) {
    this.#trusted = new AddressSet("trustedProxies", trusted);
    this.#header = header;
  }

  /**
   * Where the visitor is: the peer itself, unless it is a proxy. Then the header is read from its end, where
   * the nearest proxy wrote, up to the first address that is not a proxy's. What stands before that was
   * written by the visitor, who can write anything. An entry that is no address (`unknown`, `_hidden`) ends
   * it too: the proxy that wrote it is then the visitor.
   */
  readonly hostOf = (peer: Peer): string => {
    let host = hostOf(peer.addr);
    // The request is unpacked on first use and kept: not for those who need not be asked.
    if (peer.transport !== "websocket" || !this.#trusted.has(host)) return host;
    const said = [peer.request?.headers[this.#header] ?? []].flat().join(",");
    for (const entry of entriesOf(said, this.#header).reverse()) {
      const named = addressIn(entry);
      if (named === undefined) return host;
      host = named;
      if (!this.#trusted.has(host)) return host;
    }
    return host;
  };
}

/** True for an address, and for a network such as `10.0.0.0/8`. */
export function isAddressOrNetwork(text: string): boolean {
  try {
    return Boolean(new AddressSet("address", [text]));
  } catch {
    return false; // The setting says what is allowed.
  }
}

/** The entries of a header, in the order in which they were written. */
function entriesOf(value: string, header: ForwardedHeader): string[] {
  const entries = value.split(",").map((entry) => entry.trim());
  if (header === "x-forwarded-for") return entries.filter((entry) => entry !== "");
  // RFC 7239 §4: pairs separated by semicolons, names in any case, an IPv6 address in quotes. An entry
  // without `for` hides the visitor.
  return entries
    .filter((entry) => entry !== "")
    .map((entry) => /(?:^|;)\s*for\s*=\s*"?([^";]*)"?/i.exec(entry)?.[1] ?? "");
}

/** The address of an entry, which may have a port (RFC 7239 §6): `192.0.2.1:4711`, `[2001:db8::1]:4711`. */
function addressIn(entry: string): string | undefined {
  const [, bracketed] = /^\[([^\]]+)\](?::\w+)?$/.exec(entry) ?? [];
  const [, dotted] = /^([\d.]+)(?::\w+)?$/.exec(entry) ?? [];
  const address = bracketed ?? dotted ?? entry;
  return isIP(address) === 0 ? undefined : address;
}
