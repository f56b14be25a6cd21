import type { Server } from "node:http";
import type { Socket } from "node:net";
import { type AcceptedSocket, acceptSockets, type FirstReader, firstReaderOf } from "./accept-sockets.ts";
import { Roster, type Seated } from "@zocalo/net";

/** What `node:http` answers to whoever does not begin a request in time. */
const TIMED_OUT = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n";

/** Looks at what came first on a connection. `true`: it is taken, and nobody else may use it. The bytes are lent: their memory will be used again. */
export type Take = (bytes: Buffer, socket: Socket) => boolean;

type ToHttp = (this: Server, socket: Socket) => void;

/** How often to look for connections that have had `timeoutMs`, in milliseconds. */
export function checkIntervalMs(timeoutMs: number): number {
  return Math.max(10, Math.min(1_000, timeoutMs / 4));
}

let isOff = false;

/** Leaves all connections of what listens from now on to `node:http`, or not: for tests and measurements of the other way. */
export function setFirstBytes(isOn: boolean): void {
  isOff = !isOn;
}

/**
 * Stands before an HTTP server: reads the first bytes of each connection, and lets `take` have it. One that is not taken goes on to the server with its bytes, as if
 * nobody had looked. One that says nothing is ended as the server would end it.
 *
 * The server must be new: what handles its connections is the one listener that Node gave it. Should a Node do that otherwise, all go to the server.
 */
export class FirstBytes {
  readonly #server: Server;
  readonly #take: Take;
  readonly #toHttp: ToHttp | undefined;
  readonly #silent = new Roster<Arrival>();
  readonly #intervalMs: number;
  /** How many checks a silent connection lives to see. */
  readonly #checks: number;
  #timer: NodeJS.Timeout | undefined;

  /** @param timeoutMs how long a connection may say nothing. */
  constructor(server: Server, timeoutMs: number, take: Take) {
    this.#server = server;
    this.#take = take;
    this.#intervalMs = checkIntervalMs(timeoutMs);
    this.#checks = Math.ceil(timeoutMs / this.#intervalMs);
    // A TLS server has both; there `connection` is of those that have not shaken hands.
    const event = server.listenerCount("secureConnection") > 0 ? "secureConnection" : "connection";
    const [toHttp, ...others] = server.listeners(event);
    if (isOff || toHttp === undefined || others.length > 0) return;
    this.#toHttp = toHttp as ToHttp;
    server.removeAllListeners(event);
    const isAcceptedHere =
      event === "connection" && acceptSockets(server, (socket) => this.#arrived(socket, true));
    if (!isAcceptedHere) server.on(event, (socket: Socket) => this.#arrived(socket, false));
  }

  /** Ends the connections that have said nothing yet. */
  stop(): void {
    this.#silent.forEach((arrival) => arrival.end());
  }

  #arrived(socket: Socket, isAcceptedHere: boolean): void {
    if (this.#timer === undefined) this.#startTimer();
    const arrival = new Arrival(this, socket, isAcceptedHere, this.#checks);
    this.#silent.add(arrival);
    arrival.start();
  }

  /** `Arrival`: these are its first bytes. */
  came(arrival: Arrival, bytes: Buffer): void {
    this.#silent.delete(arrival);
    const { socket } = arrival;
    if (this.#take(bytes, socket)) return;
    socket.pause();
    socket.unshift(Buffer.from(bytes));
    this.#toHttp?.call(this.#server, socket);
    socket.resume();
  }

  /** `Arrival`: it is gone. */
  gone(arrival: Arrival): void {
    this.#silent.delete(arrival);
  }

  #startTimer(): void {
    this.#timer = setInterval(() => {
      this.#silent.forEach((arrival) => arrival.check());
      if (this.#silent.size > 0) return;
      // Here, not when the last one goes: they come and go by the thousands.
      clearInterval(this.#timer);
      this.#timer = undefined;
    }, this.#intervalMs);
    this.#timer.unref();
  }
}

/** A connection of which nothing is known yet. */
class Arrival implements FirstReader, Seated {
  seat = -1;
  readonly socket: AcceptedSocket;
  readonly #door: FirstBytes;
  readonly #isAcceptedHere: boolean;
  #checksLeft: number;

  constructor(door: FirstBytes, socket: Socket, isAcceptedHere: boolean, checks: number) {
    this.#door = door;
    this.socket = socket;
    this.#isAcceptedHere = isAcceptedHere;
    this.#checksLeft = checks;
  }

  start(): void {
    const { socket } = this;
    socket[firstReaderOf] = this;
    socket.on("error", onGone);
    socket.on("end", onGone);
    if (!this.#isAcceptedHere) socket.on("data", onData);
  }

  received(bytes: Buffer): void {
    const { socket } = this;
    socket[firstReaderOf] = undefined;
    socket.off("error", onGone);
    socket.off("end", onGone);
    if (!this.#isAcceptedHere) socket.off("data", onData);
    this.#door.came(this, bytes);
  }

  check(): void {
    this.#checksLeft--;
    if (this.#checksLeft >= 0) return;
    this.socket.write(TIMED_OUT);
    this.end();
  }

  end(): void {
    this.#door.gone(this);
    this.socket.destroy();
  }
}

function onData(this: AcceptedSocket, bytes: Buffer): void {
  this[firstReaderOf]?.received(bytes);
}

function onGone(this: AcceptedSocket): void {
  const arrival = this[firstReaderOf];
  if (arrival instanceof Arrival) arrival.end();
}
