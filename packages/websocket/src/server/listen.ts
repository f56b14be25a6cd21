import { createServer, type Server } from "node:http";
import {
  type Addr,
  type Conn,
  type IpAddr,
  ipAddr,
  type Listener,
  listen as listenBelow,
  NetError,
  parseAddr,
  type Refusal,
  type StreamListener,
  unixAddr,
} from "@zocalo/net";
import {
  AcceptQueue,
  checkAcceptLimits,
  checkKind,
  checkTlsServerOptions,
  MAX_DELAY_MS,
  checkOneOf,
  shown,
} from "@zocalo/net/transport";
import { WebSocketNetError } from "../core/error.ts";
import { HostNames } from "../handshake/host-names.ts";
import type { WebSocketConn } from "../session/conn.ts";
import { handshakeTimeout } from "../session/options.ts";
import { Door } from "./door.ts";
import { Handshakes } from "./handshakes.ts";
import {
  type AttachOptions,
  attachOptionNames,
  type ListenOptions,
  listenOptionNames,
} from "./listen-options.ts";
import { UpgradeListener } from "./listener.ts";
import { plainRequests } from "./plain-requests.ts";

/** How long a refused peer of a listener on an address may take to take its answer, in milliseconds. */
const REFUSED_MS = 2_000;

/** Node adds a second of its own to how long an idle connection is kept, or even more. */
const MAX_KEEP_ALIVE_MS = MAX_DELAY_MS - 60_000;

/** Options that are for a listener to have, not for one that stands on it. */
const OF_THE_LISTENER = ["tls", "maxHandshakesPerAddress"] as const;

/**
 * Listens for WebSocket connections on a server of its own. Requests that are no upgrade get 426, other paths
 * 404, a repeated or malformed `Host` 400.
 *
 * @param address as in Go: `":8080"`, `"127.0.0.1:0"`. A host name in it is a name of this server, as if it
 *   stood in `allowedHosts`.
 * @throws NetError through the promise, as `listen` of `@zocalo/net`: `invalid_address`, `address_in_use`,
 *   `address_not_available`, `permission`, …
 * @example
 * const listener = await listen(":8080", { path: "/ws" });
 * for await (const conn of listener) conn.serve({ message: (message) => conn.send(message) });
 */
export function listen(address: string, options?: ListenOptions): Promise<Listener<WebSocketConn, IpAddr>>;
/**
 * Listens for WebSocket connections on a listener of `@zocalo/net`, on any network: a Unix socket, TLS, TCP
 * behind a proxy that speaks the PROXY protocol, memory.
 *
 * @param listener is this one's from then on, and is closed with it; another WebSocket listener cannot have
 *   it, too. It is refused while somebody waits for one of its connections, and then refuses who asks for
 *   one. Its limits hold before those of this one, and it has `totals`, `ref` and `unref`. Leave out its
 *   `firstByteTimeoutMs`: there is `handshakeTimeoutMs`, and with it each message goes through one stream
 *   more.
 * @param options without `tls` and `maxHandshakesPerAddress`, which are for the listener to have.
 * @throws NetError through the promise: `invalid_argument`.
 * @example
 * const below = await net.listen("unix", "/run/app/ws.sock", { mode: 0o660 });
 * const listener = await listen(below, { path: "/ws" });
 */
export function listen<A extends Addr>(
  listener: Listener<Conn, A>,
  options?: ListenOptions,
): Promise<Listener<WebSocketConn, A>>;
export async function listen(
  address: string | Listener<Conn>,
  given: ListenOptions = {},
): Promise<Listener<WebSocketConn>> {
  checkGiven(given);
  const isAddress = typeof address !== "object" || address === null;
  if (!isAddress) checkBelow(address, given);
  const host = isAddress ? parseAddr("tcp", address, "listen").host : hostOfListener(address);
  const options = { ...given, allowedHosts: HostNames.ofListener(host, given.allowedHosts) };
  // All before the port is taken: nobody could give it back.
  checkAttachOptions(options);
  checkOneOf("listen", "readUpgrades", options.readUpgrades, ["here", "node:http"]);
  const handshakeTimeoutMs = handshakeTimeout(options.handshakeTimeoutMs);
  const handshakes = new Handshakes(options, listenOptionNames);
  const onRefuse = (refusal: Refusal): void => listener.refused({ ...refusal, request: undefined });
  const below = isAddress
    ? await listenOn(address, { ...options, handshakeTimeoutMs }, onRefuse).catch(rethrow)
    : address;
  // What is no WebSocket in time is cut, whatever this server has still to say.
  const keepAliveTimeout = Math.min(Math.ceil(handshakeTimeoutMs), MAX_KEEP_ALIVE_MS);
  const server = createServer({ keepAliveTimeout }, plainRequests(options.path));
  const stop = (): Promise<void> => {
    const closed = below.close(); // With what still waited for `accept` there.
    door.stop();
    return closed;
  };
  const listener: UpgradeListener = new UpgradeListener(server, below.addr, handshakes, options, {
    stop,
    asked: (stream) => door.asked(stream),
    holdProcess: (holds) => (holds ? below.ref() : below.unref()),
  });
  const door = new Door(server, handshakeTimeoutMs, handshakes.limits, {
    readUpgrades: options.readUpgrades,
    keepsPlaces: !isAddress,
    take: (bytes, caller) => listener.take(bytes, caller),
    refused: onRefuse,
  });
  if (!isAddress) takenListeners.add(below);
  void listener.acceptFrom(below, (conn) => door.arrived(conn));
  return listener;
}

/** Who is past a limit of the WebSockets gets an answer, from the listener above. */
const NO_LIMITS = {
  maxPending: Number.POSITIVE_INFINITY,
  maxConnectionsPerAddress: Number.POSITIVE_INFINITY,
  // A WebSocket is pinged.
  keepAlive: false,
  closeTimeoutMs: REFUSED_MS,
};

async function listenOn(
  address: string,
  options: ListenOptions,
  onRefuse: (refusal: Refusal) => void,
): Promise<StreamListener> {
  const { tls, handshakeTimeoutMs, maxHandshakesPerAddress, exemptAddresses } = options;
  if (tls === undefined) return listenBelow("tcp", address, { ...NO_LIMITS, onRefuse });
  checkTlsServerOptions(tls);
  return listenBelow("tls", address, {
    ...tls,
    ...NO_LIMITS,
    handshakeTimeoutMs: tls.handshakeTimeoutMs ?? handshakeTimeoutMs,
    maxHandshakesPerAddress,
    exemptAddresses,
    onRefuse,
    // A WebSocket knows its end.
    dangerouslyAcceptTruncation: true,
  });
}

/** @throws it as an error of this network. */
function rethrow(error: unknown): never {
  if (!(error instanceof NetError) || error.network === undefined) throw error;
  const { op, code, reason, localAddr, cause } = error;
  throw new NetError({ op, code, reason, network: "websocket", localAddr, cause });
}

function hostOfListener({ addr }: Listener<Conn>): string {
  return "host" in addr ? addr.host : "";
}

/** Those that another one stands on: of two that accept from one, each would lack what the other has. */
const takenListeners = new WeakSet<Listener<Conn>>();

/** @throws WebSocketNetError `invalid_argument`. */
function checkBelow(below: Listener<Conn>, given: ListenOptions): void {
  if (takenListeners.has(below)) {
    const message = `the listener on ${String(below.addr)} is taken: another WebSocket listener stands on it already`;
    throw new WebSocketNetError("invalid_argument", message);
  }
  if (typeof below.accept !== "function" || typeof below.addr !== "object") {
    const message = `${shown(below)} is neither an address nor a listener of @zocalo/net`;
    throw new WebSocketNetError("invalid_argument", message);
  }
  if (below instanceof AcceptQueue && below.isAwaited) {
    const message = `somebody waits for a connection of the listener on ${String(below.addr)}, and would get none any more`;
    throw new WebSocketNetError("invalid_argument", message);
  }
  for (const name of OF_THE_LISTENER) {
    if (given[name] === undefined) continue;
    const message = `${name} is for the listener below, such as listen("tls", …) of @zocalo/net, and not for one that stands on it`;
    throw new WebSocketNetError("invalid_argument", message);
  }
}

/**
 * Accepts WebSocket connections from an `http` or `https` server that serves other things, too, and is
 * listening already, on a TCP port or a Unix socket. Closing the listener leaves the server alone.
 *
 * What has not asked for an upgrade yet is that server's business: how long a head may take
 * (`headersTimeout`, which Node looks at only every `connectionsCheckingInterval`, 30 s unless it is set),
 * and how many connections may be silent.
 *
 * @example
 * const listener = attach(server, { path: "/ws" });
 * for await (const conn of listener) serve(conn).catch(report);
 */
export function attach(server: Server, options: AttachOptions = {}): Listener<WebSocketConn> {
  checkGiven(options);
  checkAttachOptions(options);
  const handshakes = new Handshakes(options, attachOptionNames);
  return new UpgradeListener(server, listeningAddr(server), handshakes, options, {
    stop: ignore,
    asked: ignore,
    holdProcess: ignore, // The server is the application's.
  });
}

/** Those that an upgrader does not have. @throws WebSocketNetError or NetError `invalid_argument`. */
function checkAttachOptions(options: AttachOptions): void {
  const { path, onRefuse } = options;
  checkAcceptLimits(options);
  checkKind("listen", "onRefuse", onRefuse, "function");
  checkKind("listen", "path", path, "string");
  if (path === undefined || path.startsWith("/")) return;
  throw new WebSocketNetError("invalid_argument", `path ${JSON.stringify(path)} does not begin with "/"`);
}

/** @throws NetError `invalid_argument` for `null`, or what else is no object. */
function checkGiven(options: unknown): void {
  checkKind("listen", "what a WebSocket listener was given", options, "object");
}

function listeningAddr(server: Server): Addr {
  const address = server.address();
  if (address === null) throw new WebSocketNetError("invalid_argument", "the server must be listening");
  if (typeof address === "string") return unixAddr(address);
  return ipAddr("tcp", address.address, address.port);
}

function ignore(): void {}
