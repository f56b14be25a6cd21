import { Hub, MemoryEngine } from "@zocalo/hub";
import {
  joinHostPort,
  type Listener,
  lines,
  listen,
  listenPacket,
  type MessageConn,
  peers,
} from "@zocalo/net";
import { LIMITS } from "@zocalo/protocol";
import { bindEverywhere } from "./bind.ts";
import { type HttpDoor, openHttpDoor } from "./http-door.ts";
import type { Logger } from "./log.ts";
import type { Pages } from "./pages.ts";
import type { Settings } from "./settings.ts";
import { VERSION } from "./version.ts";

/** What a server needs besides its settings. */
export interface ServerParts {
  /** The built page; without one `/` says how to build it. */
  readonly pages: Pages | undefined;
  readonly log: Logger;
}

/** Which doors are open, and at which port. */
export interface OpenPorts {
  readonly http?: number | undefined;
  readonly tcp?: number | undefined;
  readonly udp?: number | undefined;
}

/** Three doors into one hub: HTTP with WebSocket, TCP and UDP. */
export class Server {
  readonly #settings: Settings;
  readonly #log: Logger;
  readonly #hub: Hub;
  readonly #httpDoors: HttpDoor[] = [];
  readonly #listeners: { readonly door: string; readonly clients: Listener<MessageConn> }[] = [];
  #ports: OpenPorts = {};
  #isStopping = false;

  private constructor(settings: Settings, log: Logger) {
    this.#settings = settings;
    this.#log = log;
    this.#hub = new Hub({
      engine: new MemoryEngine(),
      namespaces: settings.namespaces,
      limits: { sessions: settings.maxClients },
      server: `zocalo/${VERSION}`,
      onError: (error) => log.error({ err: error }, "the hub failed"),
    });
  }

  /**
   * Opens every door that has a port.
   *
   * @throws UserError when one cannot be opened; then none is.
   */
  static async open(settings: Settings, parts: ServerParts): Promise<Server> {
    const server = new Server(settings, parts.log);
    try {
      const http = await server.#openHttp(parts.pages);
      const tcp = await server.#openTcp();
      const udp = await server.#openUdp();
      server.#ports = { http, tcp, udp };
    } catch (error) {
      await server.stop();
      throw error;
    }
    server.#serve();
    return server;
  }

  get ports(): OpenPorts {
    return this.#ports;
  }

  /**
   * Stops: no new clients, `disconnect` and close code 1001 to those there are, and `drainMs` for them to take it.
   * Who has not left by then is cut off.
   */
  async stop(): Promise<void> {
    this.#isStopping = true;
    const deadline = Date.now() + this.#settings.drainMs;
    const httpClosed = this.#httpDoors.map((door) => door.close());
    await Promise.all(this.#listeners.map(({ clients }) => clients.close()));
    await this.#hub.close({ deadline });
    const timer = setTimeout(() => {
      for (const door of this.#httpDoors) door.cut();
    }, deadline - Date.now());
    await Promise.all(httpClosed);
    clearTimeout(timer);
  }

  #serve(): void {
    for (const { door, clients } of this.#listeners) {
      const address = String(clients.addr);
      this.#log.info({ door, address }, "listening");
      void this.#hub.serve(clients); // `onError` logs one that breaks down; the error names the address.
    }
  }

  async #openHttp(pages: Pages | undefined): Promise<number | undefined> {
    const { httpPort, host, allowedOrigins } = this.#settings;
    if (httpPort === "off") return undefined;
    const options = {
      site: { pages, isStopping: () => this.#isStopping },
      allowedOrigins,
      maxMessageBytes: LIMITS.commandBytes,
      onRefused: (error: Error) => this.#log.debug({ reason: error.message }, "refused a WebSocket"),
    };
    const door = { label: "HTTP", setting: "httpPort" } as const;
    const open = await bindEverywhere(door, host, httpPort, (address, port) =>
      openHttpDoor(address, port, options),
    );
    this.#httpDoors.push(...open);
    return this.#admit("http", open);
  }

  async #openTcp(): Promise<number | undefined> {
    const { tcpPort, host } = this.#settings;
    if (tcpPort === "off") return undefined;
    const door = { label: "TCP", setting: "tcpPort" } as const;
    const open = await bindEverywhere(door, host, tcpPort, async (address, port) =>
      bound(
        lines(await listen("tcp", joinHostPort(address, port)), { maxMessageBytes: LIMITS.commandBytes }),
      ),
    );
    return this.#admit("tcp", open);
  }

  async #openUdp(): Promise<number | undefined> {
    const { udpPort, host } = this.#settings;
    if (udpPort === "off") return undefined;
    const door = { label: "UDP", setting: "udpPort" } as const;
    const open = await bindEverywhere(door, host, udpPort, async (address, port) =>
      bound(peers(await listenPacket("udp", joinHostPort(address, port)), { newlines: true })),
    );
    return this.#admit("udp", open);
  }

  #admit(door: string, open: readonly OpenListener[]): number | undefined {
    for (const { clients } of open) this.#listeners.push({ door, clients });
    return open[0]?.port;
  }
}

interface OpenListener {
  readonly port: number;
  readonly clients: Listener<MessageConn>;
  close(): Promise<void>;
}

function bound(clients: Listener<MessageConn>): OpenListener {
  const { addr } = clients;
  return { port: "port" in addr ? addr.port : 0, clients, close: () => clients.close() };
}
