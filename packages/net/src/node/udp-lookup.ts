import { lookup } from "node:dns";
import { isIP } from "node:net";

/**
 * The last text that proved to be an IP address: most sends answer somebody, and to prove it again costs a
 * regular expression.
 */
let lastIp = "";

/** Spares `isIp` the proof for the send that follows. */
export function rememberIp(ip: string): void {
  lastIp = ip;
}

/** Whether a host is an address already. */
export function isIp(host: string): boolean {
  if (host === lastIp) return true;
  if (isIP(host) === 0) return false;
  lastIp = host;
  return true;
}

/**
 * What a datagram socket finds addresses with. Node looks every address up, and puts even the answer for an
 * IP address off to the next tick; here that one is immediate.
 */
export function lookUp(
  host: string,
  options: number | object,
  callback: (error: NodeJS.ErrnoException | null, address: string, family: number) => void,
): void {
  if (isIp(host)) callback(null, host, host.includes(":") ? 6 : 4);
  else
    lookup(host, typeof options === "number" ? { family: options } : options, (error, address, found) => {
      callback(error, typeof address === "string" ? address : "", found ?? 0);
    });
}
