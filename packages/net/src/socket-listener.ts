import { createServer, type Server, type Socket } from "node:net";
import { AcceptQueue, checkAcceptLimits, DEFAULT_MAX_PENDING } from "./accept-queue.ts";
import type { Addr } from "./addr.ts";
import type { Conn, Listener } from "./conn.ts";
import type { NetError } from "./error.ts";
import { argumentError, canceledError, type FailureSite } from "./failures.ts";
import type { ListenOptions, RefusalReason } from "./listen-options.ts";
import { netErrorFrom } from "./node-error.ts";
import { ProxyProtocol, type ProxyProtocolOptions } from "./proxy-protocol.ts";
import { nodeSocketOptions } from "./socket-options.ts";
import type { RawConnection } from "./socket-transport.ts";
import type { StreamConn, StreamConnOptions } from "./stream-conn.ts";

/** What makes one kind of listener different from another. */
export interface ListenerKind {
  readonly network: string;
  /** As the user wrote it, for errors before the system has answered. */
  readonly addr: Addr;
  /** Calls `server.listen`. */
  bind(server: Server): void;
  /** Lets others find the socket, which listens. On failure it is closed and `release`d. */
  publish?(): Promise<void> | undefined;
  /** Takes back what `bind` and `publish` have made, before the socket is closed. Must not throw. */
  release?(): void;
  /** Where the server listens now that it does. */
  boundAddr(server: Server): Addr;
  /** The addresses of a new connection; `undefined` if it is already gone. */
  describe(socket: Socket): RawConnection | undefined;
  /** Makes the connection, after a handshake if there is one. On `cancel` the socket is destroyed, and this rejects. */
  open(raw: RawConnection, options: StreamConnOptions): StreamConn | Promise<StreamConn>;
}

/** Sets a listener up; resolves when the system listens. */
export async function listenOn(
  kind: ListenerKind,
  options: (ListenOptions & { readonly proxyProtocol?: ProxyProtocolOptions | undefined }) | undefined,
): Promise<Listener<Conn>> {
  const site: FailureSite = { op: "listen", network: kind.network, localAddr: kind.addr };
  const { signal, maxPending, maxConnections } = options ?? {};
  checkAcceptLimits({ maxPending, maxConnections });
  const proxy = options?.proxyProtocol && new ProxyProtocol(options.proxyProtocol);
  const backlog = options?.backlog;
  if (backlog !== undefined && !(Number.isInteger(backlog) && backlog >= 1)) {
    throw argumentError("listen", `backlog ${backlog} is not a whole number of at least 1`);
  }
  const server = createServer({
    ...nodeSocketOptions(options, "listen"),
    allowHalfOpen: true,
    pauseOnConnect: true,
  });
  if (signal?.aborted) throw canceledError(site, signal);
  await bound(server, kind, site);
  const queue = new AcceptQueue<StreamConn>({
    addr: kind.boundAddr(server),
    network: kind.network,
    maxPending,
    maxConnections,
    stop: () => admission.stop(),
  });
  const admission = new Admission(kind, server, queue, options ?? {}, proxy);
  if (signal?.aborted) {
    await queue.close();
    throw canceledError(site, signal);
  }
  return queue;
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
    throw netErrorFrom(error, site);
  }
}

/** Decides on each connection that arrives: limits, then the handshake, then the queue. */
class Admission {
  readonly #kind: ListenerKind;
  readonly #proxy: ProxyProtocol | undefined;
  readonly #server: Server;
  readonly #queue: AcceptQueue<StreamConn>;
  readonly #options: ListenOptions;
  readonly #connOptions: StreamConnOptions;
  /** Sockets in a handshake; they count for both limits. */
  readonly #opening = new Set<Socket>();

  constructor(
    kind: ListenerKind,
    server: Server,
    queue: AcceptQueue<StreamConn>,
    options: ListenOptions,
    proxy: ProxyProtocol | undefined,
  ) {
    this.#kind = kind;
    this.#proxy = proxy;
    this.#server = server;
    this.#queue = queue;
    this.#options = options;
    this.#connOptions = { network: kind.network, owner: queue, closeTimeoutMs: options.closeTimeoutMs };
    server.on("connection", (socket) => this.#admit(socket));
    server.on("error", (error) => this.#acceptFailed(error));
  }

  stop(): void {
    this.#kind.release?.();
    this.#server.close();
    for (const socket of this.#opening) socket.destroy();
  }

  #admit(socket: Socket): void {
    const raw = this.#kind.describe(socket);
    if (!raw) return this.#refuse(socket, "gone", undefined, undefined);
    const { maxConnections = Number.POSITIVE_INFINITY, maxPending = DEFAULT_MAX_PENDING } = this.#options;
    if (this.#queue.openCount + this.#opening.size >= maxConnections) {
      return this.#refuse(socket, "max_connections", raw.remoteAddr, undefined);
    }
    if (this.#queue.isFull || this.#opening.size >= maxPending) {
      return this.#refuse(socket, "max_pending", raw.remoteAddr, undefined);
    }
    const opened = this.#open(raw);
    if (opened instanceof Promise) void this.#offerWhenOpen(raw, opened);
    else this.#offer(raw, opened);
  }

  #open(raw: RawConnection): StreamConn | Promise<StreamConn> {
    const { remoteAddr } = raw;
    const proxy = this.#proxy;
    const isProxied = proxy !== undefined && "host" in remoteAddr && proxy.trusts(remoteAddr.host);
    return isProxied ? this.#openProxied(proxy, raw) : this.#kind.open(raw, this.#connOptions);
  }

  async #openProxied(proxy: ProxyProtocol, raw: RawConnection): Promise<StreamConn> {
    return this.#kind.open(await proxy.take(raw), this.#connOptions);
  }

  async #offerWhenOpen(raw: RawConnection, opening: Promise<StreamConn>): Promise<void> {
    raw.socket.on("error", ignore);
    this.#opening.add(raw.socket);
    try {
      const conn = await opening;
      this.#opening.delete(raw.socket);
      raw.socket.off("error", ignore);
      this.#offer(raw, conn);
    } catch (error) {
      this.#opening.delete(raw.socket);
      const site: FailureSite = {
        op: "accept",
        network: this.#kind.network,
        localAddr: raw.localAddr,
        remoteAddr: raw.remoteAddr,
      };
      this.#refuse(raw.socket, "handshake", raw.remoteAddr, netErrorFrom(error, site));
    }
  }

  #offer(raw: RawConnection, conn: StreamConn): void {
    if (this.#queue.offer(conn)) return;
    conn.abort();
    this.#told("max_pending", raw.remoteAddr, undefined);
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
    this.#options.onRefuse?.({ reason, remoteAddr, error });
  }

  /**
   * The system could not accept. For want of descriptors libuv closes what it cannot take and says nothing; here it could not, having no descriptor for that
   * either, and goes on when there are some. Whatever else it is, the listening socket is still there, so listening goes on too.
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
