import type { ConnectionOptions } from "node:tls";
import { joinHostPort, NetError } from "@zocalo/net";
import {
  askProxy,
  parseProxyUrl,
  type ProxyFailure,
  proxyHandshake,
  proxyHost,
  type ProxyUrl,
} from "@zocalo/net/transport";
import { type Connected, type ConnectOptions, connectTcp, secure } from "./connect.ts";
import type { DialLimits } from "./dial-limits.ts";
import { hostAndPort } from "./dial-url.ts";
import { WebSocketError } from "../core/error.ts";

/**
 * Reads the URL of a proxy, see `DialOptions.proxy`.
 *
 * @throws WebSocketError `invalid_address`
 */
export function parseProxy(text: string | URL): ProxyUrl {
  try {
    return parseProxyUrl(text);
  } catch (error) {
    throw new WebSocketError("invalid_address", error instanceof NetError ? error.reason : "proxy is no URL");
  }
}

/**
 * Asks a proxy for a tunnel (SOCKS 5, or CONNECT of HTTP), by the code of `@zocalo/net`. Its user and
 * password go to the proxy alone.
 *
 * @returns a socket whose other end is `target`. What the proxy sent behind its answer is still to be read
 * from it.
 * @throws WebSocketError `proxy_refused` (with `status` of an HTTP proxy), `connect_failed`,
 * `handshake_failed` for an answer that is neither, `timeout`, `canceled`,
 *   `invalid_argument`
 */
export async function openTunnel(
  proxy: ProxyUrl,
  target: URL,
  options: ConnectOptions,
  tls: ConnectionOptions | undefined,
  limits: DialLimits,
): Promise<Connected> {
  const { host, port } = hostAndPort(target);
  const known = proxyHost(host);
  if (known === undefined) {
    throw new WebSocketError("invalid_address", `the host ${target.hostname} means nothing to a proxy`);
  }
  const asked = { host: known, port };
  let connected: Connected = await connectTcp(
    proxy,
    `proxy ${joinHostPort(proxy.host, proxy.port)}`,
    options,
    limits,
  );
  if (proxy.scheme === "https") connected = await secure(connected, proxy, proxy.host, tls, limits);
  const { socket, name } = connected;
  const missing = `${name} did not answer CONNECT ${joinHostPort(asked.host, port)}`;
  await limits.wait<void>(missing, socket, ({ done, failed }) =>
    askProxy(socket, proxyHandshake(proxy, asked), asked, name, {
      done: () => done(undefined),
      failed: (failure) => failed(errorOf(failure)),
    }),
  );
  return { socket, name: `${target.host} by way of ${name}` };
}

const CODES = {
  refused: "proxy_refused",
  malformed: "handshake_failed",
  ended: "connect_failed",
  broken: "connect_failed",
} as const;

function errorOf({ kind, message, status, cause }: ProxyFailure): WebSocketError {
  const about = { ...(status === undefined ? {} : { status }), ...(cause === undefined ? {} : { cause }) };
  return new WebSocketError(CODES[kind], message, about);
}
