import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ARENA } from "@zocalo/arena";
import { type Engine, Hub } from "@zocalo/hub";
import { type RoomMode, roomNamespaces, Rooms, type RoomsOptions } from "@zocalo/room";
import { BINARY_SUBPROTOCOL } from "@zocalo/protocol";
import { attach } from "@zocalo/websocket";

const PAGES = fileURLToPath(new URL("../packages/zocalo/pages", import.meta.url));
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};

/** The built page of arena, and its matches, in this process: what happens in them can be looked at. */
export class ArenaServer {
  readonly rooms: Rooms;
  readonly port: number;
  readonly errors: unknown[];
  readonly #hub: Hub;
  readonly #http: Server;

  private constructor(hub: Hub, rooms: Rooms, http: Server, errors: unknown[]) {
    this.#hub = hub;
    this.rooms = rooms;
    this.#http = http;
    this.errors = errors;
    this.port = (http.address() as AddressInfo).port;
  }

  /** @param port default: a free one. */
  static async open(
    engine: Engine,
    mode: RoomMode,
    port = 0,
    options: RoomsOptions = {},
  ): Promise<ArenaServer> {
    const errors: unknown[] = [];
    const hub = new Hub({ engine, namespaces: { ...roomNamespaces } });
    const rooms = new Rooms(hub, { [ARENA]: mode }, { onError: (error) => errors.push(error), ...options });
    await rooms.open();
    const http = createServer((request, response) => {
      const { pathname } = new URL(request.url ?? "/", "http://localhost");
      const file = join(PAGES, pathname.endsWith("/") ? `${pathname}index.html` : pathname);
      readFile(file).then(
        (body) => response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "text/plain" }).end(body),
        () => response.writeHead(404).end(),
      );
    });
    http.listen(port, "127.0.0.1");
    await once(http, "listening");
    void hub.serve(attach(http, { path: "/ws", subprotocols: [BINARY_SUBPROTOCOL] }));
    return new ArenaServer(hub, rooms, http, errors);
  }

  /** Hands the matches over, and ends. */
  async close(): Promise<void> {
    await this.rooms.close();
    await this.crash();
  }

  /** Ends without a word of the matches, which find nobody any more. */
  async crash(): Promise<void> {
    const ended = once(this.#http, "close");
    this.#http.close();
    await this.#hub.close();
    this.#http.closeAllConnections();
    await ended;
  }
}
