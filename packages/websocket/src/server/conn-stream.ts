import type { Duplex } from "node:stream";
import { type Addr, type Conn, toNodeStream } from "@zocalo/net";
import { nodeStreamOf } from "@zocalo/net/transport";

/**
 * A connection as the stream that `node:http` works with, and with the properties of a socket that
 * applications look for in `request.socket`: the four of its addresses, and `encrypted`. A pipe and a Unix
 * socket have no addresses, as with Node.
 */
export function connStream(conn: Conn, stream: Duplex = toNodeStream(conn)): Duplex {
  const local = hostAndPort(conn.localAddr);
  const remote = hostAndPort(conn.remoteAddr);
  return Object.assign(stream, {
    localAddress: local?.host,
    localPort: local?.port,
    remoteAddress: remote?.host,
    remotePort: remote?.port,
    ...(conn.tls === undefined ? undefined : { encrypted: true }),
  });
}

/**
 * The same for `node:http` itself, which answers 400 and then destroys the stream with an error. A socket of
 * Node's ends in order all the same, and so does this one: a reset could take the answer away.
 */
export function httpStream(conn: Conn): Duplex {
  return connStream(
    conn,
    nodeStreamOf(conn, (error, done) => void endInOrder(conn, error, done)),
  );
}

type Done = (error: Error | null) => void;

async function endInOrder(conn: Conn, error: Error | null, done: Done): Promise<void> {
  try {
    await conn.close();
  } catch {
    // The peer is gone. `node:http` is told why it destroyed the stream.
  }
  done(error);
}

function hostAndPort(addr: Addr): { readonly host: string; readonly port: number } | undefined {
  return "host" in addr ? addr : undefined;
}
