import type { Server } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type Addr, type AddressLimits, type Holder, ipAddr, type RefusalReason } from "@zocalo/net";
import {
  netErrorFrom,
  peerEnd,
  Roster,
  type RosterMember,
  type SocketEnd,
  type TlsHandshakes,
} from "@zocalo/net/transport";
import { traceRefused } from "../session/trace.ts";
import type { Refused } from "./refusal.ts";
import { hostOfEnd } from "./upgrader.ts";

/** What `node:http` answers to whoever does not begin a request in time. */
const TIMED_OUT = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n";

/** Looks at what came first on a connection. `true`: it is taken, and nobody else may use it. */
export type Take = (bytes: Buffer, socket: Duplex, remote: SocketEnd | undefined) => boolean;

/** Does a TLS handshake. Resolves with `undefined` if it failed; then the socket is destroyed. Never rejects. */
export type Secure = (socket: Socket) => Promise<Socket | undefined>;

/** Does handshakes, and tells of those that fail. */
export function secureBy(handshakes: TlsHandshakes, localAddr: Addr, refused: Refused): Secure {
  return async (socket) => {
    const remoteAddr = ipAddr("tcp", socket.remoteAddress ?? "", socket.remotePort ?? 0);
    const site = { op: "accept", network: "websocket", localAddr, remoteAddr } as const;
    try {
      return (await handshakes.secure(socket, site)).socket;
    } catch (error) {
      refused("handshake", remoteAddr, netErrorFrom(error, site));
      return undefined;
    }
  };
}

type ToHttp = (this: Server, socket: Duplex) => void;

/** How often to look for connections that have had `timeoutMs`, in whole milliseconds: `node:http` takes no others. */
export function checkIntervalMs(timeoutMs: number): number {
  return Math.max(10, Math.min(1_000, Math.floor(timeoutMs / 4)));
}

let isOff = process.env["ZOCALO_NO_OWN_UPGRADES"] !== undefined;

/**
 * Leaves all connections of what listens from now on to `node:http`, or not: for tests and measurements of
 * the other way. The environment variable `ZOCALO_NO_OWN_UPGRADES` does the first.
 */
export function setFirstBytes(isOn: boolean): void {
  isOff = !isOn;
}

/**
 * Stands before an HTTP server: reads the first bytes of each connection, and lets `take` have it. One that is not taken goes on to the server with its bytes, as if
 * nobody had looked. One that says nothing is ended as the server would end it; one that says something and is no WebSocket in time, however much
 * it says, is cut. Until then it counts for `maxHalfOpenPerAddress`, and behind TLS, before that, for `maxHandshakesPerAddress`.
 *
 * The server must be new: what handles its connections is the one listener that Node gave it. Should a Node do that otherwise, all go to the server.
 */
export class FirstBytes {
  readonly #server: Server;
  readonly #take: Take;
  readonly #refused: Refused;
  readonly #toHttp: ToHttp | undefined;
  readonly #limits: AddressLimits;
  /** Those that are not WebSockets, yet. */
  readonly #arrivals = new Roster<Arrival>();
  /** Of those, the ones that `node:http` has. */
  readonly #atHttp = new Map<object, Arrival>();
  /** Sockets in a TLS handshake. */
  readonly #shaking = new Set<Socket>();
  /** Upgrades may be read here, and not by `node:http`. */
  readonly #reads = !isOff;
  readonly #intervalMs: number;
  /** How many checks a connection that is no WebSocket lives to see. */
  readonly #checks: number;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param timeoutMs how long a connection may take to ask for an upgrade.
   * @param given.secure does the TLS handshake, if there is one. Then nothing that has not done it gets to the server.
   */
  constructor(
    server: Server,
    timeoutMs: number,
    limits: AddressLimits,
    {
      take,
      secure,
      refused,
    }: { readonly take: Take; readonly secure: Secure | undefined; readonly refused: Refused },
  ) {
    this.#server = server;
    this.#limits = limits;
    this.#take = take;
    this.#refused = refused;
    this.#intervalMs = checkIntervalMs(timeoutMs);
    this.#checks = Math.ceil(timeoutMs / this.#intervalMs);
    const ofServer = server.listeners("connection") as ToHttp[];
    const [toHttp, ...others] = ofServer;
    if (!isOff && others.length === 0) this.#toHttp = toHttp;
    if (secure !== undefined) {
      server.removeAllListeners("connection");
      const toServer = (socket: Socket): void =>
        ofServer.forEach((listener) => listener.call(server, socket));
      const next = this.#toHttp === undefined ? toServer : (socket: Socket): void => this.#arrived(socket);
      server.on("connection", (socket: Socket) => void this.#shake(socket, secure, next));
    } else if (this.#toHttp !== undefined) {
      server.removeAllListeners("connection");
      server.on("connection", (socket: Socket) => this.#arrived(socket));
    }
  }

  /** Ends the connections that are not WebSockets yet, those in a TLS handshake too. */
  stop(): void {
    for (const socket of this.#shaking) cut(socket);
    this.#arrivals.forEach((arrival) => arrival.end());
  }

  /** What came by `node:http` has asked for an upgrade. */
  asked(socket: object): void {
    const arrival = this.#atHttp.get(socket);
    if (arrival !== undefined) this.gone(arrival);
  }

  /** Who fails was told by TLS, and the application by `secure`. */
  async #shake(socket: Socket, secure: Secure, next: (socket: Socket) => void): Promise<void> {
    const { handshakes } = this.#limits;
    const remote = peerEnd(socket);
    const holder = handshakes.take(hostOfEnd(remote));
    if (holder === undefined) {
      this.#refused("max_handshakes_per_address", remote, undefined);
      return excess(socket, "max_handshakes_per_address");
    }
    // As `node:https` has it: whoever ends is answered by an end.
    socket.allowHalfOpen = false;
    this.#shaking.add(socket);
    const secured = await secure(socket);
    // OpenSSL is still busy with what came with the end of the handshake, and writes nothing before it is through. An answer to a request that came
    // together with the peer's end would not leave.
    secured?.on("error", ignore);
    await new Promise((resolve) => setImmediate(resolve));
    secured?.off("error", ignore);
    this.#shaking.delete(socket);
    handshakes.release(holder);
    if (secured?.destroyed === false) next(secured);
  }

  /** A connection that did not come by the server's own socket. */
  arrived(socket: Duplex): void {
    this.#arrived(socket);
  }

  #arrived(socket: Duplex): void {
    const { halfOpen } = this.#limits;
    const remote = peerEnd(socket);
    const holder = halfOpen.take(hostOfEnd(remote));
    if (holder === undefined) {
      this.#refused("max_half_open_per_address", remote, undefined);
      return excess(socket, "max_half_open_per_address");
    }
    if (this.#timer === undefined) this.#startTimer();
    const arrival = new Arrival(this, socket, remote, holder, this.#checks);
    this.#arrivals.add(arrival);
    arrival.start();
  }

  /** `Arrival`: these are its first bytes. */
  came(arrival: Arrival, bytes: Buffer): void {
    const { socket, remote } = arrival;
    if (this.#reads && this.#take(bytes, socket, remote)) return this.gone(arrival);
    this.#atHttp.set(socket, arrival);
    const closed = (): void => this.gone(arrival);
    socket.on("close", closed);
    arrival.forget = () => socket.off("close", closed);
    socket.pause();
    socket.unshift(bytes);
    if (this.#toHttp === undefined) this.#server.emit("connection", socket);
    else this.#toHttp.call(this.#server, socket);
    socket.resume();
  }

  /** `Arrival`: it is a WebSocket, or no more. May be called again. */
  gone(arrival: Arrival): void {
    if (!this.#arrivals.delete(arrival)) return;
    if (this.#atHttp.delete(arrival.socket)) arrival.forget?.();
    this.#limits.halfOpen.release(arrival.holder);
  }

  #startTimer(): void {
    this.#timer = setInterval(() => {
      this.#arrivals.forEach((arrival) => arrival.check());
      if (this.#arrivals.size > 0) return;
      // Here, not when the last one goes: they come and go by the thousands.
      clearInterval(this.#timer);
      this.#timer = undefined;
    }, this.#intervalMs);
    this.#timer.unref();
  }
}

/**
 * Leads from a socket to the connection of which nothing is known yet, so that the listeners below need no
 * closure for each.
 */
const firstReaderOf: unique symbol = Symbol("first reader");

type AcceptedSocket = Duplex & { [firstReaderOf]?: Arrival | undefined };

/** A connection of which nothing is known yet. */
class Arrival implements RosterMember {
  slot = -1;
  readonly socket: AcceptedSocket;
  readonly remote: SocketEnd | undefined;
  readonly holder: Holder;
  /** Takes off what listens for the end of a connection that `node:http` has. */
  forget: (() => void) | undefined;
  readonly #door: FirstBytes;
  #checksLeft: number;

  constructor(
    door: FirstBytes,
    socket: Duplex,
    remote: SocketEnd | undefined,
    holder: Holder,
    checks: number,
  ) {
    this.#door = door;
    this.socket = socket;
    this.remote = remote;
    this.holder = holder;
    this.#checksLeft = checks;
  }

  start(): void {
    const { socket } = this;
    socket[firstReaderOf] = this;
    socket.on("error", onGone);
    socket.on("end", onGone);
    socket.on("data", onData);
  }

  received(bytes: Buffer): void {
    const { socket } = this;
    socket[firstReaderOf] = undefined;
    socket.off("error", onGone);
    socket.off("end", onGone);
    socket.off("data", onData);
    this.#door.came(this, bytes);
  }

  check(): void {
    this.#checksLeft--;
    if (this.#checksLeft >= 0) return;
    // What `node:http` has it may be in the middle of answering.
    if (this.socket[firstReaderOf] === this) this.socket.write(TIMED_OUT);
    this.end();
  }

  end(): void {
    this.#door.gone(this);
    this.socket.destroy();
  }
}

/** Its address has as many as it may. */
function excess(socket: Duplex, reason: RefusalReason): void {
  const end = peerEnd(socket);
  traceRefused(undefined, reason, () => end && ipAddr("tcp", end.host, end.port));
  cut(socket);
}

function cut(socket: Duplex): void {
  socket.on("error", ignore).destroy();
}

function ignore(): void {
  // The socket is destroyed, and nobody has it yet.
}

function onData(this: AcceptedSocket, bytes: Buffer): void {
  this[firstReaderOf]?.received(bytes);
}

function onGone(this: AcceptedSocket): void {
  this[firstReaderOf]?.end();
}
