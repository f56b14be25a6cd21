import type { Server } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import {
  type Addr,
  type AddressLimits,
  type Conn,
  type Holder,
  hostOf,
  type Refusal as ConnectionRefusal,
} from "@zocalo/net";
import {
  type Monitored,
  monitor,
  releaseSocket,
  Roster,
  type RosterMember,
  socketOf,
  traceEndElsewhere,
  type Transport,
  type TransportSink,
  type UnusedConn,
  unmonitor,
  unused,
} from "@zocalo/net/transport";
import type { Refusal } from "../handshake/server.ts";
import type { Caller, Early } from "./caller.ts";
import { connStream, httpStream } from "./conn-stream.ts";
import { traceRefused } from "../session/trace.ts";
import { refusalText } from "./refuse.ts";

/** What `node:http` answers to whoever does not complete a request in time. */
const TIMED_OUT = Buffer.from("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n");

/** Looks at what came first on a connection, which is lent. `true`: it is taken, or answered. */
export type Take = (bytes: Buffer, caller: HalfOpenConn) => boolean;

/** Its address has as many as it may that have not asked yet. */
const EXCESS = "max_half_open_per_address";

/** Who stands behind a door. */
interface DoorParts {
  /** See `ListenOptions`. */
  readonly readUpgrades: "here" | "node:http" | undefined;
  /** WebSockets have a place in the listener below, which somebody else may count, too. */
  readonly keepsPlaces: boolean;
  readonly take: Take;
  /** Told of each connection that is not let in. */
  readonly refused: (refusal: ConnectionRefusal) => void;
}

/** Bytes of one that waits for its answer that are read ahead of it. */
const MAX_EARLY_BYTES = 16_384;

/** Longest time between two looks at who has not asked yet, in milliseconds. */
const MAX_PERIOD_MS = 1_000;

let readsByDefault = process.env["ZOCALO_NO_OWN_UPGRADES"] === undefined;

/**
 * For tests: whether the upgrades of what listens from now on are read here where `readUpgrades` does not
 * say. Default `true`, or `false` where the environment has `ZOCALO_NO_OWN_UPGRADES`, for measurements.
 */
export function setOwnUpgrades(isOn: boolean): void {
  readsByDefault = isOn;
}

/**
 * Where connections of a listener arrive, to ask for a WebSocket: reads the first bytes of each by its
 * transport, and lets `take` have it. One that is not taken goes on to an HTTP server with its bytes, as if
 * nobody had looked. One that is no WebSocket in time, however much it says, is cut. Until then it counts for
 * `maxHalfOpenPerAddress`.
 */
export class Door implements Monitored {
  slot = -1;
  readonly keepsPlaces: boolean;
  readonly #server: Server;
  readonly #take: Take;
  readonly #refused: DoorParts["refused"];
  readonly #limits: AddressLimits;
  /** Those that have not asked yet. */
  readonly #arrivals = new Roster<HalfOpenConn>();
  /** Of those, the ones that `node:http` has. */
  readonly #atHttp = new Map<object, HalfOpenConn>();
  /** Upgrades may be read here, and not by `node:http`. */
  readonly #reads: boolean;
  #isStopped = false;
  readonly #periodMs: number;
  /** How many checks a connection that is no WebSocket lives to see. */
  readonly #checks: number;

  /**
   * @param timeoutMs how long a connection may take to ask for an upgrade.
   */
  constructor(
    server: Server,
    timeoutMs: number,
    limits: AddressLimits,
    { readUpgrades, keepsPlaces, take, refused }: DoorParts,
  ) {
    this.#reads = readUpgrades === undefined ? readsByDefault : readUpgrades === "here";
    this.keepsPlaces = keepsPlaces;
    this.#refused = refused;
    this.#server = server;
    this.#limits = limits;
    this.#take = take;
    this.#periodMs = Math.max(1, Math.min(MAX_PERIOD_MS, Math.floor(timeoutMs / 4)));
    this.#checks = Math.ceil(timeoutMs / this.#periodMs);
  }

  /** A connection that the listener below has accepted. */
  arrived(conn: Conn): void {
    if (this.#isStopped) return cut(conn); // It was on its way.
    const host = hostOf(conn.remoteAddr);
    const holder = this.#limits.halfOpen.take(host);
    if (holder === undefined) {
      this.#refused({ reason: EXCESS, remoteAddr: conn.remoteAddr, error: undefined });
      traceRefused(undefined, EXCESS, () => conn.remoteAddr);
      return cut(conn);
    }
    const arrival = new HalfOpenConn(this, conn, host, holder, this.#checks);
    this.#arrivals.add(arrival);
    if (this.slot === -1) monitor(this, this.#periodMs);
    // OpenSSL is still busy with what came with the end of the handshake, and writes nothing before it is
    // through. An answer to a request that came together with the peer's end would not leave.
    if (conn.localAddr.network === "tls") setImmediate(() => arrival.start(this.#reads));
    else arrival.start(this.#reads);
  }

  /** Ends the connections that have not asked yet. */
  stop(): void {
    this.#isStopped = true;
    this.#arrivals.forEach((arrival) => arrival.end());
  }

  /** What came by `node:http` has asked for an upgrade. */
  asked(stream: object): void {
    const arrival = this.#atHttp.get(stream);
    if (arrival !== undefined) this.gone(arrival);
  }

  /** `HalfOpenConn`: these are its first bytes. */
  came(arrival: HalfOpenConn, bytes: Buffer): boolean {
    const isTaken = this.#take(bytes, arrival);
    if (isTaken) this.gone(arrival);
    return isTaken;
  }

  /** `HalfOpenConn`: this is for `node:http`. */
  toHttp(arrival: HalfOpenConn, stream: Duplex): void {
    this.#atHttp.set(stream, arrival);
    stream.on("close", () => this.gone(arrival));
    this.#server.emit("connection", stream);
    stream.resume();
  }

  /** `HalfOpenConn`: it has asked, or is no more. May be called again. */
  gone(arrival: HalfOpenConn): void {
    if (!this.#arrivals.delete(arrival)) return;
    if (arrival.stream !== undefined) this.#atHttp.delete(arrival.stream);
    this.#limits.halfOpen.release(arrival.holder);
  }

  checkPeer(): void {
    this.#arrivals.forEach((arrival) => arrival.check());
    // Here, not when the last one goes: they come and go by the thousands.
    if (this.#arrivals.size === 0) unmonitor(this, this.#periodMs);
  }
}

/** A connection that may ask for a WebSocket. */
export class HalfOpenConn implements Caller, TransportSink, RosterMember {
  slot = -1;
  readonly host: string;
  readonly holder: Holder;
  isGone = false;
  /** What `node:http` has. */
  stream: Duplex | undefined;
  readonly #door: Door;
  readonly #conn: Conn;
  readonly #below: UnusedConn | undefined;
  #checksLeft: number;
  /** What has come while the answer takes a while. */
  #early: Buffer[] | undefined;
  #earlyBytes = 0;
  #hasEnded = false;
  /** What the application's functions have got for `request.socket`. */
  #shown: Duplex | undefined;

  constructor(door: Door, conn: Conn, host: string, holder: Holder, checks: number) {
    this.#door = door;
    this.#conn = conn;
    this.host = host;
    this.holder = holder;
    this.#below = unused(conn);
    this.#below?.transport.attach(this);
    this.#checksLeft = checks;
  }

  /** @param isRead here, and not by `node:http`. */
  start(isRead: boolean): void {
    const below = this.#below;
    if (this.isGone) return;
    if (below === undefined) this.#toHttp(httpStream(this.#conn));
    else if (isRead) below.transport.resume();
    else this.#toHttp(this.#streamOf(below));
  }

  check(): void {
    this.#checksLeft--;
    if (this.#checksLeft >= 0) return;
    // What `node:http` has it may be in the middle of answering.
    if (this.#conn.bytesWritten === 0) {
      if (this.stream === undefined) this.#below?.transport.write(TIMED_OUT);
      else this.stream.write(TIMED_OUT);
    }
    this.end();
  }

  end(): void {
    this.isGone = true;
    this.#door.gone(this);
    if (this.stream !== undefined) this.stream.destroy();
    else if (this.#below !== undefined) this.#below.transport.destroy();
    else this.#conn.abort(); // It has not come to its stream.
  }

  // What the transport tells, until there is a WebSocket.

  onBytes(bytes: Uint8Array): boolean {
    const below = this.#below;
    if (this.#early !== undefined) {
      this.#early.push(Buffer.from(bytes));
      this.#earlyBytes += bytes.length;
      return this.#earlyBytes < MAX_EARLY_BYTES;
    }
    if (below === undefined || this.#door.came(this, asBuffer(bytes))) return true;
    below.transport.pause();
    const own = Buffer.from(bytes);
    queueMicrotask(() => this.#toHttpWith(own, below)); // Not while its socket is telling what it has read.
    return true;
  }

  onEnd(): void {
    if (this.#early === undefined) this.end();
    else this.#hasEnded = true; // It still reads.
  }

  onWritten(): void {
    // It is not told anything that anybody waits for.
  }

  onWriteFailed(): void {
    // The end of the transport follows.
  }

  onFinish(): void {
    // Nobody ends it in order.
  }

  onClose(error: unknown): void {
    this.isGone = true;
    this.#door.gone(this);
    this.#below?.onClose(error);
    if (!(this.#shown instanceof Socket)) this.#shown?.destroy(); // It tells those who listen to it.
  }

  // Who asks.

  get remoteAddr(): Addr {
    return this.#conn.remoteAddr;
  }

  get localAddress(): string | undefined {
    const { localAddr } = this.#conn;
    return "host" in localAddr ? localAddr.host : undefined;
  }

  wait(): void {
    this.#early = []; // It is read on: else a peer that resets meanwhile would not be noticed.
  }

  get early(): Early | undefined {
    const early = this.#early;
    return early && { bytes: Buffer.concat(early), hasEnded: this.#hasEnded };
  }

  take(): Transport | undefined {
    const below = this.#below;
    if (this.#shown?.destroyed) this.#destroyed();
    if (this.isGone) return undefined;
    if (!this.#door.keepsPlaces) below?.over();
    return below?.transport;
  }

  get onOver(): (() => void) | undefined {
    return this.#below && this.#door.keepsPlaces ? () => this.#over() : undefined;
  }

  /** The application has destroyed what it was shown. */
  #destroyed(): void {
    this.isGone = true;
    const below = this.#below;
    if (below === undefined) return;
    below.transport.attach(below);
    below.transport.destroy();
  }

  /** The place in the listener below is free. */
  #over(): void {
    const shown = this.#shown;
    if (shown === undefined || shown instanceof Socket) return this.#below?.over();
    traceEndElsewhere(shown);
    this.#below?.onClose(undefined);
    shown.destroy(); // It tells those who listen to it.
  }

  refuse(refusal: Refusal): void {
    const below = this.#below;
    traceRefused(refusal.status, refusal.reason, () => this.remoteAddr);
    if (this.isGone || below === undefined) return;
    below.transport.attach(below);
    // If it is not taken the peer is gone. `traceRefused` has told why it was refused.
    void below.write(Buffer.from(refusalText(refusal)));
    void below.close();
  }

  /** A stream for `request.socket`. */
  socketFor(): Duplex {
    const socket = this.#below && socketOf(this.#below);
    // A connection that breaks tells that to its stream, to which the application need not listen.
    return (this.#shown = socket ?? connStream(this.#conn).on("error", () => undefined));
  }

  #toHttpWith(bytes: Buffer, below: UnusedConn): void {
    if (this.isGone) return;
    const stream = this.#streamOf(below);
    stream.unshift(bytes);
    this.#toHttp(stream);
  }

  #streamOf(below: UnusedConn): Duplex {
    const socket = releaseSocket(below);
    if (socket !== undefined) return socket;
    below.transport.attach(below); // From now on a stream uses it.
    return httpStream(below);
  }

  #toHttp(stream: Duplex): void {
    this.stream = stream;
    this.#door.toHttp(this, stream);
  }
}

/** Without a reset, unless it is in use. */
function cut(conn: Conn): void {
  const below = unused(conn);
  if (below === undefined) conn.abort();
  else below.transport.destroy();
}

function asBuffer(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
