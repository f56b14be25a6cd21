import { type IncomingMessage, maxHeaderSize, type Server } from "node:http";
import type { Duplex } from "node:stream";
import type { Addr, Conn, Deadline, Listener, WaitOptions } from "@zocalo/net";
import { type Accepted, AcceptQueue, netErrorFrom, tell } from "@zocalo/net/transport";
import { CLOSE } from "../core/close-frame.ts";
import type { WebSocketNetError } from "../core/error.ts";
import { readRequestHead } from "../handshake/request-head.ts";
import type { Refusal } from "../handshake/server.ts";
import type { WebSocketConn } from "../session/conn.ts";
import { OpenedConn } from "../session/opened-conn.ts";
import { traceListening, traceStopped } from "../session/trace.ts";
import { type Caller, StreamCaller } from "./caller.ts";
import type { HalfOpenConn } from "./door.ts";
import type { Handshakes } from "./handshakes.ts";
import { incomingMessage } from "../node/incoming-message.ts";
import type { AttachOptions } from "./listen-options.ts";
import {
  addressFullRefusal,
  closedRefusal,
  fullRefusal,
  queueFullRefusal,
  reasonOf,
  refusedError,
  type WebSocketRefusal,
} from "./refusal.ts";
import { addRoute, isAt, removeRoute, type Route } from "./routes.ts";

const NOTHING = Buffer.alloc(0);

/** What stands before a listener. */
export interface ListenerSource {
  stop(): void | Promise<void>;
  /** This stream has asked for an upgrade. */
  asked(stream: Duplex): void;
  /** It holds the process, or does not. */
  holdProcess(holds: boolean): void;
}

/** Accepts what asks for a WebSocket at an HTTP server, or at the `Door` before it. */
export class UpgradeListener implements Listener<WebSocketConn> {
  readonly addr: Addr;
  readonly #server: Server;
  readonly #handshakes: Handshakes;
  readonly #options: AttachOptions;
  readonly #queue: AcceptQueue<OpenedConn>;
  #isClosed = false;

  constructor(
    server: Server,
    addr: Addr,
    handshakes: Handshakes,
    options: AttachOptions,
    source: ListenerSource,
  ) {
    this.addr = addr;
    this.#server = server;
    this.#handshakes = handshakes;
    handshakes.owner = {
      ended: (conn) => this.#queue.ended(conn),
      refusalFor: (host) => this.#refusalFor(host),
      offer: (conn, host) => this.#offer(conn, host),
    };
    this.#options = options;
    const route: Route = {
      path: options.path,
      accept: (request, socket, head) => {
        source.asked(socket);
        this.#accept(request, head, new StreamCaller(socket));
      },
    };
    this.#queue = new AcceptQueue<OpenedConn>({
      addr: this.addr,
      network: "websocket",
      maxPending: options.maxPending,
      maxConnections: options.maxConnections,
      exemptAddresses: options.exemptAddresses,
      holdProcess: (holds) => source.holdProcess(holds),
      stop: () => {
        this.#isClosed = true;
        removeRoute(server, route);
        traceStopped(this);
        return source.stop();
      },
    });
    addRoute(server, route);
    traceListening(this);
  }

  /** Takes what `below` accepts until that ends. */
  async acceptFrom(below: Listener<Conn>, arrived: (conn: Conn) => void): Promise<void> {
    try {
      // Hot path (bench: websocket, upgrades): a loop would have a promise for each connection.
      if (givesEach(below)) await below.takeEach(arrived);
      else for await (const conn of below) arrived(conn);
      await this.#queue.close();
    } catch (error) {
      this.#queue.fail(netErrorFrom(error, { op: "accept", network: "websocket", localAddr: this.addr }));
    }
  }

  accept(options?: WaitOptions): Promise<WebSocketConn> {
    return this.#queue.accept(options);
  }

  [Symbol.asyncIterator](): AsyncIterator<WebSocketConn> {
    return this.#queue[Symbol.asyncIterator]();
  }

  close(): Promise<void> {
    return this.#queue.close();
  }

  /** Also closes each connection with 1001, "going away". */
  drain(deadline: Deadline, options?: WaitOptions): Promise<void> {
    const drained = this.#queue.drain(deadline, options);
    this.#queue.forEachOpen((conn) => void conn.close(CLOSE.goingAway, "going away"));
    return drained;
  }

  /** Also cuts who waits for `checkOrigin` or `authorize`. */
  abort(): Promise<void> {
    this.#handshakes.abort();
    return this.#queue.abort();
  }

  unref(): void {
    this.#queue.unref();
  }

  ref(): void {
    this.#queue.ref();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * `Door`: upgrades what is read without doubt, or refuses it, just as if it had come by `upgrade`. False:
   * nothing was done.
   */
  take(bytes: Buffer, caller: HalfOpenConn): boolean {
    const request = readRequestHead(bytes, maxHeaderSize);
    if (request === undefined || !isAt(this.#options.path, request.url)) return false;
    const rest = bytes.subarray(request.byteLength);
    const head = rest.length === 0 ? NOTHING : Buffer.from(rest); // They are lent.
    const isFull = this.#queue.isFullFor(caller.host);
    const conn = isFull ? undefined : this.#handshakes.upgradeUnasked({ request, head, caller });
    if (conn !== undefined) {
      this.#offer(conn, caller.host);
      return true;
    }
    const message = incomingMessage(request, caller.socketFor(), this.#server);
    if (message === undefined) return false;
    this.#accept(message, head, caller);
    return true;
  }

  #accept(request: IncomingMessage, head: Buffer, caller: Caller): void {
    const { host } = caller;
    const refusal = this.#refusalFor(host);
    if (refusal !== undefined) {
      caller.refuse(refusal);
      this.#failed(refusedError(refusal), request, caller);
      return;
    }
    try {
      const conn = this.#handshakes.upgrade({ request, head, caller });
      if (conn instanceof OpenedConn) this.#offer(conn, host);
      // By `Handshakes` it is offered.
      else conn.catch((error: unknown) => this.#failed(error, request, caller));
    } catch (error) {
      this.#failed(error, request, caller);
    }
  }

  /** The peer was answered. */
  #failed(error: unknown, request: IncomingMessage, { remoteAddr }: Caller): void {
    const failure = error as WebSocketNetError;
    this.refused({ reason: reasonOf(failure), remoteAddr, error: failure, request });
  }

  /** Tells the application. */
  refused(refusal: WebSocketRefusal): void {
    tell(this.#options.onRefuse, refusal);
  }

  #refusalFor(host: string): Refusal | undefined {
    const { maxConnections = Number.POSITIVE_INFINITY } = this.#options;
    if (this.#isClosed) return closedRefusal;
    if (this.#queue.openCount >= maxConnections) return fullRefusal;
    if (this.#queue.isFull) return queueFullRefusal;
    return this.#queue.isFullFor(host) ? addressFullRefusal : undefined;
  }

  #offer(conn: OpenedConn, host: string): void {
    if (this.#queue.offer(conn, host)) return;
    void conn.close(CLOSE.goingAway, "going away"); // Nobody has it who could be told how it ends.
  }
}

/** It is one of net's, and nobody has replaced how it gives its connections. */
function givesEach(below: Listener<Conn>): below is AcceptQueue<Conn & Accepted> {
  // oxlint-disable-next-line typescript/unbound-method -- they are only compared
  const ofQueue = AcceptQueue.prototype[Symbol.asyncIterator];
  return below instanceof AcceptQueue && below[Symbol.asyncIterator] === ofQueue;
}
