import { inspect } from "node:util";
import { type DatagramConn, dial, joinHostPort, printableLines } from "@zocalo/net";
import { checkKind, checkNames, type Names } from "@zocalo/net/transport";
import { BestLane, type OpenLane } from "./best-lane.ts";
import { Pulse, pulseTimes } from "./pulse.ts";
import { holdingClock, type LaneClock, RunningTime } from "./running-time.ts";
import type { PingedLane } from "./lane.ts";
import { idOf, idText, Kind, Opener, Sealer } from "./seal.ts";
import { type LaneCounts, laneCounts, SealedLane, type SealedLaneParts, TOKEN_BYTES } from "./sealed-lane.ts";
import type { LaneTicket } from "../contracts/wire.ts";
import { PROBE_EXTRA_BYTES, type ReadTicket, readTicket, UsedTickets } from "./ticket.ts";

/** The client's side of a lane of sealed datagrams. `dialLane` makes it. */
export interface UdpClientLane extends PingedLane {
  /** What has come and gone, and why some did not. */
  readonly stats: Readonly<LaneCounts>;
  /** Why the newest attempt to have a socket failed, such as a name that is not found. */
  readonly lastError: unknown;
}

/** Options of `dialLane`. */
export interface DialLaneOptions {
  /** The host of the reliable side, for a ticket whose address is `:port`. Default `"127.0.0.1"`. */
  readonly host?: string | undefined;
  /** Is told what handlers of the lane throw; nothing ends by it. Default: it is printed. */
  readonly onError?: ((error: unknown) => void) | undefined;
  /** Default: the system's. */
  readonly clock?: LaneClock | undefined;
}

const names: Names<DialLaneOptions> = { host: 1, onError: 1, clock: 1 };

/**
 * Those that were dialed here, the newest 65,536. Each has sealed datagrams from 0 on: a second lane of the
 * same keys, be it by a copy of the ticket, would use nonces twice.
 */
const used = new UsedTickets(65_536);

/**
 * A client's lane of sealed datagrams, for programs on Node. It begins as `probing` and is `open` as soon as
 * a datagram of full length has gone both ways, or `silent` after 2 seconds. An open lane is pinged every
 * second and `silent` when nothing was answered for 3. A silent one is tried every 2 seconds, from a new
 * socket, so that it survives a change of network. It is `closed` when the server must have ended it: ask for
 * another ticket. It holds the process until it is closed.
 *
 * A ticket is good for one lane. To use it again, after a restart too, would break its encryption.
 *
 * @throws TypeError for what is no ticket, and one that was used; NetError for wrong options
 * @example
 * const lane = dialLane(ticket, { host: "play.example.org" });
 * lane.onState((state) => console.log(state));
 * lane.onMessage((bytes) => show(bytes));
 */
export function dialLane(ticket: LaneTicket, options: DialLaneOptions = {}): UdpClientLane {
  checkNames("dial", "a lane", options, names);
  checkKind("dial", "host", options.host, "string");
  checkKind("dial", "onError", options.onError, "function");
  checkKind("dial", "clock", options.clock, "object");
  const read = readTicket(ticket);
  if (!used.take(idText(read.id))) {
    throw new TypeError("this lane ticket was used before: ask for another");
  }
  return new SealedClientLane(read, options);
}

/**
 * The lane of a room for programs on Node: datagrams while those pass, else the session.
 *
 * @param options `onError` and `clock` are by default those of `join`.
 * @example
 * const play = await join(session, game, { mode: "arena", lane: overUdp({ host: "play.example.org" }) });
 */
export function overUdp(options: DialLaneOptions = {}): OpenLane {
  return (session, { ask, onError, clock }) =>
    new BestLane(session, {
      async better() {
        const ticket = await ask({ kind: "udp" });
        // `dialLane` checks what it is.
        return ticket === null ? undefined : dialLane(ticket as LaneTicket, { onError, ...options });
      },
      onError,
      clock,
    });
}

class SealedClientLane extends SealedLane<DatagramConn> implements UdpClientLane {
  protected readonly pulse: Pulse<DatagramConn>;
  readonly #ticket: ReadTicket;
  readonly #address: string;
  readonly #id: string;
  readonly #clock: LaneClock;
  readonly #time: RunningTime;
  #conn: DatagramConn | undefined;
  #dialing: AbortController | undefined;
  #lastError: unknown;
  /** When something authenticated came last, by the clock that nobody stops. */
  #heardAt: number;
  /** The newest ping that was not answered, as this side had no sign of a round trip. */
  #unanswered: Uint8Array | undefined;

  constructor(ticket: ReadTicket, options: DialLaneOptions) {
    const report =
      options.onError ?? ((error) => console.error(`zocalo lanes: ${printableLines(inspect(error))}`));
    super(partsOf(ticket, report));
    this.#ticket = ticket;
    this.#address = joinHostPort(ticket.host || (options.host ?? "127.0.0.1"), ticket.port);
    this.#id = idText(ticket.id);
    this.#clock = options.clock ?? holdingClock;
    this.#heardAt = this.#clock.now();
    this.#time = new RunningTime(this.#clock, () => this.#round());
    this.pulse = new Pulse(pulseTimes, this.#time.now);
    this.#time.start();
    void this.#dial();
  }

  get stats(): Readonly<LaneCounts> {
    return { ...this.counts };
  }

  get lastError(): unknown {
    return this.#lastError;
  }

  protected get path(): DatagramConn | undefined {
    return this.#conn;
  }

  protected now(): number {
    return this.#time.now;
  }

  protected mayLeave(): boolean {
    return true; // The rate of inputs is the game's.
  }

  protected put(datagram: Uint8Array, conn: DatagramConn): boolean {
    return conn.trySend(datagram) !== "refused";
  }

  protected override proved(conn: DatagramConn): void {
    super.proved(conn);
    const ping = this.#unanswered;
    this.#unanswered = undefined;
    if (ping !== undefined && this.state === "open") this.transmit(Kind.pong, ping, conn);
  }

  protected ended(): void {
    this.#time.stop();
    this.#dialing?.abort();
    closeQuietly(this.#conn);
    this.#conn = undefined;
  }

  /** A socket of its own, which takes the place of the one before. */
  async #dial(): Promise<void> {
    if (this.#dialing !== undefined) return;
    const dialing = new AbortController();
    this.#dialing = dialing;
    try {
      const conn = await dial("udp", this.#address, { signal: dialing.signal });
      if (this.state === "closed") {
        closeQuietly(conn);
        return;
      }
      closeQuietly(this.#conn);
      this.#conn = conn;
      conn.serve({
        message: (datagram) => this.#received(datagram, conn),
        // A broken socket is silent, and a silent one is replaced.
        close: () => undefined,
      });
      this.#lastError = undefined;
      this.#ping(conn);
    } catch (error) {
      this.#lastError = error;
    } finally {
      this.#dialing = undefined;
    }
  }

  #received(datagram: Uint8Array, conn: DatagramConn): void {
    if (this.state === "closed") return;
    const id = idOf(datagram);
    if (id !== this.#id) {
      this.counts[id === undefined ? "truncated" : "unknown"] += 1;
      return;
    }
    const opened = this.opener.open(datagram);
    if (typeof opened === "string") {
      this.counts[opened] += 1;
      return;
    }
    this.counts.received += 1;
    this.#heardAt = this.#clock.now();
    const { kind, bytes } = opened;
    if (kind === Kind.pong) this.pong(bytes, conn);
    else if (kind === Kind.ping) this.#answer(bytes, conn);
    else if (bytes.length <= this.maxMessageBytes) this.events.message(bytes);
  }

  /**
   * The server takes the lane for open when its pings are answered: so it is not, as long as this side has
   * found that datagrams of full length do not pass.
   */
  #answer(ping: Uint8Array, conn: DatagramConn): void {
    if (ping.length < TOKEN_BYTES) return;
    const pong = ping.subarray(0, TOKEN_BYTES);
    if (this.state === "open") this.transmit(Kind.pong, pong, conn);
    else this.#unanswered = pong;
  }

  #round(): void {
    this.judge();
    const isSilent = this.state === "silent";
    if (isSilent && this.#clock.now() - this.#heardAt > this.#ticket.lifetimeMs) {
      this.close();
      return;
    }
    if (!this.pulse.isDue(this.now())) return;
    if (isSilent || this.#conn === undefined) void this.#dial();
    else this.#ping(this.#conn);
  }

  /** As long as a message of full length has not gone both ways, pings are longer than one. */
  #ping(conn: DatagramConn): void {
    if (this.state === "open") this.ping(conn);
    else this.ping(conn, this.maxMessageBytes + PROBE_EXTRA_BYTES, this.maxMessageBytes);
  }
}

function partsOf(ticket: ReadTicket, report: (error: unknown) => void): SealedLaneParts {
  return {
    sealer: new Sealer(ticket.id, ticket.toServer),
    opener: new Opener(ticket.toClient),
    counts: laneCounts(),
    maxMessageBytes: ticket.maxMessageBytes,
    report,
  };
}

function closeQuietly(conn: DatagramConn | undefined): void {
  // Nobody waits for it: a datagram socket has nothing left to do when it is closed.
  conn?.close().catch(() => undefined);
}
