import { randomBytes } from "node:crypto";
import { inspect } from "node:util";
import {
  AddressCounts,
  type AddressSet,
  exemptSet,
  type Holder,
  type IpAddr,
  type PacketConn,
  parseAddr,
  printableLines,
} from "@zocalo/net";
import { checkCount, checkHas, checkKind, checkNames, type Names } from "@zocalo/net/transport";
import { MAX_MESSAGE_BYTES } from "./lane.ts";
import { pulseTimes } from "./pulse.ts";
import { byteRate, LEAST_RECEIVED, messageRate } from "./rate.ts";
import { LEAST_TOTAL_RECEIVED, ReceivedShares } from "./received-shares.ts";
import { type LaneClock, laneClock, RunningTime } from "./running-time.ts";
import { ID_BYTES, idOf, idText, KEY_BYTES, Opener, SEAL_BYTES, Sealer } from "./seal.ts";
import { type LaneCounts, laneCounts } from "./sealed-lane.ts";
import { MOST_MESSAGE_BYTES } from "./ticket.ts";
import { SealedServerLane, type UdpServerLane, type UdpServerLaneHost } from "./udp-server-lane.ts";

/** Options of `udpLanes`. */
export interface UdpLanesOptions {
  /**
   * Where clients send to, for those behind Docker, NAT or a balancer: `host:port`, or `:port` for the host
   * by which they reached the reliable side. A balancer must keep a lane with one process, or each process
   * needs an address of its own. Default: where the socket is bound; `:port` if that is every address.
   */
  readonly advertised?: string | undefined;
  /** Most lanes; `open` then gives none. One takes about 4 kB. Default 10,000. */
  readonly maxLanes?: number | undefined;
  /** Most lanes opened for one host (an IPv6 /64 is one), see `open`. Default 100. */
  readonly maxLanesPerAddress?: number | undefined;
  /** Who has no limit of its own, see `AddressLimitOptions`. Default: this machine, `localAddresses`. */
  readonly exemptAddresses?: readonly string[] | undefined;
  /**
   * A lane of whose client nothing has come for so long ends, also one that was never used. Milliseconds,
   * default 30,000.
   */
  readonly idleTimeoutMs?: number | undefined;
  /**
   * The longest message, in bytes, from 64. Default 1,150. Risk of more: a datagram past the path's MTU
   * travels in pieces or not at all; a client finds out which and falls back.
   */
  readonly maxMessageBytes?: number | undefined;
  /**
   * Most bytes a second to one client, seals included, of which a quarter of a second may leave at once.
   * What is past them is not sent. Default 262,144.
   */
  readonly maxBytesPerSecond?: number | undefined;
  /** The same for all clients together. Default 67,108,864. */
  readonly maxTotalBytesPerSecond?: number | undefined;
  /**
   * Most datagrams of one lane that are opened in a second, all of them at once if they come so, from 16.
   * What is past them is dropped before it is deciphered, which takes some 10 µs, and counted as `excess`.
   * Risk of less than four times your ticks a second: inputs are lost where a network lets them go in
   * bursts. Default 256.
   */
  readonly maxReceivedPerSecond?: number | undefined;
  /**
   * The same for all lanes together, from 64: half of them as they come, of which lanes opened for one host
   * have at most half; the other half in equal parts for each host that has lanes. Default 32,768, which take
   * about a third of a core: a thousand players at 30 ticks a second. Risk of less: inputs of all are lost.
   */
  readonly maxTotalReceivedPerSecond?: number | undefined;
  /** Is told what handlers of lanes throw; nothing ends by it. Default: it is printed. */
  readonly onError?: ((error: unknown) => void) | undefined;
  /** Default: the system's. */
  readonly clock?: LaneClock | undefined;
}

/** Used where `UdpLanesOptions` leaves a field out. */
export const defaultUdpLanesOptions = {
  maxLanes: 10_000,
  maxLanesPerAddress: 100,
  idleTimeoutMs: 30_000,
  maxMessageBytes: MAX_MESSAGE_BYTES,
  maxBytesPerSecond: 262_144,
  maxTotalBytesPerSecond: 67_108_864,
  maxReceivedPerSecond: 256,
  maxTotalReceivedPerSecond: 32_768,
} as const satisfies UdpLanesOptions;

type Settings = { readonly [Name in keyof typeof defaultUdpLanesOptions]: number };

const names: Names<UdpLanesOptions> = {
  advertised: 1,
  maxLanes: 1,
  maxLanesPerAddress: 1,
  exemptAddresses: 1,
  idleTimeoutMs: 1,
  maxMessageBytes: 1,
  maxBytesPerSecond: 1,
  maxTotalBytesPerSecond: 1,
  maxReceivedPerSecond: 1,
  maxTotalReceivedPerSecond: 1,
  onError: 1,
  clock: 1,
};

/** What `udpLanes` needs of a datagram socket; a `PacketConn` has it. */
export type LaneSocket = Pick<PacketConn, "localAddr" | "serve" | "trySend" | "close">;

/** What all lanes of a socket have done so far. */
export interface UdpLanesStats extends Readonly<LaneCounts> {
  /** Lanes that are not closed. */
  readonly lanes: number;
}

/** Without it no limit of an address would hold. @throws NetError `invalid_argument` */
export function checkHost(host: unknown): void {
  // `undefined` is what a caller in JavaScript may give, and what `checkKind` takes for a default.
  checkKind("set", "host", host ?? null, "string");
}

/**
 * Opens lanes of sealed datagrams on one socket, which belongs to them from now on. What does not bear the id
 * of a lane and its seal is dropped, counted and never answered.
 *
 * @throws NetError `invalid_argument`, `invalid_address`
 * @example
 * const lanes = udpLanes(await listenPacket("udp", ":7001"), { advertised: "play.example.org:7001" });
 * hub.handle("game.lane", ({ peer }) => lanes.open(hostOf(peer.addr))?.ticket ?? null);
 */
export function udpLanes(packets: LaneSocket, options: UdpLanesOptions = {}): UdpLanes {
  return new UdpLanes(packets, options);
}

/** The lanes of one datagram socket. `udpLanes` makes it. */
export class UdpLanes {
  readonly #packets: LaneSocket;
  readonly #settings: Settings;
  readonly #advertised: string;
  readonly #report: (error: unknown) => void;
  readonly #perAddress: AddressCounts;
  readonly #exempt: AddressSet;
  readonly #received: ReceivedShares<Holder>;
  readonly #lanes = new Map<string, SealedServerLane>();
  readonly #holders = new Map<SealedServerLane, Holder>();
  readonly #counts = laneCounts();
  readonly #time: RunningTime;
  readonly #host: UdpServerLaneHost;
  #isClosed = false;

  constructor(packets: LaneSocket, options: UdpLanesOptions) {
    checkHas("listen", packets, ["serve"], "not a datagram socket");
    this.#settings = settingsOf(options);
    this.#packets = packets;
    this.#advertised = addressFor(packets.localAddr, options.advertised);
    this.#report =
      options.onError ?? ((error) => console.error(`zocalo lanes: ${printableLines(inspect(error))}`));
    const { maxLanesPerAddress, maxTotalBytesPerSecond, maxTotalReceivedPerSecond, idleTimeoutMs } =
      this.#settings;
    this.#exempt = exemptSet(options.exemptAddresses);
    // Never without a limit: then it would not know addresses from each other.
    this.#perAddress = new AddressCounts(Math.min(maxLanesPerAddress, Number.MAX_SAFE_INTEGER), this.#exempt);
    this.#time = new RunningTime(options.clock ?? laneClock, () => this.#round());
    this.#received = new ReceivedShares(maxTotalReceivedPerSecond, this.#time.now);
    this.#host = {
      rate: byteRate(maxTotalBytesPerSecond, this.#leastBurst, this.#time.now),
      times: pulseTimes,
      idleTimeoutMs,
      now: () => this.#time.now,
      put: (datagram, addr) => packets.trySend(datagram, addr) !== "refused",
      ended: (lane) => this.#ended(lane),
    };
    packets.serve({
      message: ({ bytes, addr }) => this.#take(bytes, addr),
      close: () => this.#closeLanes(),
    });
  }

  /** What has come and gone, and why some did not. */
  get stats(): UdpLanesStats {
    return { ...this.#counts, lanes: this.#lanes.size };
  }

  /**
   * A new lane, whose `ticket` goes to its client over the reliable side. It is `probing` until the client
   * is heard, and ends `idleTimeoutMs` after it was heard last; to close the one before is the caller's.
   *
   * @param host from which the reliable side came, for `maxLanesPerAddress`: `hostOf(peer.addr)` of
   *   `@zocalo/net`
   * @returns `undefined` if a limit leaves no room, or the lanes are closed: the session carries then.
   * @throws NetError `invalid_argument` if it is no text
   */
  open(host: string): UdpServerLane | undefined {
    checkHost(host);
    if (this.#isClosed || this.#lanes.size >= this.#settings.maxLanes) return undefined;
    const holder = this.#perAddress.take(host);
    if (holder === undefined) return undefined;
    let id = randomBytes(ID_BYTES);
    while (this.#lanes.has(idText(id))) id = randomBytes(ID_BYTES);
    const lane = this.#make(id, holder);
    this.#received.add(holder, this.#exempt.has(host), this.#time.now);
    this.#lanes.set(idText(id), lane);
    this.#holders.set(lane, holder);
    this.#time.start();
    return lane;
  }

  /** Closes the socket and all lanes. */
  async close(): Promise<void> {
    this.#closeLanes();
    await this.#packets.close();
  }

  /** The same as `close`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #make(id: Buffer, holder: Holder): SealedServerLane {
    const toServer = randomBytes(KEY_BYTES);
    const toClient = randomBytes(KEY_BYTES);
    const { maxMessageBytes, maxBytesPerSecond, maxReceivedPerSecond, idleTimeoutMs } = this.#settings;
    const { now } = this.#time;
    const received = messageRate(maxReceivedPerSecond, now);
    const mayDecipher = (): boolean => {
      const at = this.#time.now;
      if (!received.has(1, at) || !this.#received.take(holder, at)) return false;
      received.spend(1);
      return true;
    };
    return new SealedServerLane(
      {
        sealer: new Sealer(id, toClient),
        opener: new Opener(toServer, mayDecipher),
        counts: this.#counts,
        maxMessageBytes,
        report: this.#report,
      },
      this.#host,
      {
        version: 1,
        id: id.toString("base64url"),
        toServer: toServer.toString("base64url"),
        toClient: toClient.toString("base64url"),
        address: this.#advertised,
        lifetimeMs: idleTimeoutMs,
        maxMessageBytes,
      },
      byteRate(maxBytesPerSecond, this.#leastBurst, now),
    );
  }

  /** Lest the longest message could never leave. */
  get #leastBurst(): number {
    return 2 * (this.#settings.maxMessageBytes + SEAL_BYTES);
  }

  #take(datagram: Uint8Array, addr: IpAddr): void {
    const id = idOf(datagram);
    const lane = id === undefined ? undefined : this.#lanes.get(id);
    if (lane === undefined) this.#counts[id === undefined ? "truncated" : "unknown"] += 1;
    else lane.received(datagram, addr);
  }

  #round(): void {
    for (const lane of this.#lanes.values()) lane.round();
  }

  #ended(lane: SealedServerLane): void {
    this.#lanes.delete(idText(Buffer.from(lane.ticket.id, "base64url")));
    const holder = this.#holders.get(lane);
    if (holder !== undefined) {
      this.#perAddress.release(holder);
      this.#received.remove(holder);
    }
    this.#holders.delete(lane);
    if (this.#lanes.size === 0) this.#time.stop();
  }

  #closeLanes(): void {
    this.#isClosed = true;
    for (const lane of this.#lanes.values()) lane.close();
  }
}

function settingsOf(options: UdpLanesOptions): Settings {
  checkNames("listen", "lanes", options, names);
  checkKind("listen", "onError", options.onError, "function");
  checkKind("listen", "clock", options.clock, "object");
  const given = { ...defaultUdpLanesOptions, ...defined(options) };
  checkCount("listen", "maxLanes", given.maxLanes, 10_000_000);
  if (given.maxLanesPerAddress !== Number.POSITIVE_INFINITY) {
    checkCount("listen", "maxLanesPerAddress", given.maxLanesPerAddress, 10_000_000);
  }
  checkCount("listen", "idleTimeoutMs", given.idleTimeoutMs, 2 ** 31 - 1);
  checkCount("listen", "maxMessageBytes", given.maxMessageBytes, MOST_MESSAGE_BYTES, 64);
  checkCount("listen", "maxReceivedPerSecond", given.maxReceivedPerSecond, 2 ** 20, LEAST_RECEIVED);
  checkCount(
    "listen",
    "maxTotalReceivedPerSecond",
    given.maxTotalReceivedPerSecond,
    2 ** 24,
    LEAST_TOTAL_RECEIVED,
  );
  for (const name of ["maxBytesPerSecond", "maxTotalBytesPerSecond"] as const) {
    checkCount("listen", name, given[name], 2 ** 40);
  }
  return given;
}

function defined(options: UdpLanesOptions): Partial<Settings> {
  const given = Object.entries(options).filter(
    ([name, value]) => name in defaultUdpLanesOptions && value !== undefined,
  );
  return Object.fromEntries(given) as Partial<Settings>;
}

function addressFor(local: IpAddr, advertised: string | undefined): string {
  checkKind("listen", "advertised", advertised, "string");
  if (advertised !== undefined) {
    const { port } = parseAddr("udp", advertised, "listen");
    checkCount("listen", "port of advertised", port, 65_535);
    return advertised;
  }
  const isAnywhere = local.host === "" || local.host === "0.0.0.0" || local.host === "::";
  return isAnywhere ? `:${local.port}` : String(local);
}
