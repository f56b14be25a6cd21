import { isIPv4, isIPv6 } from "node:net";
import { type IpAddr, type IpNetwork, ipAddr, type UnixAddr, unixAddr } from "./addr.ts";
import { NetError, type NetOp } from "./error.ts";
import { servicePort } from "./services.ts";

/** Longest host name the DNS can carry, in characters (RFC 1035 §2.3.4, without the closing dot). */
const MAX_HOST_LENGTH = 253;
/** Longest socket path in bytes: `sun_path` of the system, less the closing NUL. */
export const MAX_UNIX_PATH_BYTES = process.platform === "linux" ? 107 : 103;
/** How much of a bad address an error message shows, in characters. */
const MAX_SHOWN_LENGTH = 100;

/**
 * Parses an address as Go writes them: `:8080`, `127.0.0.1:0`, `[::1]:53`, `[fe80::1%eth0]:53`,
 * `example.org:https` for IP networks; a path, or `@name` (Linux, abstract) for `"unix"`. An empty port is
 * port 0. No name is looked up in the DNS.
 *
 * @throws NetError `invalid_address`, with the offending text; `name_not_found` for a service that is not
 *   known.
 * @example
 * parseAddr("tcp", "[::1]:53").port; // 53
 */
export function parseAddr(network: IpNetwork, text: string, op?: NetOp): IpAddr;
export function parseAddr(network: "unix", text: string, op?: NetOp): UnixAddr;
export function parseAddr(network: IpNetwork | "unix", text: string, op?: NetOp): IpAddr | UnixAddr;
export function parseAddr(network: IpNetwork | "unix", text: string, op: NetOp = "parse"): IpAddr | UnixAddr {
  if (typeof text !== "string") {
    const kind = text === null ? "null" : `of type ${typeof text}`;
    const reason = `address is ${kind}, and not a string such as "127.0.0.1:8080" or String(listener.addr)`;
    throw new NetError({ op, code: "invalid_address", network, reason });
  }
  if (network === "unix") return parseUnix(text, op);
  const split = trySplit(text);
  if (typeof split === "string") throw invalid(op, network, text, split);
  const { host, port } = split;
  const fault = hostFault(host, text.startsWith("["), network);
  if (fault !== undefined) throw invalid(op, network, text, fault);
  const family = network.startsWith("udp") ? "udp" : network === "tls" ? "tls" : "tcp";
  return ipAddr(family, host, parsePort(port, network, text, op));
}

/**
 * Splits `host:port`, `[host]:port` or `[v6%zone]:port` in its two texts; neither is interpreted, either may
 * be empty.
 *
 * @throws NetError `invalid_address` when the port or a bracket is missing, or there is a colon too many.
 * @example
 * splitHostPort("[::1]:http"); // { host: "::1", port: "http" }
 */
export function splitHostPort(text: string): { host: string; port: string } {
  const split = trySplit(text);
  if (typeof split === "string") throw invalid("parse", undefined, text, split);
  return split;
}

/** The two parts, or what is wrong. */
function trySplit(text: string): { host: string; port: string } | string {
  const colon = text.lastIndexOf(":");
  if (colon === -1) return "missing port";
  if (text.startsWith("[")) {
    const end = text.indexOf("]");
    if (end === -1) return "missing ']'";
    if (end + 1 === text.length) return "missing port";
    if (end + 1 !== colon) return text[end + 1] === ":" ? "too many colons" : "no ':' after ']'";
    const host = text.slice(1, end);
    if (host.includes("[")) return "unexpected '['";
    return splitOf(host, text.slice(colon + 1));
  }
  const host = text.slice(0, colon);
  if (host.includes(":")) return "too many colons (an IPv6 address needs brackets)";
  return splitOf(host, text.slice(colon + 1));
}

function splitOf(host: string, port: string): { host: string; port: string } | string {
  const bracket = /[[\]]/.exec(host + port);
  return bracket ? `unexpected '${bracket[0]}'` : { host, port };
}

/** What is wrong with `host`, if anything. */
function hostFault(host: string, isBracketed: boolean, network: IpNetwork): string | undefined {
  if (isBracketed || host.includes("%")) {
    const [ip = "", zone] = host.split(/%(.*)/s);
    if (!isIPv6(ip))
      return isBracketed ? "no IPv6 address in the brackets" : "a zone without an IPv6 address";
    if (zone !== undefined && !/^[\w.:~-]+$/.test(zone)) return "invalid zone";
    return network.endsWith("4") ? "not an IPv4 address" : undefined;
  }
  if (host === "") return undefined;
  if (isIPv4(host)) return network.endsWith("6") ? "not an IPv6 address" : undefined;
  // The C library would read "127.1", "0x7f.1" and "2130706433" as addresses, and not as the one a reader
  // sees.
  if (/(?:^|\.)(?:\d+|0x[\da-f]*)\.?$/i.test(host)) return "not a valid IPv4 address";
  if (host.length > MAX_HOST_LENGTH) return `host name longer than ${MAX_HOST_LENGTH} characters`;
  // Non-ASCII letters are left to the resolver (IDNA); what can only be a mistake or an injection is refused
  // here.
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u0020\u007f"#%/<>?@\\^`{|}]|^\.|\.\./.test(host)) return "invalid host name";
  return undefined;
}

function parsePort(port: string, network: IpNetwork, text: string, op: NetOp): number {
  if (port === "") return 0;
  if (/^[+-]?\d/.test(port)) {
    const number = /^\d{1,5}$/.test(port) ? Number(port) : Number.NaN;
    if (!(number <= 65535)) throw invalid(op, network, text, "port is not a number from 0 to 65535");
    return number;
  }
  const known = servicePort(port, network.startsWith("udp") ? "udp" : "tcp");
  if (known !== undefined) return known;
  if (!/^[A-Za-z][\w.+-]*$/.test(port)) throw invalid(op, network, text, "invalid port");
  throw new NetError({
    op,
    code: "name_not_found",
    network,
    reason: `address ${shown(text)}: unknown service`,
  });
}

function parseUnix(text: string, op: NetOp): UnixAddr {
  if (text === "") throw invalid(op, "unix", text, "missing path");
  if (text.includes("\0"))
    throw invalid(op, "unix", text, "contains a NUL (an abstract name begins with '@')");
  if (Buffer.byteLength(text) > MAX_UNIX_PATH_BYTES) {
    throw invalid(op, "unix", text, `longer than ${MAX_UNIX_PATH_BYTES} bytes`);
  }
  if (text.startsWith("@")) {
    if (text === "@") throw invalid(op, "unix", text, "missing abstract name");
    if (process.platform !== "linux") {
      const reason = `address ${shown(text)}: abstract names exist on Linux only`;
      throw new NetError({ op, code: "unsupported", network: "unix", reason });
    }
  }
  return unixAddr(text);
}

function invalid(op: NetOp, network: string | undefined, text: string, fault: string): NetError {
  return new NetError({ op, code: "invalid_address", network, reason: `address ${shown(text)}: ${fault}` });
}

function shown(text: string): string {
  return JSON.stringify(text.length > MAX_SHOWN_LENGTH ? `${text.slice(0, MAX_SHOWN_LENGTH)}…` : text);
}
