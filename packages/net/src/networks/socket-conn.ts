import { Socket } from "node:net";
import { Duplex } from "node:stream";
import { type Addr, ipAddr, unixAddr } from "../contracts/addr.ts";
import type { Conn } from "../contracts/conn.ts";
import { argumentError, type FailureSite } from "../contracts/failures.ts";
import { connClose, traceClosed, traceReplaced } from "../flow/trace.ts";
import { readIntoBuffer } from "../node/read-buffer.ts";
import { tcpBelowTls } from "../node/reset.ts";
import { watchEnd } from "../node/tls-end.ts";
import { startTrials } from "../node/trials.ts";
import { remoteEnd, type SocketEnd } from "../node/socket-ends.ts";
import { peerOf, plainHost } from "../options/socket-options.ts";
import { DuplexTransport, transportFor } from "../stream/duplex-transport.ts";
import { SecuredTransport } from "../stream/secured-transport.ts";
import type { RawConnection } from "../node/socket-ends.ts";
import { SocketTransport } from "../stream/socket-transport.ts";
import { StreamConn, type StreamConnOptions } from "../stream/stream-conn.ts";
import { connBehind, report } from "../stream/web-streams.ts";
import type { Written } from "../stream/write-completion.ts";
import type { Transport, TransportSink } from "../contracts/transport.ts";

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
 * @param below the connection that carries a stream of TLS, which has no addresses of its own then.
 */
export function transportOf(stream: Duplex, below?: Conn): Transport {
  startTrials(); // For a socket of somebody else's server.
  // Or Node would end this side by itself at the peer's end, before what waits was written.
  stream.allowHalfOpen = true;
  const tcp = tcpBelowTls(stream);
  const conn = stream instanceof Socket ? undefined : connBehind(stream);
  const transport =
    conn !== undefined
      ? new ConnTransport(conn)
      : tcp !== undefined
        ? new SecuredTransport(tcp)
        : below !== undefined
          ? new AboveTransport(below)
          : transportFor(stream);
  const { localAddr, remoteAddr } = conn ?? below ?? { localAddr: undefined, remoteAddr: peerAddr(stream) };
  transport.use({ socket: stream, localAddr, remoteAddr }, readIntoBuffer(stream, true));
  return transport;
}

function peerAddr(stream: Duplex): Addr {
  const end = peerEnd(stream);
  return end === undefined ? unnamed : ipAddr("tcp", plainHost(end.host), end.port);
}

/** That of a stream which stands for a connection. */
class ConnTransport extends DuplexTransport {
  readonly #conn: Conn;

  constructor(conn: Conn) {
    super();
    this.#conn = conn;
  }

  /**
   * By the connection: a stream of Node's whose write fails drops what has arrived, which is still to be
   * read.
   */
  protected override writeTo(stream: Duplex, parts: readonly Uint8Array[], written: Written): void {
    // What `node:http` has said before goes first.
    if (stream.writableLength > 0) super.writeTo(stream, parts, written);
    else void report(() => this.#conn.writev(parts), written);
  }

  override unref(): void {
    this.#conn.unref();
  }

  override ref(): void {
    this.#conn.ref();
  }

  /**
   * To destroy the stream is to close the connection, which waits for a peer that takes nothing. If it waits
   * already, for whatever, it has had its time.
   */
  override destroy(): void {
    if (this.#isClosing) return this.#giveUp();
    if (this.bufferedBytes > 0) this.#conn.abort();
    super.destroy();
  }

  override reset(): void {
    if (this.#isClosing) return this.#giveUp();
    this.#conn.abort(); // A stream of `node:http` would close it.
    super.reset();
  }

  get #isClosing(): boolean {
    return this.socket?.destroyed === true;
  }

  /** The `close` of somebody else's connection may wait for ever, whatever is done to that. */
  #giveUp(): void {
    this.#conn.abort();
    super.destroy();
    queueMicrotask(() => this.closed());
  }
}

/** That of a TLS socket above such a stream. */
class AboveTransport extends SocketTransport {
  readonly #below: Conn;

  constructor(below: Conn) {
    super();
    this.#below = below;
  }

  override unref(): void {
    this.#below.unref();
  }

  override ref(): void {
    this.#below.ref();
  }

  /** As above: the end of TLS would wait behind what the peer does not take. */
  override destroy(): void {
    if (this.bufferedBytes > 0) this.#below.abort();
    super.destroy();
  }

  /** TLS has no reset of its own. */
  override reset(): void {
    this.#below.abort();
    super.reset();
  }
}

/** Where the peer of a stream is; `undefined` for one that has no IP address, or none any more. */
export function peerEnd(stream: Duplex): SocketEnd | undefined {
  if (stream instanceof Socket) return remoteEnd(stream);
  const remoteAddr = connBehind(stream)?.remoteAddr;
  return remoteAddr !== undefined && "host" in remoteAddr ? remoteAddr : undefined;
}

/**
 * A connection that a listener has accepted and nobody has used, for those who make one of their own of it:
 * they attach a sink to its `transport`, and call `over` once that was told `onClose`. Until then it has its
 * place in its listener. It is a sink, too: by `transport.attach(conn)` it is used after all.
 */
export type UnusedConn = Conn &
  TransportSink & {
    readonly transport: Transport;
    /** It is over: its place in its listener is free. */
    over(): void;
  };

/**
 * `undefined` for one that was used, that has a first byte to wait for, or that is none of this package, as
 * what stands around one of its own is none.
 */
export function unused(conn: Conn): UnusedConn | undefined {
  return StreamConn.isUnused(conn) ? conn : undefined;
}

/**
 * Stops reading, so that somebody else can speak over a connection from now on. One that is none of this
 * package cannot be looked into.
 *
 * @throws NetError as `holdStill` of `StreamConn`; `invalid_argument`, too, where Node has read what nobody
 * has taken.
 */
export function holdStill(conn: Conn, op: FailureSite["op"]): void {
  if (!(conn instanceof StreamConn)) return;
  conn.holdStill(op);
  const { transport } = conn;
  const unreadBytes = transport instanceof SocketTransport ? transport.unreadBytes : 0;
  if (unreadBytes > 0) throw argumentError(op, `${unreadBytes} bytes that came before are unread`);
}

/** The socket of Node's below; `undefined` if there is none, or it has other addresses: those of a proxy. */
export function socketOf({ transport, remoteAddr }: UnusedConn): Socket | undefined {
  const socket = transport instanceof SocketTransport ? transport.socket : undefined;
  if (!(socket instanceof Socket)) return undefined;
  const { host, port } = peerOf(socket);
  const isOwn = "host" in remoteAddr ? host === remoteAddr.host && port === remoteAddr.port : host === "";
  return isOwn ? socket : undefined;
}

/**
 * Gives that socket away, unread. The connection is over when its socket is, and keeps its place in its
 * listener until then.
 */
export function releaseSocket(conn: UnusedConn): Socket | undefined {
  const socket = socketOf(conn);
  if (socket === undefined || !(conn instanceof StreamConn && conn.transport instanceof SocketTransport))
    return undefined;
  if (conn.transport.release() === undefined) return undefined;
  const destroy = (): void => void socket.destroy();
  const { owner } = conn.handOver({
    close: async () => destroy(),
    abort: destroy,
    get bytesRead() {
      return socket.bytesRead;
    },
    get bytesWritten() {
      return socket.bytesWritten;
    },
  });
  if (connClose.hasSubscribers) released.set(socket, conn);
  socket.once("close", () => {
    owner?.ended(conn);
    traceClosed(conn, socket.errored ?? undefined);
  });
  return socket;
}

/** Whose sockets were given away while somebody listened. */
const released = new WeakMap<Duplex, Conn>();

/**
 * For those who tell on a channel of their own when what a stream or a connection carries is over: net does
 * not, then.
 */
export function traceEndElsewhere(carrier: Duplex | Conn): void {
  const conn = carrier instanceof Duplex ? (connBehind(carrier) ?? released.get(carrier)) : carrier;
  if (conn !== undefined) traceReplaced(conn);
}

/** Unix sockets are not asked for their path, and other streams have no address. */
const unnamed = unixAddr("");
