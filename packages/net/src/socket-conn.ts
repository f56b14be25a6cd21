import type { Socket } from "node:net";
import { readIntoBuffer } from "./node-internals.ts";
import { type RawConnection, SecuredTransport, SocketTransport } from "./socket-transport.ts";
import { StreamConn, type StreamConnOptions } from "./stream-conn.ts";

/** Makes a connection of a socket of Node that has not been read, with the shared read buffer if it can. */
export function connOf(raw: RawConnection, options: StreamConnOptions): StreamConn {
  const transport = new SocketTransport();
  transport.use(raw, readIntoBuffer(raw.socket));
  return new StreamConn(transport, options);
}

/** The same for a TLS socket, which only has `data` events; `below` is the TCP socket that carries it. */
export function securedConnOf(raw: RawConnection, options: StreamConnOptions, below: Socket): StreamConn {
  const transport = new SecuredTransport(below);
  transport.use(raw, false);
  return new StreamConn(transport, options);
}
