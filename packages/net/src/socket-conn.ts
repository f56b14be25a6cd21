import type { Socket } from "node:net";
import { readIntoBuffer } from "./read-buffer.ts";
import { type RawConnection, SocketTransport } from "./socket-transport.ts";
import { StreamConn, type StreamConnOptions } from "./stream-conn.ts";

/** Makes a connection of a socket of Node that has not been read, with the shared read buffer if it can. */
export function connOf(raw: RawConnection, options: StreamConnOptions): StreamConn {
  const transport = new SocketTransport();
  transport.use(raw, readIntoBuffer(raw.socket));
  return new StreamConn(transport, options);
}

/** The same for a socket that only has `data` events; `resettable` is the TCP socket below it, if that is another. */
export function eventConnOf(raw: RawConnection, options: StreamConnOptions, resettable?: Socket): StreamConn {
  const transport = new SocketTransport();
  transport.use(raw, false, resettable);
  return new StreamConn(transport, options);
}
