import type { Socket } from "node:net";
import type { IpAddr } from "../contracts/addr.ts";
import type { Conn } from "../contracts/conn.ts";
import { parseAddr } from "../contracts/parse-addr.ts";
import { checkTcpDialOptions } from "../options/check-options.ts";
import type { TcpDialOptions } from "../options/dial-options.ts";
import { checkProxyTls } from "../tls/check-tls-options.ts";
import { parseProxyUrl } from "../options/proxy-url.ts";
import { connectFirst } from "./connect-first.ts";
import { type DialLimits, withinLimits } from "./dial-limits.ts";
import { connectThrough } from "./proxy-dial.ts";
import { connOf, securedConnOf } from "./socket-conn.ts";
import { connectConn, connectSocket } from "./socket-dial.ts";

/** Connects to a TCP address. See `dial`. */
export async function dialTcp(
  network: "tcp" | "tcp4" | "tcp6",
  address: string,
  options: TcpDialOptions = {},
): Promise<Conn> {
  const addr = parseAddr(network, address, "dial");
  checkTcpDialOptions(options);
  checkProxyTls(options.proxyTls);
  const site = { op: "dial", network, remoteAddr: addr } as const;
  return withinLimits(options, site, async (limits) => {
    if (options.proxy === undefined) {
      return connectFirst(network, addr, options, limits, (target) => connectConn(target, options));
    }
    const tunnel = await connectThrough(parseProxyUrl(options.proxy), network, addr, options, limits);
    const connOptions = { network, closeTimeoutMs: options.closeTimeoutMs };
    const { below } = tunnel;
    return below ? securedConnOf(tunnel, connOptions, below, false) : connOf(tunnel, connOptions);
  });
}

/**
 * For those who write a transport: connects as `dial("tcp", …)` does (RFC 8305), and gives Node's own socket.
 * Nothing listens to it and it is paused, so the caller listens for `error` in the same turn. It may be half
 * open (`allowHalfOpen`).
 *
 * @param options `signal` and `deadline` are not looked at: `limits` has both.
 * @param limits the whole dial, and not each address, ends with them. Where they end a race, the reason of
 * `limits.signal` is thrown as it is.
 * @throws NetError as `dial` does. That of several addresses has an `AggregateError` of all as its cause.
 */
export async function dialSocket(addr: IpAddr, options: TcpDialOptions, limits: DialLimits): Promise<Socket> {
  const { socket } = await connectFirst("tcp", addr, options, limits, (target) =>
    connectSocket(target, options),
  );
  return socket;
}
