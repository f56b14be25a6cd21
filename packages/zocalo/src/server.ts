import { type Authenticate, type Engine, Hub, type NamespaceOptions, streamFraming } from "@zocalo/hub";
import {
  defaultFramedOptions,
  framed,
  hostOf,
  joinHostPort,
  type Listener,
  listen,
  listenPacket,
  type MessageConn,
  peers,
  type Refusal,
} from "@zocalo/net";
import { roomNamespaces } from "@zocalo/room";
import { authenticationFor } from "./authentication.ts";
import { bindEverywhere } from "./bind.ts";
import { EXIT, UserError } from "./exit-code.ts";
import { type Capacity, capacityFor } from "./capacity.ts";
import { engineFor } from "./engine-for.ts";
import { type HttpDoor, openHttpDoor } from "./http-door.ts";
import type { Logger } from "./log.ts";
import { OwnNames } from "./own-names.ts";
import type { Pages } from "./pages.ts";
import { Proxies } from "./proxies.ts";
import { RoomDoor } from "./room-door.ts";
import type { RoomModes } from "./room-modes.ts";
import { seldomEach } from "./seldom.ts";
import type { Settings } from "./settings.ts";
import { VERSION } from "./version.ts";

/** A request for a page, and a connection, makes as much work as so many commands. */
const COMMANDS_PER_REQUEST = 5;
/** How much of a second's commands a client, or an address, may send at once after a silence. */
const BURST_SECONDS = 2;

/** What a server needs besides its settings. */
export interface ServerParts {
  /** The built page; without one `/` says how to build it. */
  readonly pages: Pages | undefined;
  /** Games whose rooms are served. Default: none. */
  readonly modes?: RoomModes | undefined;
  readonly log: Logger;
}

/** Which doors are open, and at which port. */
export interface OpenPorts {
  readonly http?: number | undefined;
  readonly tcp?: number | undefined;
  readonly udp?: number | undefined;
  /** UDP lanes of games. */
  readonly lanes?: number | undefined;
}

/** Three doors into one hub: HTTP with WebSocket, TCP and UDP. */
export class Server {
  readonly #settings: Settings;
  readonly #log: Logger;
  readonly #hub: Hub;
  readonly #engine: Engine;
  readonly #httpDoors: HttpDoor[] = [];
  readonly #listeners: { readonly door: string; readonly clients: Listener<MessageConn> }[] = [];
  readonly #capacity: Capacity;
  readonly #proxies: Proxies;
  #rooms: RoomDoor | undefined;
  #ports: OpenPorts = {};
  #isStopping = false;

  private constructor(
    settings: Settings,
    namespaces: Readonly<Record<string, NamespaceOptions>>,
    log: Logger,
    engine: Engine,
    authenticate: Authenticate | undefined,
  ) {
    this.#settings = settings;
    this.#log = log;
    this.#capacity = capacityFor(settings);
    this.#warnOfFewFiles();
    this.#engine = engine;
    this.#proxies = new Proxies(settings.trustedProxies, settings.forwardedHeader);
    this.#hub = new Hub({
      engine,
      namespaces,
      ...(authenticate && { authenticate }),
      limits: {
        sessions: this.#capacity.maxClients,
        sessionsPerAddress: this.#capacity.maxClientsPerAddress,
        unverifiedSessions: settings.maxUnverifiedPeers,
        subscriptionsPerAddress: settings.maxSubscriptionsPerAddress,
        commandsPerSecond: settings.commandsPerSecond,
        commandBurst: BURST_SECONDS * settings.commandsPerSecond,
        commandsPerSecondPerAddress: settings.commandsPerSecondPerAddress,
        commandBurstPerAddress: BURST_SECONDS * settings.commandsPerSecondPerAddress,
        unreadBytes: settings.maxUnreadBytes,
        firstCommandMs: settings.firstCommandMs,
        pingMs: Math.floor((settings.presenceTimeoutMs * 5) / 12),
        datagramBytesPerSecond: settings.udpBytesPerSecond,
        datagramBytesPerByte: settings.udpBytesPerByte,
      },
      exemptAddresses: settings.exemptAddresses,
      hostOf: this.#proxies.hostOf,
      server: `zocalo/${VERSION}`,
      // While a host of keys is broken each stranger with a token of an unknown key meets the same error.
      onError: seldomEach((error, keptBack) =>
        log.error({ err: error, ...(keptBack > 0 && { keptBack }) }, "the hub failed"),
      ),
    });
  }

  /**
   * Opens the store, and then every door that has a port.
   *
   * @throws UserError when one of them cannot be opened; then none is.
   */
  static async open(settings: Settings, parts: ServerParts): Promise<Server> {
    const { modes, log } = parts;
    const namespaces = modes === undefined ? settings.namespaces : withRooms(settings.namespaces);
    const authenticate = await authenticationFor(settings, log);
    const server = new Server(settings, namespaces, log, await engineFor(settings, log), authenticate);
    try {
      const lanes = await server.#openRooms(modes);
      const http = await server.#openHttp(parts.pages);
      const tcp = await server.#openTcp();
      const udp = await server.#openUdp();
      server.#ports = { http, tcp, udp, lanes };
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
   * Stops: no new clients, rooms are handed over to the next process, `disconnect` and close code 1001 to
   * those there are, and `drainMs` for all that. Who has not left by then is cut off.
   */
  async stop(): Promise<void> {
    this.#isStopping = true;
    const endsAt = performance.now() + this.#settings.drainMs;
    const httpClosed = this.#httpDoors.map((door) => door.close());
    await Promise.all(this.#listeners.map(({ clients }) => clients.close()));
    await this.#handRoomsOver(endsAt);
    await this.#hub.close({ deadline: Date.now() + (endsAt - performance.now()) });
    const timer = setTimeout(() => {
      for (const door of this.#httpDoors) door.cut();
    }, endsAt - performance.now());
    await Promise.all(httpClosed);
    await this.#rooms?.close();
    clearTimeout(timer);
  }

  /** Before the first door, so that whoever returns finds their room. */
  async #openRooms(modes: RoomModes | undefined): Promise<number | undefined> {
    if (modes === undefined) return undefined;
    const parts = { hub: this.#hub, modes, log: this.#log, hostOf: this.#proxies.hostOf };
    this.#rooms = await RoomDoor.open(this.#settings, parts);
    return this.#rooms.lanePort;
  }

  /** An engine that does not answer holds nobody up for longer than the stop may take. */
  async #handRoomsOver(endsAt: number): Promise<void> {
    if (this.#rooms === undefined) return;
    let timer: NodeJS.Timeout | undefined;
    const isLate = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(true), endsAt - performance.now());
    });
    const isDone = this.#rooms.handOver().then(() => false);
    if (await Promise.race([isDone, isLate])) this.#log.error("the rooms were not handed over in time");
    clearTimeout(timer);
  }

  /** Why a new client would be turned away, or could do nothing. */
  #whyFull(): string | undefined {
    if (this.#hub.isFull) return `full: ${this.#capacity.maxClients} clients are connected`;
    return this.#engine.trouble;
  }

  /** What each door allows one address, before the hub does. */
  get #perAddress() {
    const { maxConnectionsPerAddress } = this.#capacity;
    return { maxConnectionsPerAddress, exemptAddresses: this.#settings.exemptAddresses };
  }

  #warnOfFewFiles(): void {
    const { tooFewFiles: files, maxClients, maxClientsPerAddress } = this.#capacity;
    if (files === undefined) return;
    const message =
      "this process may have too few files open for its settings, so it takes fewer clients; `ulimit -n` raises it";
    this.#log.warn({ files, maxClients, maxClientsPerAddress }, message);
  }

  #turnedAway(door: string, reason: string, host: string): void {
    this.#log.debug({ door, reason, host }, "turned a connection away");
  }

  #serve(): void {
    for (const { door, clients } of this.#listeners) {
      const address = String(clients.addr);
      this.#log.info({ door, address }, "listening");
      void this.#hub.serve(clients); // `onError` logs one that breaks down; the error names the address.
    }
  }

  async #openHttp(pages: Pages | undefined): Promise<number | undefined> {
    const { httpPort, host, trustedProxies, commandsPerSecondPerAddress, presenceTimeoutMs } = this.#settings;
    const perAddress = this.#perAddress;
    if (httpPort === "off") return undefined;
    const warn =
      (what: "name" | "origin", flag: string, words: string) => (value: string, keptBack: number) => {
        // Strangers choose the value: whoever reads this has to know it.
        const advice = `if that is yours, --${flag} ${value} allows it`;
        this.#log.warn(
          keptBack === 0 ? { [what]: value } : { [what]: value, keptBack },
          `${words}; ${advice}`,
        );
      };
    const names = new OwnNames(
      this.#settings,
      warn(
        "name",
        "allowed-hosts",
        "refused a browser or program that calls this server by a name it was not told",
      ),
      warn(
        "origin",
        "allowed-origins",
        "refused a WebSocket to a page of another host, which may be this server's own behind a proxy that does not pass Host on",
      ),
    );
    const options = {
      site: { pages, names, isStopping: () => this.#isStopping, whyFull: () => this.#whyFull() },
      ...perAddress,
      requestsPerSecondPerAddress: Math.ceil(commandsPerSecondPerAddress / COMMANDS_PER_REQUEST),
      exemptAddresses: [...perAddress.exemptAddresses, ...trustedProxies],
      onTooMany: (visitor: string, reason: string) => this.#turnedAway("http", reason, visitor),
      maxMessageBytes: this.#hub.sizes.commandBytes,
      pingIntervalMs: Math.floor(presenceTimeoutMs / 3),
      onRefuse: ({ error, reason }: Refusal) =>
        this.#log.debug({ reason: error?.message ?? reason }, "refused a WebSocket"),
    };
    const door = { label: "HTTP", setting: "httpPort" } as const;
    const open = await bindEverywhere(door, host, httpPort, (address, port) =>
      openHttpDoor(address, port, options),
    );
    this.#httpDoors.push(...open);
    return this.#admit("http", open);
  }

  async #openTcp(): Promise<number | undefined> {
    const { tcpPort, host, trustedProxies, firstCommandMs, maxHalfOpenPerAddress } = this.#settings;
    if (tcpPort === "off") return undefined;
    const door = { label: "TCP", setting: "tcpPort" } as const;
    const options = {
      ...this.#perAddress,
      maxHalfOpenPerAddress,
      firstByteTimeoutMs: firstCommandMs,
      proxyProtocol: trustedProxies.length === 0 ? undefined : { trusted: trustedProxies },
      onRefuse: ({ reason, remoteAddr }: Refusal) =>
        this.#turnedAway("tcp", reason, remoteAddr === undefined ? "" : hostOf(remoteAddr)),
    };
    const open = await bindEverywhere(door, host, tcpPort, async (address, port) =>
      bound(
        framed(await listen("tcp", joinHostPort(address, port), options), streamFraming, {
          maxMessageBytes: this.#hub.sizes.commandBytes,
          sendLimitBytes: Math.max(defaultFramedOptions.sendLimitBytes, this.#hub.sizes.messageBytes),
        }),
      ),
    );
    return this.#admit("tcp", open);
  }

  async #openUdp(): Promise<number | undefined> {
    const { udpPort, host, maxUnverifiedPeers, maxClients, maxClientsPerAddress, exemptAddresses } =
      this.#settings;
    const options = {
      newlines: true,
      // Those that are silent are looked for each twentieth of the time.
      idleTimeoutMs: Math.floor((this.#settings.presenceTimeoutMs * 20) / 21),
      maxUnverifiedPeers,
      maxPeers: maxClients,
      maxPeersPerAddress: maxClientsPerAddress,
      exemptAddresses,
    };
    if (udpPort === "off") return undefined;
    const door = { label: "UDP", setting: "udpPort" } as const;
    const open = await bindEverywhere(door, host, udpPort, async (address, port) =>
      bound(peers(await listenPacket("udp", joinHostPort(address, port)), options)),
    );
    return this.#admit("udp", open);
  }

  #admit(door: string, open: readonly OpenListener[]): number | undefined {
    for (const { clients } of open) this.#listeners.push({ door, clients });
    return open[0]?.port;
  }
}

/** What rooms need beside them. @throws UserError if there are namespaces of these names */
function withRooms(namespaces: Settings["namespaces"]): Readonly<Record<string, NamespaceOptions>> {
  for (const name of Object.keys(roomNamespaces)) {
    if (!Object.hasOwn(namespaces, name)) continue;
    const other = "choose another name, or serve no rooms with --arena off";
    throw new UserError(`namespaces.${name} is what rooms have; ${other}.`, EXIT.usage);
  }
  return { ...namespaces, ...roomNamespaces };
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
