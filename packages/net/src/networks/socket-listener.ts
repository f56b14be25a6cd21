import { createServer, type Server, type Socket } from "node:net";
import {
  AcceptQueue,
  type AcceptQueueOptions,
  checkAcceptLimits,
  DEFAULT_MAX_PENDING,
} from "../flow/accept-queue.ts";
import type { Addr } from "../contracts/addr.ts";
import { AddressLimits, type Holder, hostOf } from "../flow/address-limits.ts";
import type { ListenerTotals, StreamListener } from "../contracts/conn.ts";
import type { NetError } from "../contracts/error.ts";
import { argumentError, canceledError, type FailureSite } from "../contracts/failures.ts";
import { FirstByteWatch } from "./first-byte-watch.ts";
import type {
  ListenOptions,
  Refusal,
  RefusalReason,
  ProxyProtocolOptions,
} from "../options/listen-options.ts";
import { startTrials } from "../node/trials.ts";
import { netErrorFrom } from "../contracts/node-error.ts";
import { ProxyProtocol } from "./proxy-protocol.ts";
import { nodeSocketOptions } from "../options/socket-options.ts";
import type { RawConnection } from "../node/socket-ends.ts";
import type { ConnOwner } from "../stream/closing.ts";
import type { StreamConn, StreamConnOptions } from "../stream/stream-conn.ts";
import { tell } from "../flow/told.ts";
import { traceAccepted, traceListening, traceRefused, traceStopped } from "../flow/trace.ts";
import { shown, checkTime } from "../options/check-values.ts";

/** What makes one kind of listener different from another. */
export interface ListenerKind {
  readonly network: string;
  /** As the user wrote it, for errors before the system has answered. */
  readonly addr: Addr;
  /** Calls `server.listen`. */
  bind(server: Server): void;
  /** Lets others find the socket, which listens. On failure it is closed and `release`d. */
  publish?(): Promise<void> | undefined;
  /** What is known of a failure of `bind`, where the system says less; else the error itself. */
  explain?(error: unknown): unknown;
  /** Takes back what `bind` and `publish` have made, before the socket is closed. Must not throw. */
  release?(): void;
  /** Where the server listens now that it does. */
  boundAddr(server: Server): Addr;
  /** The addresses of a new connection; `undefined` if it is already gone. */
  describe(socket: Socket): RawConnection | undefined;
  /**
   * Makes the connection, after a handshake if the network has one. If the socket is destroyed meanwhile,
   * that rejects.
   */
  readonly open:
    | { now(raw: RawConnection, options: StreamConnOptions): StreamConn }
    | { afterHandshake(raw: RawConnection, options: StreamConnOptions): Promise<StreamConn> };
}

/** Sets a listener up; resolves when the system listens. */
export async function listenOn(
  kind: ListenerKind,
  options: (ListenOptions & { readonly proxyProtocol?: ProxyProtocolOptions | undefined }) | undefined,
): Promise<StreamListener> {
  const site: FailureSite = { op: "listen", network: kind.network, localAddr: kind.addr };
  const { signal, maxPending, maxConnections, firstByteTimeoutMs } = options ?? {};
  checkAcceptLimits({ maxPending, maxConnections });
  if (firstByteTimeoutMs !== undefined) checkTime("listen", "firstByteTimeoutMs", firstByteTimeoutMs);
  const limits = new AddressLimits(options ?? {});
  const proxy = options?.proxyProtocol && new ProxyProtocol(options.proxyProtocol);
  const backlog = options?.backlog;
  if (backlog !== undefined && !(Number.isInteger(backlog) && backlog >= 1)) {
    throw argumentError("listen", `backlog ${shown(backlog)} is not a whole number of at least 1`);
  }
  const server = createServer({
    ...nodeSocketOptions(options, "listen"),
    allowHalfOpen: true,
    pauseOnConnect: true,
  });
  if (signal?.aborted) throw canceledError(site, signal);
  startTrials();
  await bound(server, kind, site);
  const queue = new SocketListener(server, kind.network, {
    addr: kind.boundAddr(server),
    maxPending,
    maxConnections,
    exemptAddresses: options?.exemptAddresses,
    stop: () => {
      admission.stop();
      queue.stopped();
    },
  });
  const admission = new Admission(kind, server, queue, options ?? {}, limits, proxy);
  traceListening(queue, kind.network);
  if (signal?.aborted) {
    await queue.close();
    throw canceledError(site, signal);
  }
  return queue;
}

/** The queue of a listener, with what only sockets have. */
class SocketListener extends AcceptQueue<StreamConn> implements StreamListener {
  readonly #network: string;
  #failure: NetError | undefined;
  #accepted = 0;
  #refused = 0;
  /** Of connections that are over. */
  #bytesRead = 0;
  #bytesWritten = 0;
  /** Those that `abort` or `close` has cut, until they are over. */
  readonly #cut = new Set<StreamConn>();

  constructor(server: Server, network: string, options: Omit<AcceptQueueOptions, "holdProcess">) {
    super({ ...options, network, holdProcess: (holds) => void (holds ? server.ref() : server.unref()) });
    this.#network = network;
  }

  override fail(failure: NetError): void {
    this.#failure ??= failure;
    super.fail(failure);
  }

  stopped(): void {
    traceStopped(this, this.#network, this.#failure);
  }

  protected override admitted(conn: StreamConn): void {
    this.#accepted++;
    traceAccepted(this, conn, this.#network);
  }

  /** Called for what is cut here, which `over` follows. */
  override ended(conn: StreamConn): void {
    super.ended(conn);
    this.#cut.add(conn);
  }

  /** Called once for each connection. */
  over(conn: StreamConn): void {
    super.ended(conn);
    this.#cut.delete(conn);
    this.#bytesRead += conn.bytesRead;
    this.#bytesWritten += conn.bytesWritten;
  }

  refused(refusal: Refusal): void {
    this.#refused++;
    traceRefused(this, this.#network, refusal);
  }

  totals(): ListenerTotals {
    let bytesRead = this.#bytesRead;
    let bytesWritten = this.#bytesWritten;
    const count = (conn: StreamConn): void => {
      bytesRead += conn.bytesRead;
      bytesWritten += conn.bytesWritten;
    };
    this.forEachHeld(count);
    this.#cut.forEach(count);
    return {
      accepted: this.#accepted,
      refused: this.#refused,
      open: this.openCount,
      bytesRead,
      bytesWritten,
    };
  }
}

async function bound(server: Server, kind: ListenerKind, site: FailureSite): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.once("listening", () => {
        server.off("error", reject);
        resolve();
      });
      kind.bind(server);
    });
    await kind.publish?.();
  } catch (error) {
    kind.release?.();
    if (server.listening) server.close(); // It does, but not as it was asked to.
    throw netErrorFrom(kind.explain?.(error) ?? error, site);
  }
}

/**
 * Decides on each connection that arrives: limits, then the PROXY header, which says whose it is, then the
 * limits of its address, then the handshake, then the queue.
 */
class Admission implements ConnOwner<StreamConn> {
  readonly #kind: ListenerKind;
  readonly #proxy: ProxyProtocol | undefined;
  readonly #server: Server;
  readonly #queue: SocketListener;
  readonly #options: ListenOptions;
  readonly #limits: AddressLimits;
  readonly #connOptions: StreamConnOptions;
  /** Sockets in a handshake, or before the end of a PROXY header; they count for both limits. */
  readonly #opening = new Set<Socket>();

  constructor(
    kind: ListenerKind,
    server: Server,
    queue: SocketListener,
    options: ListenOptions,
    limits: AddressLimits,
    proxy: ProxyProtocol | undefined,
  ) {
    this.#kind = kind;
    this.#proxy = proxy;
    this.#server = server;
    this.#queue = queue;
    this.#options = options;
    this.#limits = limits;
    const { closeTimeoutMs, firstByteTimeoutMs } = options;
    const isWatched = firstByteTimeoutMs !== undefined;
    this.#connOptions = { network: kind.network, owner: this, closeTimeoutMs, isWatched };
    server.on("connection", (socket) => this.#admit(socket));
    server.on("error", (error) => this.#acceptFailed(error));
  }

  stop(): void {
    this.#kind.release?.();
    this.#server.close();
    for (const socket of this.#opening) socket.destroy();
  }

  // What a connection tells.

  leaving(conn: StreamConn): void {
    this.#queue.leaving(conn);
  }

  ended(conn: StreamConn): void {
    this.#queue.over(conn);
    const { connections } = this.#limits;
    if (!connections.isUnlimited) connections.releaseAt(hostOf(conn.remoteAddr));
  }

  #admit(socket: Socket): void {
    const raw = this.#kind.describe(socket);
    if (!raw) return this.#refuse(socket, "gone", undefined, undefined);
    const { remoteAddr } = raw;
    const proxy = this.#proxy;
    const isProxied = proxy !== undefined && "host" in remoteAddr && proxy.trusts(remoteAddr.host);
    if (!isProxied) return this.#admitVisitor(raw);
    // A proxy is not a visitor: it is held to the limits of all together, and of time.
    const excess = this.#excess();
    if (excess) return this.#refuse(socket, excess, remoteAddr, undefined);
    void this.#admitProxied(proxy, raw);
  }

  async #admitProxied(proxy: ProxyProtocol, raw: RawConnection): Promise<void> {
    const described = await this.#whileOpening(raw, proxy.take(raw));
    if (described !== undefined) this.#admitVisitor(described);
  }

  /** A connection whose address is known to be the visitor's. */
  #admitVisitor(raw: RawConnection): void {
    const { socket, remoteAddr } = raw;
    const excess = this.#excess();
    if (excess) return this.#refuse(socket, excess, remoteAddr, undefined);
    const host = hostOf(remoteAddr);
    const { connections } = this.#limits;
    const holder = connections.take(host);
    if (holder === undefined)
      return this.#refuse(socket, "max_connections_per_address", remoteAddr, undefined);
    const { open } = this.#kind;
    if ("now" in open) return this.#offer(raw, open.now(raw, this.#connOptions));
    const handshake = this.#limits.handshakes.take(host);
    if (handshake === undefined) {
      connections.release(holder);
      return this.#refuse(socket, "max_handshakes_per_address", remoteAddr, undefined);
    }
    void this.#offerWhenSecure(raw, open.afterHandshake(raw, this.#connOptions), { holder, handshake });
  }

  async #offerWhenSecure(
    raw: RawConnection,
    shaking: Promise<StreamConn>,
    { holder, handshake }: { holder: Holder; handshake: Holder },
  ): Promise<void> {
    const conn = await this.#whileOpening(raw, shaking);
    this.#limits.handshakes.release(handshake);
    if (conn !== undefined) return this.#offer(raw, conn); // By `ended` a connection releases its place.
    this.#limits.connections.release(holder);
  }

  /** What `opening` resolves with; `undefined` if it failed, and then the connection has been refused. */
  async #whileOpening<T>(raw: RawConnection, opening: Promise<T>): Promise<T | undefined> {
    const { socket, localAddr, remoteAddr } = raw;
    socket.on("error", ignore);
    this.#opening.add(socket);
    try {
      return await opening;
    } catch (error) {
      const { network } = this.#kind;
      const failure = netErrorFrom(error, { op: "accept", network, localAddr, remoteAddr });
      this.#refuse(socket, "handshake", remoteAddr, failure);
      return undefined;
    } finally {
      this.#opening.delete(socket);
      socket.off("error", ignore);
    }
  }

  #offer(raw: RawConnection, conn: StreamConn): void {
    const reason = this.#tryOffer(raw, conn);
    if (reason === undefined) return;
    conn.abort();
    this.#told(reason, raw.remoteAddr, undefined);
  }

  /** Puts it into the queue; if it may not have a place there, the reason. */
  #tryOffer(raw: RawConnection, conn: StreamConn): RefusalReason | undefined {
    const host = hostOf(raw.remoteAddr);
    // First of all: a connection that is refused is not to be watched.
    if (this.#queue.isFull) return "max_pending";
    if (this.#queue.isFullFor(host)) return "max_pending_per_address";
    if (!this.#watchFirstByte(raw, conn)) return "max_half_open_per_address";
    return this.#queue.offer(conn, host) ? undefined : "max_pending";
  }

  /** False: its address has as many silent ones as it may. */
  #watchFirstByte({ remoteAddr }: RawConnection, conn: StreamConn): boolean {
    const { firstByteTimeoutMs = Number.POSITIVE_INFINITY } = this.#options;
    if (firstByteTimeoutMs === Number.POSITIVE_INFINITY) return true;
    const { halfOpen } = this.#limits;
    const holder = halfOpen.take(hostOf(remoteAddr));
    if (holder === undefined) return false;
    new FirstByteWatch(conn, firstByteTimeoutMs, () => halfOpen.release(holder)).start();
    return true;
  }

  /** The limit of all together that one more connection would be past. */
  #excess(): RefusalReason | undefined {
    const { maxConnections = Number.POSITIVE_INFINITY, maxPending = DEFAULT_MAX_PENDING } = this.#options;
    if (this.#queue.openCount + this.#opening.size >= maxConnections) return "max_connections";
    return this.#queue.isFull || this.#opening.size >= maxPending ? "max_pending" : undefined;
  }

  #refuse(
    socket: Socket,
    reason: RefusalReason,
    remoteAddr: Addr | undefined,
    error: NetError | undefined,
  ): void {
    socket.on("error", ignore).destroy();
    this.#told(reason, remoteAddr, error);
  }

  #told(reason: RefusalReason, remoteAddr: Addr | undefined, error: NetError | undefined): void {
    this.#queue.refused({ reason, remoteAddr, error });
    tell(this.#options.onRefuse, { reason, remoteAddr, error });
  }

  /**
   * The system could not accept. For want of descriptors libuv closes what it cannot take and says nothing;
   * here it could not, having no descriptor for that either, and goes on when there are some. Whatever else
   * it is, the listening socket is still there, so listening goes on too.
   */
  #acceptFailed(error: unknown): void {
    const failure = netErrorFrom(error, {
      op: "accept",
      network: this.#kind.network,
      localAddr: this.#queue.addr,
    });
    if (failure.code === "too_many_files") this.#told("too_many_files", undefined, failure);
    else if (!this.#server.listening) this.#queue.fail(failure);
    else this.#told("gone", undefined, failure);
  }
}

function ignore(): void {
  // Told by the promise of the handshake, or by the connection made of the socket.
}
