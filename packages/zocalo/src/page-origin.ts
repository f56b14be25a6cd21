import type { IncomingMessage } from "node:http";
import { isSameHost } from "@zocalo/websocket";

/**
 * Whether a page may open a WebSocket here: one of this host, a program that is no browser, or a page of `allowedOrigins` (`*`: all).
 *
 * What came over loopback must also call this host by a name of loopback. Otherwise any web page could let its own name lead to 127.0.0.1 after it was
 * loaded (DNS rebinding): to the browser it is then of this host, and it would reach a server that is meant for this machine alone. Behind
 * a proxy on the same machine the public origin therefore has to be in `allowedOrigins`.
 */
export function isAllowedPage(request: IncomingMessage, allowedOrigins: readonly string[]): boolean {
  if (allowedOrigins.includes("*")) return true;
  // Node joins repeated Origin headers with a comma, and then they equal no origin.
  const origin = request.headers.origin?.toLowerCase();
  if (isSameHost(request) && (origin === undefined || isCalledByItsName(request))) return true;
  return allowedOrigins.some((allowed) => allowed.toLowerCase() === origin);
}

function isCalledByItsName({ socket, headers }: IncomingMessage): boolean {
  return !isLoopback(socket.localAddress ?? "") || isLoopback(hostName(headers.host ?? ""));
}

/** The name in a `Host` header, without its port and in small letters. */
function hostName(host: string): string {
  return URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname : "";
}

/** RFC 6761 §6.3: `localhost` and all below it never lead elsewhere. */
function isLoopback(host: string): boolean {
  const isName = host === "localhost" || host.endsWith(".localhost");
  return isName || /^(?:::ffff:)?127\.\d+\.\d+\.\d+$/.test(host) || host === "::1" || host === "[::1]";
}
