import { readFileSync } from "node:fs";
import { isIPv6 } from "node:net";
import { type NetworkInterfaceInfo, networkInterfaces } from "node:os";
import { NetError } from "../contracts/error.ts";
import type { FailureSite } from "../contracts/failures.ts";

/** A network interface that is up and has an address. */
export interface Interface {
  readonly name: string;
  /**
   * The system's number for it, from 1; `undefined` where Node does not tell it (off Linux, without a
   * link-local address).
   */
  readonly index: number | undefined;
  readonly ipv4: string | undefined;
}

/**
 * Finds an interface of this machine by name (`"eth0"`), by index (`"2"`), by one of its addresses, or by the
 * zone of an IPv6 address: a name or an index (`"::%eth0"`, `"fe80::1%2"`, RFC 4007 §11.2). libuv silently
 * picks any interface for an unknown name, and on Unix reads an index as a name.
 */
export function findInterface(text: string): Interface | undefined {
  const all = networkInterfaces();
  const names = Object.keys(all);
  const indexOf = (name: string): number | undefined => indexFrom(name, all[name] ?? []);
  const zone = isIPv6(text) && text.includes("%") ? text.slice(text.indexOf("%") + 1) : undefined;
  const nameOrIndex = zone ?? text;
  const found =
    names.find((name) => name === nameOrIndex) ??
    names.find((name) => String(indexOf(name)) === nameOrIndex) ??
    names.find((name) => zone === undefined && all[name]?.some(({ address }) => isSameIp(address, text)));
  if (found === undefined) return undefined;
  const ipv4 = all[found]?.find(({ family }) => family === "IPv4")?.address;
  return { name: found, index: indexOf(found), ipv4 };
}

/** How Node wants to be told the zone of an IPv6 address: by index on Windows, elsewhere by name. */
export function zoneOf({ name, index }: Interface): string {
  return process.platform === "win32" && index !== undefined ? String(index) : name;
}

/**
 * An IP address whose zone, if it has one, is as Node wants it. libuv would forget one that is no interface,
 * and take any.
 *
 * @throws NetError `address_not_available`
 */
export function withKnownZone(ip: string, site: FailureSite): string {
  const percent = ip.indexOf("%");
  if (percent === -1) return ip;
  const found = findInterface(ip);
  if (found !== undefined) return `${ip.slice(0, percent)}%${zoneOf(found)}`;
  const reason = `no interface for the zone of ${ip}`;
  throw new NetError({ ...site, code: "address_not_available", reason });
}

function indexFrom(name: string, addresses: readonly NetworkInterfaceInfo[]): number | undefined {
  const scope = addresses.map((info) => (info.family === "IPv6" ? info.scopeid : 0)).find((id) => id !== 0);
  if (scope !== undefined || process.platform !== "linux") return scope;
  try {
    return Number(readFileSync(`/sys/class/net/${name}/ifindex`, "utf8"));
  } catch {
    return undefined; // No sysfs here; or an alias such as "eth0:1", which has no index of its own.
  }
}

/** `FE80::0:1` is `fe80::1`. */
function isSameIp(one: string, other: string): boolean {
  if (one === other || one.includes("%") || !isIPv6(one) || !isIPv6(other)) return one === other;
  return new URL(`http://[${one}]`).hostname === new URL(`http://[${other}]`).hostname;
}
