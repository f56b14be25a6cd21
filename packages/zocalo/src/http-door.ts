import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { AddressCounts, defaultFramedOptions, exemptSet, type Holder, type Listener } from "@zocalo/net";
import { BINARY_SUBPROTOCOL } from "@zocalo/protocol";
import { attach, type WebSocketConn, type WebSocketRefusal } from "@zocalo/websocket";
import { answerRequest, type Site, WEBSOCKET_PATH } from "./answer-request.ts";
import type { Bound } from "./bind.ts";
import { Askers } from "./http-askers.ts";

/**
 * How long a request may take to arrive, and a connection to begin its first one, in milliseconds: none here
 * has a body. Then the answer is 408 and the connection ends, at most a tenth later.
 */
const REQUEST_TIMEOUT_MS = 10_000;
/** How long a connection is kept for its next request, in milliseconds. */
const KEEP_ALIVE_MS = 5_000;
/**
 * How long it may take until an answer was taken, in milliseconds: the largest file of the page passes at
 * 2 kB/s.
 */
const ANSWER_TIMEOUT_MS = 60_000;
/** A message has as long over WebSocket as over TCP, in milliseconds. */
const MESSAGE_TIMEOUT_MS = defaultFramedOptions.messageTimeoutMs;

/** Leads from a socket to what it counts for. */
const holderOf = Symbol("holder");
type CountedSocket = Socket & { [holderOf]?: Holder | undefined };

/** How the HTTP door answers. */
export interface HttpDoorOptions {
  readonly site: Site;
  /** Largest WebSocket message, in bytes; a larger one closes with 1009. */
  readonly maxMessageBytes: number;
  /** A WebSocket that is silent for so long is pinged, and ended when it is silent for as long again. */
  readonly pingIntervalMs?: number;
  /** Most connections of one address, WebSockets and others; one more is closed at once. */
  readonly maxConnectionsPerAddress: number;
  /**
   * Connections and requests of one address in a second; one more and those that are not WebSockets are cut.
   */
  readonly requestsPerSecondPerAddress: number;
  /** Who has no such limits. */
  readonly exemptAddresses: readonly string[];
  /** Told of whom it had to close as soon as it came, and for which of the two limits. */
  readonly onTooMany: (
    host: string,
    reason: "max_connections_per_address" | "max_requests_per_address",
  ) => void;
  /** Default `REQUEST_TIMEOUT_MS`. */
  readonly requestTimeoutMs?: number;
  /** Default `KEEP_ALIVE_MS`. */
  readonly keepAliveMs?: number;
  /** Default `ANSWER_TIMEOUT_MS`. */
  readonly answerTimeoutMs?: number;
  /** Told why a request to upgrade was refused. */
  readonly onRefuse: (refusal: WebSocketRefusal) => void;
}

/** One HTTP server: plain requests are answered, those for a WebSocket come out of `clients`. */
export interface HttpDoor extends Bound {
  readonly clients: Listener<WebSocketConn>;
  /**
   * Stops accepting and answers what was asked; resolves when the last connection has gone, WebSockets
   * included.
   */
  close(): Promise<void>;
  /** Cuts plain HTTP connections, answered or not. */
  cut(): void;
}

/**
 * Opens the HTTP door at one address.
 *
 * @throws what Node says when the port cannot be had, for example `EADDRINUSE`.
 */
export async function openHttpDoor(
  address: string,
  port: number,
  options: HttpDoorOptions,
): Promise<HttpDoor> {
  const {
    requestTimeoutMs = REQUEST_TIMEOUT_MS,
    keepAliveMs = KEEP_ALIVE_MS,
    answerTimeoutMs = ANSWER_TIMEOUT_MS,
  } = options;
  // Node looks for requests that take too long every 30 s unless told otherwise: then they last up to four
  // times as long.
  const checkMs = Math.ceil(requestTimeoutMs / 10);
  let isClosing = false;
  const cut = () => server.closeAllConnections();
  const server = createServer(
    {
      requestTimeout: requestTimeoutMs,
      headersTimeout: requestTimeoutMs,
      keepAliveTimeout: keepAliveMs,
      connectionsCheckingInterval: checkMs,
    },
    (request, response) => {
      if (askers.asked(request, response)) answerRequest(options.site, request, response);
    },
  );
  const exempt = exemptSet(options.exemptAddresses);
  const counts = new AddressCounts(options.maxConnectionsPerAddress, exempt);
  const askers = new Askers(server, {
    perSecondPerAddress: options.requestsPerSecondPerAddress,
    exempt,
    answerTimeoutMs,
    idleTimeoutMs: keepAliveMs + requestTimeoutMs,
    checkMs,
    onAllAnswered: () => isClosing && cut(),
  });
  // One function for all: one for each, called once, takes some hundred bytes more of each connection (bench:
  // idle-visitors).
  const release = function (this: CountedSocket): void {
    const holder = this[holderOf];
    this[holderOf] = undefined;
    if (holder !== undefined) counts.release(holder);
  };
  server.prependListener("connection", (socket: CountedSocket) => {
    const { remoteAddress } = socket;
    if (remoteAddress === undefined) return void socket.destroy(); // It has gone already.
    const holder = counts.take(remoteAddress);
    if (holder !== undefined) {
      socket[holderOf] = holder;
      socket.on("close", release);
      if (askers.connected(socket, remoteAddress)) return;
    }
    options.onTooMany(
      remoteAddress,
      holder === undefined ? "max_connections_per_address" : "max_requests_per_address",
    );
    socket.destroy();
  });
  server.listen(port, address);
  await once(server, "listening");
  const clients = attach(server, {
    path: WEBSOCKET_PATH,
    checkOrigin: (request) => {
      askers.upgrading(request.socket);
      return options.site.names.isAllowedPage(request);
    },
    subprotocols: [BINARY_SUBPROTOCOL],
    maxMessageBytes: options.maxMessageBytes,
    messageTimeoutMs: MESSAGE_TIMEOUT_MS,
    pingIntervalMs: options.pingIntervalMs,
    pongTimeoutMs: options.pingIntervalMs,
    maxConnectionsPerAddress: Number.POSITIVE_INFINITY, // Counted above, with those that ask for pages.
    onRefuse: options.onRefuse,
  });
  return {
    port: portOf(server),
    clients,
    close() {
      isClosing = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      // Node waits for connections on which nothing was asked yet, such as those a browser opens to be quick.
      if (askers.unanswered === 0) cut();
      return closed;
    },
    cut,
  };
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
