import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Listener } from "@zocalo/net";
import { attach, type WebSocketConn } from "@zocalo/websocket";
import { answerRequest, type Site, WEBSOCKET_PATH } from "./answer-request.ts";
import type { Bound } from "./bind.ts";
import { isAllowedPage } from "./page-origin.ts";

/** A request, from its first byte to its end, may take this long, in milliseconds: none here has a body. */
const REQUEST_TIMEOUT_MS = 10_000;
/** How long a connection without a request is kept for the next one, in milliseconds. */
const KEEP_ALIVE_MS = 5_000;

/** How the HTTP door answers. */
export interface HttpDoorOptions {
  readonly site: Site;
  /** Origins besides the same host, or `*`. */
  readonly allowedOrigins: readonly string[];
  /** Largest WebSocket message, in bytes; a larger one closes with 1009. */
  readonly maxMessageBytes: number;
  /** Told why a request to upgrade was refused. */
  readonly onRefused: (error: Error, request: IncomingMessage) => void;
}

/** One HTTP server: plain requests are answered, those for a WebSocket come out of `clients`. */
export interface HttpDoor extends Bound {
  readonly clients: Listener<WebSocketConn>;
  /** Stops accepting and answers what was asked; resolves when the last connection has gone, WebSockets included. */
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
  const unfinished = new Set<ServerResponse>();
  let isClosing = false;
  const cut = () => server.closeAllConnections();
  const server = createServer(
    {
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
    },
    (request, response) => {
      unfinished.add(response);
      response.once("close", () => {
        unfinished.delete(response);
        if (isClosing && unfinished.size === 0) cut();
      });
      answerRequest(options.site, request, response);
    },
  );
  server.listen(port, address);
  await once(server, "listening");
  const clients = attach(server, {
    path: WEBSOCKET_PATH,
    checkOrigin: (request) => isAllowedPage(request, options.allowedOrigins),
    maxMessageBytes: options.maxMessageBytes,
    onRefused: options.onRefused,
  });
  return {
    port: portOf(server),
    clients,
    close() {
      isClosing = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      // Node waits for connections on which nothing was asked yet, such as those a browser opens to be quick.
      if (unfinished.size === 0) cut();
      return closed;
    },
    cut,
  };
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
