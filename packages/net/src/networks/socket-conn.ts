import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { ipAddr, unixAddr } from "../contracts/addr.ts";
import type { Conn } from "../contracts/conn.ts";
import { readIntoBuffer } from "../node/read-buffer.ts";
import { tcpBelowTls } from "../node/reset.ts";
import { watchEnd } from "../node/tls-end.ts";
import { startTrials } from "../node/trials.ts";
import { remoteEnd, type SocketEnd } from "../node/socket-ends.ts";
import { plainHost } from "../options/socket-options.ts";
import { DuplexTransport, transportFor } from "../stream/duplex-transport.ts";
import { SecuredTransport } from "../stream/secured-transport.ts";
import { type RawConnection, SocketTransport } from "../stream/socket-transport.ts";
import { StreamConn, type StreamConnOptions } from "../stream/stream-conn.ts";
import { connBehind } from "../stream/web-streams.ts";
import type { Written } from "../stream/write-completion.ts";
import type { Transport } from "../contracts/transport.ts";

/** Makes a connection of a socket of Node that has not been read, with the shared read buffer if it can. */
export function connOf(raw: RawConnection, options: StreamConnOptions): StreamConn {
  const transport = new SocketTransport();
  transport.use(raw, readIntoBuffer(raw.socket));
  return new StreamConn(transport, options);
}

/**
 * The same for a TLS socket, which only has `data` events.
 *
 * @param below the socket that carries it: TCP, or TLS in a tunnel.
 * @param acceptsTruncation takes an end without `close_notify` for one.
 */
export function securedConnOf(
  raw: RawConnection,
  options: StreamConnOptions,
  below: Socket,
  acceptsTruncation: boolean,
): StreamConn {
  if (!acceptsTruncation) watchEnd(raw.socket, below);
  const transport = new SecuredTransport(tcpBelowTls(below) ?? below);
  transport.use(raw, false);
  return new StreamConn(transport, options);
}

/**
 * For those who write a connection of their own: takes over a connected stream, mostly a socket of Node's,
 * with TLS or without, that was used by something else before. What it reads is lent where that can be done.
 * Nobody else may read, write or listen to it from then on. It stays half-open (`allowHalfOpen`).
 *
 * @param remote where its peer is, if that was asked for already: it costs a system call.
 */
export function transportOf(stream: Duplex, remote: SocketEnd | undefined = peerEnd(stream)): Transport {
  startTrials(); // For a socket of somebody else's server.
  // Or Node would end this side by itself at the peer's end, before what waits was written.
  stream.allowHalfOpen = true;
  const below = tcpBelowTls(stream);
  const conn = stream instanceof Socket ? undefined : connBehind(stream);
  const transport =
    conn !== undefined
      ? new ConnTransport(conn)
      : below !== undefined
        ? new SecuredTransport(below)
        : transportFor(stream);
  const remoteAddr =
    conn?.remoteAddr ?? (remote === undefined ? unnamed : ipAddr("tcp", plainHost(remote.host), remote.port));
  transport.use({ socket: stream, localAddr: conn?.localAddr, remoteAddr }, readIntoBuffer(stream, true));
  return transport;
}

/** That of a stream which stands for a connection. */
class ConnTransport extends DuplexTransport {
  readonly #conn: Conn;

  constructor(conn: Conn) {
    super();
    this.#conn = conn;
  }

  /** By the connection: a stream of Node's whose write fails drops what has arrived, which is still to be read. */
  protected override writeTo(stream: Duplex, parts: readonly Uint8Array[], written: Written): void {
    // What `node:http` has said before goes first.
    if (stream.writableLength > 0) super.writeTo(stream, parts, written);
    else this.#conn.writev(parts).then(() => written(), written);
  }

  override unref(): void {
    this.#conn.unref();
  }

  override ref(): void {
    this.#conn.ref();
  }

  /** To destroy the stream is to close the connection, which waits for a peer that takes nothing. */
  override destroy(): void {
    if (this.bufferedBytes > 0) this.#conn.abort();
    super.destroy();
  }
}

/** Where the peer of a stream is; `undefined` for one that has no IP address, or none any more. */
export function peerEnd(stream: Duplex): SocketEnd | undefined {
  if (stream instanceof Socket) return remoteEnd(stream);
  const remoteAddr = connBehind(stream)?.remoteAddr;
  return remoteAddr !== undefined && "host" in remoteAddr ? remoteAddr : undefined;
}

/** Unix sockets are not asked for their path, and other streams have no address. */
const unnamed = unixAddr("");
