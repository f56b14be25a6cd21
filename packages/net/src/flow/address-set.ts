import { BlockList, isIP } from "node:net";
import { argumentError } from "../contracts/failures.ts";
import { shown } from "../options/check-values.ts";

/** What a set may hold besides IP addresses: peers of these networks have none. */
export type Addressless = "unix" | "pipe";

/** A set of IP addresses and of networks such as `10.0.0.0/8`, as an option lists them. */
export class AddressSet {
  readonly #networks = new BlockList();
  readonly #addressless = new Set<string>();

  /**
   * @param option the name of the option, for its error.
   * @param allowed which networks without IP addresses may be listed, too.
   * @throws NetError `invalid_argument` for what is no list, and for what is neither an address nor a
   *   network.
   */
  constructor(option: string, list: readonly string[], allowed: readonly Addressless[] = []) {
    const given: unknown = list;
    if (
      !Array.isArray(given) ||
      ![...(given as readonly unknown[])].every((each) => typeof each === "string")
    ) {
      throw argumentError(
        "listen",
        `${option} ${shown(given)} is not a list of addresses, such as ["10.0.0.1"]`,
      );
    }
    for (const text of list) {
      if ((allowed as readonly string[]).includes(text)) {
        this.#addressless.add(text);
        continue;
      }
      const [ip = "", prefix, ...rest] = text.split("/");
      const version = isIP(ip);
      const longest = version === 4 ? 32 : 128;
      const bits = prefix === undefined ? longest : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN;
      if (version === 0 || rest.length > 0 || !(bits <= longest)) {
        const others = allowed.map((name) => `, nor "${name}"`).join("");
        throw argumentError(
          "listen",
          `${option} ${JSON.stringify(text)} is neither an IP address nor a network such as 10.0.0.0/8${others}`,
        );
      }
      this.#networks.addSubnet(ip, bits, version === 4 ? "ipv4" : "ipv6");
    }
  }

  /**
   * True if the set holds it, or a network that it is in.
   *
   * @param host an IP address, with or without a zone, or the name of a network without addresses.
   */
  has(host: string): boolean {
    const [ip = ""] = host.split("%");
    const version = isIP(ip);
    if (version === 0) return this.#addressless.has(host);
    return this.#networks.check(ip, version === 6 ? "ipv6" : "ipv4");
  }
}
