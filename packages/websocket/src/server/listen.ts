import { createServer, type IncomingMessage, maxHeaderSize, type Server } from "node:http";
import type { Duplex } from "node:stream";
import {
  type Addr,
  type Conn,
  type Deadline,
  type IpAddr,
  ipAddr,
  type Listener,
  parseAddr,
  type RefusalReason,
  type TlsServerOptions,
  unixAddr,
  type WaitOptions,
} from "@zocalo/net";
import {
  AcceptQueue,
  checkAcceptLimits,
  checkKind,
  checkTlsServerOptions,
  MAX_DELAY_MS,
  netErrorFrom,
  peerEnd,
  shown,
  type SocketEnd,
  tell,
  TlsHandshakes,
} from "@zocalo/net/transport";
import { WebSocketConn } from "../session/conn.ts";
import { CLOSE } from "../core/close-frame.ts";
import { WebSocketError } from "../core/error.ts";
import { checkIntervalMs, FirstBytes, secureBy, type Take } from "./first-bytes.ts";
import { HostNames } from "../handshake/host-names.ts";
import type { Refusal } from "../handshake/server.ts";
import { readRequestHead } from "../handshake/request-head.ts";
import { connStream } from "./conn-stream.ts";
import { plainRequests } from "./plain-requests.ts";
import { addRoute, isAt, removeRoute, type Route } from "./routes.ts";
import { incomingMessage } from "./incoming-message.ts";
import { handshakeTimeout } from "../session/options.ts";
import { traceListening, traceStopped } from "../session/trace.ts";
import { refuse } from "./refuse.ts";
import {
  addressFullRefusal,
  fullRefusal,
  type Refused,
  refusedError,
  type RefusedOne,
  type WebSocketRefusal,
} from "./refusal.ts";
import { hostOfEnd, Upgrader, type UpgraderOptions, upgraderOptionNames } from "./upgrader.ts";

const NOTHING = Buffer.alloc(0);

/** How `attach` accepts. Names that are not listed here are refused (`invalid_argument`). */
export interface AttachOptions extends UpgraderOptions {
  /** The path that is upgraded, as it stands in the request, without its query (and without scheme and host, if the target is in absolute form). Default: every path. Others are answered with 404, unless the server has other `upgrade` listeners. */
  readonly path?: string | undefined;
  /**
   * Connections that may wait for `accept`; more are answered with 503. One address may have half of the places,
   * rounded up, unless it is in `exemptAddresses`; more are answered with 429. Default 512.
   */
  readonly maxPending?: number | undefined;
  /** Connections that may be open at once; more are answered with 503. Default `Infinity`. */
  readonly maxConnections?: number | undefined;
  /**
   * Told of each connection that is refused before `accept`, for logs and counters, as `onRefuse` of `@zocalo/net` is; the peer was answered
   * already. With `attach` that are upgrades alone, with `listen` also TLS handshakes that failed, and connections past a limit of their
   * address. What it throws is a warning of the process. Default: nobody is told.
   */
  readonly onRefuse?: ((refusal: WebSocketRefusal) => void) | undefined;
}

/**
 * How `listen` accepts. Names that are not listed here are refused (`invalid_argument`).
 *
 * A connection that has not asked for a WebSocket `handshakeTimeoutMs` after it was accepted (behind TLS, after the handshake, which may take as long) is cut, whatever it
 * says meanwhile.
 */
export interface ListenOptions extends AttachOptions {
  /** Most connections of one address that have not yet asked for a WebSocket; one more is closed without an answer. Default 64; `Infinity`: no limit. */
  readonly maxHalfOpenPerAddress?: number | undefined;
  /** Most TLS handshakes of one address at a time; one more is closed without an answer. Default 64; `Infinity`: no limit. */
  readonly maxHandshakesPerAddress?: number | undefined;
  /**
   * Serve `wss:` with this certificate and key, as `listen("tls", …)` of `@zocalo/net` does: files are read again when they change, what they hold is
   * parsed, names that are not known are refused. A handshake may take as long as `handshakeTimeoutMs` unless it has one of its own. Default: plain `ws:`.
   */
  readonly tls?: TlsServerOptions | undefined;
}

const attachOptionNames: Readonly<Record<keyof AttachOptions, 1>> = {
  ...upgraderOptionNames,
  path: 1,
  maxPending: 1,
  maxConnections: 1,
  onRefuse: 1,
};
const listenOptionNames: Readonly<Record<keyof ListenOptions, 1>> = {
  ...attachOptionNames,
  maxHalfOpenPerAddress: 1,
  maxHandshakesPerAddress: 1,
  tls: 1,
};

/**
 * Listens for WebSocket connections on a server of its own. Requests that are no upgrade get 426, other paths 404, a repeated or malformed `Host` 400.
 *
 * @param address as in Go: `":8080"`, `"127.0.0.1:0"`. A host name in it is a name of this server, as if it
 * stood in `allowedHosts`. Or a listener of `@zocalo/net`, on any network: a Unix
 *   socket, TLS, TCP behind a proxy that speaks the PROXY protocol. It is this one's from then on, and is closed with it; its limits hold before those of this one. Each upgrade takes
 *   some more time that way: the connections are streams to `node:http`.
 * @throws NetError through the promise, as `listen` of `@zocalo/net`: `invalid_address`, `address_in_use`, `address_not_available`, `permission`, …
 * @example
 * const listener = await listen(":8080", { path: "/ws" });
 * for await (const conn of listener) conn.serve({ message: (message) => conn.send(message) });
 */
export function listen(address: string, options?: ListenOptions): Promise<Listener<WebSocketConn, IpAddr>>;
export function listen<A extends Addr>(
  listener: Listener<Conn, A>,
  options?: ListenOptions,
): Promise<Listener<WebSocketConn, A>>;
export async function listen(
  address: string | Listener<Conn>,
  given: ListenOptions = {},
): Promise<Listener<WebSocketConn>> {
  if (typeof address === "object" && address !== null) return listenOver(address, given);
  const { host, port } = parseAddr("tcp", address, "listen");
  const options = { ...given, allowedHosts: HostNames.ofListener(host, given.allowedHosts) };
  checkAttachOptions(options); // Before the port is taken: nobody could give it back.
  const handshakeTimeoutMs = handshakeTimeout(options.handshakeTimeoutMs);
  const site = { op: "listen", network: "websocket", localAddr: ipAddr("tcp", host, port) } as const;
  if (options.tls !== undefined) checkTlsServerOptions(options.tls);
  const tls = options.tls && {
    ...options.tls,
    handshakeTimeoutMs: options.tls.handshakeTimeoutMs ?? handshakeTimeoutMs,
  };
  const handshakes = tls && (await TlsHandshakes.of(tls, site));
  const server = httpServer(options.path, handshakeTimeoutMs);
  const upgrader = new Upgrader(options, listenOptionNames); // Before the port is taken: it may throw.
  await new Promise<void>((resolve, reject) => {
    const failed = (error: Error): void => reject(netErrorFrom(error, site));
    server.once("error", failed);
    server.listen({ port, ...(host === "" ? undefined : { host }) }, () => {
      server.off("error", failed);
      resolve();
    });
  });
  const stop = (): void => {
    server.close();
    server.closeAllConnections();
    firstBytes.stop();
  };
  const asked = (socket: Duplex): void => firstBytes.asked(socket);
  const listener: WebSocketListener = new WebSocketListener(
    server,
    listeningAddr(server),
    upgrader,
    options,
    { stop, asked, holdProcess: (holds) => void (holds ? server.ref() : server.unref()) },
  );
  const take: Take = (bytes, socket, remote) => listener.take(server, bytes, socket, remote);
  const refused: Refused = (reason, remote, error) => listener.refused({ reason, remote, error });
  const secure = handshakes && secureBy(handshakes, listener.addr, refused);
  const firstBytes = new FirstBytes(server, handshakeTimeoutMs, upgrader.limits, { take, secure, refused });
  return listener;
}

/**
 * A server that answers all but upgrades, and cuts off whoever sends its request slowly, or never ends it.
 */
function httpServer(path: string | undefined, timeoutMs: number): Server {
  // `node:http` takes whole numbers, and 0 for no limit.
  const wholeMs = timeoutMs === Number.POSITIVE_INFINITY ? 0 : Math.min(Math.ceil(timeoutMs), MAX_DELAY_MS);
  const options = {
    headersTimeout: wholeMs,
    requestTimeout: wholeMs,
    connectionsCheckingInterval: checkIntervalMs(timeoutMs),
    keepAliveTimeout: wholeMs,
  };
  return createServer(options, plainRequests(path));
}

/** Names of options that are for a listener to have, not for one that stands on it. */
const OF_THE_LISTENER = ["tls", "maxHandshakesPerAddress"] as const;

/** `listen` on what listens already. */
function listenOver(below: Listener<Conn>, given: ListenOptions): Listener<WebSocketConn> {
  const { addr } = below;
  if (typeof below.accept !== "function" || typeof addr !== "object") {
    const message = `${shown(below)} is neither an address nor a listener of @zocalo/net`;
    throw new WebSocketError("invalid_argument", message);
  }
  for (const name of OF_THE_LISTENER) {
    if (given[name] === undefined) continue;
    const message = `${name} is for the listener below, such as listen("tls", …) of @zocalo/net, and not for one that stands on it`;
    throw new WebSocketError("invalid_argument", message);
  }
  const host = "host" in addr ? addr.host : "";
  const options = { ...given, allowedHosts: HostNames.ofListener(host, given.allowedHosts) };
  checkAttachOptions(options);
  const handshakeTimeoutMs = handshakeTimeout(options.handshakeTimeoutMs);
  const server = httpServer(options.path, handshakeTimeoutMs);
  const upgrader = new Upgrader(options, listenOptionNames);
  const stop = (): Promise<void> => {
    const closed = below.close(); // With what still waited for `accept` there.
    firstBytes.stop();
    return closed;
  };
  const asked = (socket: Duplex): void => firstBytes.asked(socket);
  const holdProcess = (holds: boolean): void => (holds ? below.ref() : below.unref());
  const door = { stop, asked, holdProcess };
  const listener = new WebSocketListener(server, addr, upgrader, options, door);
  const take: Take = (bytes, socket, remote) => listener.take(server, bytes, socket, remote);
  const refused: Refused = (reason, remote, error) => listener.refused({ reason, remote, error });
  const secure = undefined;
  const firstBytes = new FirstBytes(server, handshakeTimeoutMs, upgrader.limits, { take, secure, refused });
  void listener.acceptFrom(below, (conn) => firstBytes.arrived(connStream(conn)));
  return listener;
}

/**
 * Accepts WebSocket connections from an `http` or `https` server that serves other things, too, and is listening already, on a TCP port or a Unix socket. Closing the listener leaves the server alone.
 *
 * What has not asked for an upgrade yet is that server's business: how long a head may take (`headersTimeout`, which Node looks at only every
 * `connectionsCheckingInterval`, 30 s unless it is set), and how many connections may be silent.
 *
 * @example
 * const listener = attach(server, { path: "/ws" });
 * for await (const conn of listener) serve(conn).catch(report);
 */
export function attach(server: Server, options: AttachOptions = {}): Listener<WebSocketConn> {
  checkAttachOptions(options);
  const upgrader = new Upgrader(options, attachOptionNames);
  return new WebSocketListener(server, listeningAddr(server), upgrader, options, {
    stop: ignore,
    asked: ignore,
    holdProcess: ignore, // The server is the application's.
  });
}

/** What stands before a listener. */
interface Door {
  stop(): void | Promise<void>;
  /** This socket has asked for an upgrade. */
  asked(socket: Duplex): void;
  holdProcess(holds: boolean): void;
}

/** Those that an upgrader does not have. @throws WebSocketError or NetError `invalid_argument`. */
function checkAttachOptions(options: AttachOptions): void {
  const { path, onRefuse } = options;
  checkAcceptLimits(options);
  checkKind("listen", "onRefuse", onRefuse, "function");
  checkKind("listen", "path", path, "string");
  if (path === undefined || path.startsWith("/")) return;
  throw new WebSocketError("invalid_argument", `path ${JSON.stringify(path)} does not begin with "/"`);
}

class WebSocketListener implements Listener<WebSocketConn> {
  readonly addr: Addr;
  readonly #upgrader: Upgrader;
  readonly #options: AttachOptions;
  readonly #queue: AcceptQueue<WebSocketConn>;

  constructor(server: Server, addr: Addr, upgrader: Upgrader, options: AttachOptions, door: Door) {
    this.addr = addr;
    this.#upgrader = upgrader;
    upgrader.onEnded = (conn) => this.#queue.ended(conn);
    upgrader.refusalNow = (remote) => this.#refusalFor(hostOfEnd(remote));
    upgrader.onOpenedLate = (conn, remote) => this.#offer(conn, hostOfEnd(remote));
    this.#options = options;
    const route: Route = {
      path: options.path,
      accept: (request, socket, head) => {
        door.asked(socket);
        this.#accept(request, socket, head);
      },
    };
    this.#queue = new AcceptQueue<WebSocketConn>({
      addr: this.addr,
      network: "websocket",
      maxPending: options.maxPending,
      maxConnections: options.maxConnections,
      exemptAddresses: options.exemptAddresses,
      holdProcess: (holds) => door.holdProcess(holds),
      stop: () => {
        removeRoute(server, route);
        traceStopped(this);
        return door.stop();
      },
    });
    addRoute(server, route);
    traceListening(this);
  }

  /** Takes what `below` accepts until that ends. */
  async acceptFrom(below: Listener<Conn>, arrived: (conn: Conn) => void): Promise<void> {
    try {
      for await (const conn of below) arrived(conn);
      await this.#queue.close();
    } catch (error) {
      this.#queue.fail(netErrorFrom(error, { op: "accept", network: "websocket", localAddr: this.addr }));
    }
  }

  accept(options?: WaitOptions): Promise<WebSocketConn> {
    return this.#queue.accept(options);
  }

  [Symbol.asyncIterator](): AsyncIterator<WebSocketConn> {
    return this.#queue[Symbol.asyncIterator]();
  }

  close(): Promise<void> {
    return this.#queue.close();
  }

  /** Also closes each connection with 1001, "going away". */
  drain(deadline: Deadline, options?: WaitOptions): Promise<void> {
    const drained = this.#queue.drain(deadline, options);
    this.#queue.forEachOpen((conn) => void conn.close(CLOSE.goingAway, "going away").catch(ignore));
    return drained;
  }

  abort(): Promise<void> {
    return this.#queue.abort();
  }

  unref(): void {
    this.#queue.unref();
  }

  ref(): void {
    this.#queue.ref();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** `FirstBytes`: upgrades what is read without doubt, or refuses it, just as if it had come by `upgrade`. False: nothing was done. */
  take(server: Server, bytes: Buffer, socket: Duplex, remote: SocketEnd | undefined): boolean {
    const request = readRequestHead(bytes, maxHeaderSize);
    if (request === undefined || !isAt(this.#options.path, request.url)) return false;
    const rest = bytes.subarray(request.byteLength);
    const head = rest.length === 0 ? NOTHING : Buffer.from(rest); // They are lent.
    const exchange = { request, socket, head, remote };
    const host = hostOfEnd(remote);
    const conn = this.#queue.isFullFor(host) ? undefined : this.#upgrader.upgradeUnasked(exchange);
    if (conn !== undefined) {
      this.#offer(conn, host);
      return true;
    }
    const message = incomingMessage(request, socket, server);
    if (message === undefined) return false;
    socket.pause(); // While the application thinks.
    this.#accept(message, socket, head, remote);
    return true;
  }

  #accept(request: IncomingMessage, socket: Duplex, head: Buffer, remote = peerEnd(socket)): void {
    const host = hostOfEnd(remote);
    const refusal = this.#refusalFor(host);
    if (refusal !== undefined) {
      refuse(socket, refusal);
      const reason = refusal === fullRefusal ? this.#fullBy : "max_pending_per_address";
      this.refused({ reason, remote, error: refusedError(refusal), request });
      return;
    }
    try {
      const conn = this.#upgrader.upgradeWith({ request, socket, head, remote });
      if (conn instanceof WebSocketConn) this.#offer(conn, host);
      else conn.catch((error: unknown) => this.#failed(error, request, remote)); // By `onOpenedLate` it is offered.
    } catch (error) {
      this.#failed(error, request, remote);
    }
  }

  #refusalFor(host: string): Refusal | undefined {
    if (this.#queue.isFull) return fullRefusal;
    return this.#queue.isFullFor(host) ? addressFullRefusal : undefined;
  }

  get #fullBy(): RefusalReason {
    const { maxConnections = Number.POSITIVE_INFINITY } = this.#options;
    return this.#queue.openCount >= maxConnections ? "max_connections" : "max_pending";
  }

  /** The upgrader has answered. */
  #failed(error: unknown, request: IncomingMessage, remote: SocketEnd | undefined): void {
    const failure = error as WebSocketError;
    const reason = failure.code === "closed" ? "gone" : "upgrade";
    this.refused({ reason, remote, error: failure, request });
  }

  /** Tells the application. */
  refused({ reason, remote, error, request }: RefusedOne): void {
    const remoteAddr = remote && ipAddr("tcp", remote.host, remote.port);
    tell(this.#options.onRefuse, { reason, remoteAddr, error, request });
  }

  #offer(conn: WebSocketConn, host: string): void {
    if (this.#queue.offer(conn, host)) return;
    conn.close(CLOSE.goingAway, "going away").catch(ignore);
  }
}

function listeningAddr(server: Server): Addr {
  const address = server.address();
  if (address === null) throw new WebSocketError("invalid_argument", "the server must be listening");
  if (typeof address === "string") return unixAddr(address);
  return ipAddr("tcp", address.address, address.port);
}

function ignore(): void {}
