import type { Socket } from "node:dgram";
import { isIP, isIPv4, isIPv6 } from "node:net";
import { NetError } from "../contracts/error.ts";
import { argumentError, type FailureSite } from "../contracts/failures.ts";
import { findInterface, zoneOf } from "../networks/interfaces.ts";
import { netErrorFrom } from "../contracts/node-error.ts";
import type { GroupOptions } from "../contracts/packet-conn.ts";

/** Joins or leaves a group. @throws NetError */
export function setMembership(
  socket: Socket,
  verb: "join" | "leave",
  group: string,
  options: GroupOptions,
  site: FailureSite,
): void {
  if (!isMulticast(group)) throw argumentError("set", `${JSON.stringify(group)} is not a multicast address`);
  const { source } = options;
  if (source !== undefined && isIP(source) !== isIP(group)) {
    throw argumentError("set", `source ${JSON.stringify(source)} is not an address of the kind of ${group}`);
  }
  const through =
    options.interface === undefined ? undefined : interfaceAddress(options.interface, isIPv6(group));
  attempt(site, () => {
    if (source !== undefined) {
      if (verb === "join") socket.addSourceSpecificMembership(source, group, through);
      else socket.dropSourceSpecificMembership(source, group, through);
    } else if (verb === "join") socket.addMembership(group, through);
    else socket.dropMembership(group, through);
  });
}

/** The interface by which datagrams to groups leave. @throws NetError */
export function setMulticastInterface(
  socket: Socket,
  name: string,
  isSocketIPv6: boolean,
  site: FailureSite,
): void {
  const through = interfaceAddress(name, isSocketIPv6);
  attempt(site, () => socket.setMulticastInterface(through));
}

/** Runs what may throw an error of Node's. @throws NetError */
export function attempt(site: FailureSite, set: () => void): void {
  try {
    set();
  } catch (error) {
    throw netErrorFrom(error, site);
  }
}

/**
 * Checks a time to live: the number of routers a datagram may pass, plus one.
 *
 * @throws NetError `invalid_argument`
 */
export function checkTtl(ttl: number, least: 0 | 1): number {
  if (Number.isInteger(ttl) && ttl >= least && ttl <= 255) return ttl;
  throw argumentError("set", `ttl ${ttl} is not a whole number from ${least} to 255`);
}

function isMulticast(group: string): boolean {
  if (isIPv4(group)) {
    const first = Number.parseInt(group, 10);
    return first >= 224 && first <= 239;
  }
  return isIPv6(group) && /^ff/i.test(group);
}

/** As Node wants it: an IPv4 address of the interface, or `::%zone`. */
function interfaceAddress(nameOrAddress: string, isForIPv6: boolean): string {
  // The system refuses an IPv4 address that no interface has.
  if (!isForIPv6 && isIPv4(nameOrAddress)) return nameOrAddress;
  const found = findInterface(nameOrAddress);
  if (found !== undefined && isForIPv6) return `::%${zoneOf(found)}`;
  if (found?.ipv4 !== undefined) return found.ipv4;
  const kind = isForIPv6 ? "IPv6" : "IPv4";
  const reason = `no interface ${JSON.stringify(nameOrAddress)} with an ${kind} address`;
  throw new NetError({ op: "set", code: "address_not_available", reason });
}
