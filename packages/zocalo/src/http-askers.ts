import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { type AddressSet, visitorOf } from "@zocalo/net";

/**
 * Requests of one connection that wait for their answers; with one more it is cut. Node takes up to 2 MiB of
 * them before it is anybody else's turn, sixty thousand requests: answering them took four seconds, and 20 MB
 * of each connection that did not read. Browsers send one at a time.
 */
export const MAX_UNANSWERED = 16;

/** What is allowed to those who ask. */
export interface AskerLimits {
  /**
   * Connections and requests of one address in a second; one more and its connections are cut, and new ones
   * closed until the second is over.
   */
  readonly perSecondPerAddress: number;
  /** Who has no such limit. */
  readonly exempt: AddressSet;
  /** How long it may take until an answer was taken, in milliseconds. */
  readonly answerTimeoutMs: number;
  /**
   * How long a connection may be without a request after the first one, in milliseconds, whatever else comes.
   */
  readonly idleTimeoutMs: number;
  /** How often to look, in milliseconds. */
  readonly checkMs: number;
  /** Told whenever no request waits for its answer any more. */
  readonly onAllAnswered: () => void;
}

/** An address that asks, or has asked in this second. */
interface Visitor {
  readonly sockets: Set<Socket>;
  asked: number;
}

/** A connection that is no WebSocket, or not yet. */
interface Asker {
  readonly visitor: Visitor;
  /** One of the hosts of that address. */
  readonly host: string;
  unanswered: number;
  /** When it may be cut for time, in checks; 0 until its first request, for which Node has a time. */
  checksLeft: number;
}

/**
 * The connections of an HTTP server that are not WebSockets: cuts those that ask for too much at once, and
 * those that do not take what they asked for.
 */
export class Askers {
  readonly #limits: AskerLimits;
  readonly #mostPerCheck: number;
  readonly #visitors = new Map<string, Visitor>();
  readonly #askers = new Map<Socket, Asker>();
  #unanswered = 0;

  constructor(server: Server, limits: AskerLimits) {
    this.#limits = limits;
    this.#mostPerCheck = Math.max(1, (limits.perSecondPerAddress * limits.checkMs) / 1_000);
    server.once("listening", () => {
      const timer = setInterval(() => this.#check(), limits.checkMs).unref();
      server.once("close", () => clearInterval(timer));
    });
  }

  /** Requests that wait for their answers, or until those were taken. */
  get unanswered(): number {
    return this.#unanswered;
  }

  /** A new connection. False: its address asks for too much, and it is to be closed. */
  connected(socket: Socket, host: string): boolean {
    const name = visitorOf(host);
    let visitor = this.#visitors.get(name);
    if (visitor === undefined) {
      visitor = { sockets: new Set(), asked: 0 };
      this.#visitors.set(name, visitor);
    }
    if (!this.#mayAsk(visitor, host)) return false;
    visitor.sockets.add(socket);
    this.#askers.set(socket, { visitor, host, unanswered: 0, checksLeft: 0 });
    socket.once("close", () => this.#gone(socket));
    return true;
  }

  /** A request. False: it is not to be answered, since its connection is cut. */
  asked({ socket }: IncomingMessage, response: ServerResponse): boolean {
    const asker = this.#askers.get(socket);
    if (asker === undefined) return false;
    // Node goes on with what it had read of a connection that is cut, which is work, too.
    if (!this.#mayAsk(asker.visitor, asker.host)) for (const each of asker.visitor.sockets) each.destroy();
    if (socket.destroyed) return false;
    if (asker.unanswered >= MAX_UNANSWERED) {
      socket.destroy();
      return false;
    }
    asker.unanswered++;
    this.#unanswered++;
    const { answerTimeoutMs, idleTimeoutMs } = this.#limits;
    if (asker.unanswered === 1) asker.checksLeft = this.#checksOf(answerTimeoutMs);
    // Node 20 does not tell those that wait behind another one when their connection is over.
    response.once("close", () => {
      if (!this.#askers.has(socket)) return;
      asker.checksLeft = this.#checksOf(asker.unanswered === 1 ? idleTimeoutMs : answerTimeoutMs);
      this.#answered(asker, 1);
    });
    return true;
  }

  /**
   * This connection asks to be a WebSocket. Not told by an `upgrade` listener, beside which `attach` would
   * leave other paths unanswered.
   */
  upgrading(socket: Socket): void {
    this.#gone(socket);
  }

  #mayAsk(visitor: Visitor, host: string): boolean {
    visitor.asked++;
    return visitor.asked <= this.#mostPerCheck || this.#limits.exempt.has(host);
  }

  /** One more, since the first one comes early. A process that stood still counts one check. */
  #checksOf(ms: number): number {
    return Math.ceil(ms / this.#limits.checkMs) + 1;
  }

  #gone(socket: Socket): void {
    const asker = this.#askers.get(socket);
    if (asker === undefined) return;
    asker.visitor.sockets.delete(socket);
    this.#askers.delete(socket);
    this.#answered(asker, asker.unanswered);
  }

  #answered(asker: Asker, count: number): void {
    asker.unanswered -= count;
    this.#unanswered -= count;
    if (this.#unanswered === 0) this.#limits.onAllAnswered();
  }

  #check(): void {
    for (const [name, visitor] of this.#visitors) {
      visitor.asked = 0;
      if (visitor.sockets.size === 0) this.#visitors.delete(name);
    }
    for (const [socket, asker] of this.#askers) {
      if (asker.checksLeft > 0 && --asker.checksLeft === 0) socket.destroy();
    }
  }
}
