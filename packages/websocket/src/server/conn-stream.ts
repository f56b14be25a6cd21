import type { Duplex } from "node:stream";
import { type Addr, type Conn, toNodeStream } from "@zocalo/net";

/**
 * A connection as the stream that `node:http` works with, and with the properties of a socket that
 * applications look for in `request.socket`: the four of its addresses, and `encrypted`. A pipe and a Unix
 * socket have no addresses, as with Node.
 */
export function connStream(conn: Conn): Duplex {
  const local = hostAndPort(conn.localAddr);
  const remote = hostAndPort(conn.remoteAddr);
  return Object.assign(toNodeStream(conn), {
    localAddress: local?.host,
    localPort: local?.port,
    remoteAddress: remote?.host,
    remotePort: remote?.port,
    ...(conn.tls === undefined ? undefined : { encrypted: true }),
  });
}

function hostAndPort(addr: Addr): { readonly host: string; readonly port: number } | undefined {
  return "host" in addr ? addr : undefined;
}
