import dns from "node:dns";
import { isIP, isIPv4, isIPv6 } from "node:net";
import { NetError } from "../contracts/error.ts";
import { canceledError, type FailureSite } from "../contracts/failures.ts";
import { withKnownZone } from "./interfaces.ts";
import { netErrorFrom } from "../contracts/node-error.ts";
import type { Resolver } from "../options/dial-options.ts";

/**
 * The system's own way (`getaddrinfo`): hosts file, DNS and whatever else the machine is set up for, in the
 * order of RFC 6724.
 */
export const systemResolver: Resolver = (host, { family }) =>
  new Promise((resolve, reject) => {
    // By its module's object, as node:net does: programs that put a cache in the place of `dns.lookup` are
    // heard.
    dns.lookup(host, { all: true, family, order: "verbatim" }, (error, found) => {
      if (error) reject(error);
      else resolve(found.map(({ address }) => address));
    });
  });

/** The IP version a network is restricted to; 0 is both. */
export function familyOf(network: string): 0 | 4 | 6 {
  return network.endsWith("4") ? 4 : network.endsWith("6") ? 6 : 0;
}

/**
 * The addresses of `host`, at least one. An IP address is its own, and asks nobody; its zone must be an
 * interface of this machine, by name or index.
 */
export async function resolveHost(
  host: string,
  options: { network: string; resolver?: Resolver | undefined; signal?: AbortSignal | undefined },
  site: FailureSite,
): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [withKnownZone(host, site)];
  const { network, resolver = systemResolver, signal } = options;
  const family = familyOf(network);
  let found: readonly string[];
  try {
    found = await raced(resolver(host, { family, signal }), signal, site);
  } catch (error) {
    throw resolverError(error, site);
  }
  if (!Array.isArray(found)) {
    const reason = `the resolver gave ${found === null ? "null" : typeof found} in place of a list of addresses`;
    throw new NetError({ ...site, code: "resolver_failed", reason });
  }
  const fits = family === 4 ? isIPv4 : family === 6 ? isIPv6 : (ip: string) => isIP(ip) !== 0;
  const usable = found.filter((ip) => fits(ip));
  if (usable.length === 0)
    throw new NetError({ ...site, code: "name_not_found", reason: "no address for this host" });
  return usable;
}

/** What a resolver says of the name, or of itself. */
const OWN_WORDS: ReadonlySet<string> = new Set(["name_not_found", "resolver_failed", "invalid_argument"]);

/** A name server that cannot be reached is not the host that cannot. */
function resolverError(error: unknown, site: FailureSite): NetError {
  const failure = netErrorFrom(error, site);
  if (failure === error || OWN_WORDS.has(failure.code)) return failure;
  const reason = failure.code === "unknown" ? failure.reason : `resolver: ${failure.reason}`;
  return new NetError({ ...site, code: "resolver_failed", reason, cause: error });
}

/** The outcome of `work`, or the cancellation if that comes first. */
export async function raced<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
  site: FailureSite,
): Promise<T> {
  if (!signal) return work;
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => {
      const reason: unknown = signal.reason;
      reject(reason instanceof NetError ? reason : canceledError(site, signal));
    };
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    if (onAbort) signal.removeEventListener("abort", onAbort);
  }
}
