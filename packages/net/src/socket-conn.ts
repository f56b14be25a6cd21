import type { Socket } from "node:net";
import { readIntoBuffer, watchEnd } from "./node-internals.ts";
import { type RawConnection, SecuredTransport, SocketTransport } from "./socket-transport.ts";
import { StreamConn, type StreamConnOptions } from "./stream-conn.ts";

/** Makes a connection of a socket of Node that has not been read, with the shared read buffer if it can. */
export function connOf(raw: RawConnection, options: StreamConnOptions): StreamConn {
  const transport = new SocketTransport();
  transport.use(raw, readIntoBuffer(raw.socket));
  return new StreamConn(transport, options);
}

/**
 * The same for a TLS socket, which only has `data` events.
 *
 * @param below the TCP socket that carries it.
 * @param acceptsTruncation takes an end without `close_notify` for one.
 */
export function securedConnOf(
  raw: RawConnection,
  options: StreamConnOptions,
  below: Socket,
  acceptsTruncation: boolean,
): StreamConn {
  if (!acceptsTruncation) watchEnd(raw.socket, below);
  const transport = new SecuredTransport(below);
  transport.use(raw, false);
  return new StreamConn(transport, options);
}
