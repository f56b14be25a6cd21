import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { AddressLimits, type Holder } from "@zocalo/net";
import {
  checkKind,
  checkNames,
  peerEnd,
  type SocketEnd,
  startTimer,
  startTrials,
  transportOf,
} from "@zocalo/net/transport";
import { WebSocketConn } from "../session/conn.ts";
import { Compression } from "../core/compression.ts";
import { WebSocketError } from "../core/error.ts";
import {
  acceptDeflate,
  type CompressionOptions,
  type CompressionSettings,
  compressionSettings,
} from "../handshake/deflate.ts";
import { checkHeaders, checkSubprotocols, headerFault } from "../handshake/added-fields.ts";
import { HostNames } from "../handshake/host-names.ts";
import { isRefusal, type Refusal, readUpgrade, type UpgradeRequest } from "../handshake/server.ts";
import { toOriginForm } from "../handshake/target.ts";
import {
  type ConnOptions,
  type ConnSettings,
  connOptionNames,
  connSettings,
  handshakeTimeout,
} from "../session/options.ts";
import { addressRefusal, originRefusal, refusedError } from "./refusal.ts";
import { refuse } from "./refuse.ts";
import { packRequest } from "../session/request-info.ts";
import { traceOpened } from "../session/trace.ts";
import type { HandshakeRequest } from "../handshake/fields.ts";

/** Headers from which on Node's parser may leave some out, unless the server says otherwise by `maxHeadersCount`. */
const NODE_MAX_HEADERS = 1000;

/** What an `upgrade` event brings. */
export interface Exchange<R extends HandshakeRequest = IncomingMessage> {
  readonly request: R;
  readonly socket: Duplex;
  readonly head: Buffer;
  /** Where the peer is, if that was asked for already. */
  readonly remote?: SocketEnd | undefined;
}

/** What the answer says besides the usual. */
interface Choice {
  readonly subprotocol: string | undefined;
  /** Header lines of the application. */
  readonly extraLines: string;
}

/** Nothing: let in. */
type Judgement = Refusal | undefined | void;

/** How an `Upgrader` upgrades. Names that are not listed here are refused (`invalid_argument`). */
export interface UpgraderOptions extends ConnOptions {
  /**
   * Names by which pages may call this server, without a port: `chat.example.org`, `*.example.org` for every name below it, an address; `*` for every name. Default: none but
   * `localhost` and its like over loopback, the address itself that is connected to, and with `listen` the name it was given. Behind a proxy or a forwarded
   * port this is the name or address that browsers use. `*` lets an attacker's page in whose name was turned towards this server (DNS rebinding). Not looked at if there is a `checkOrigin`.
   */
  readonly allowedHosts?: readonly string[] | undefined;
  /**
   * Whether a page from the request's `Origin` may connect. Default: a page of this server, by the names of `allowedHosts`, and programs that send no `Origin`.
   * Answering `true` to everything lets any web page use your users' cookies here. Refused with 403.
   */
  readonly checkOrigin?: ((request: IncomingMessage) => boolean | Promise<boolean>) | undefined;
  /**
   * Who may connect; called after the request was found valid and before it is answered. Answer nothing to let it in, or a `Refusal`.
   * If it throws, the answer is 500. Default: everybody.
   */
  readonly authorize?:
    | ((request: IncomingMessage) => Refusal | undefined | void | Promise<Refusal | undefined | void>)
    | undefined;
  /** Subprotocols in order of preference, or a function that chooses one of those offered. Default: none is chosen. */
  readonly subprotocols?:
    | readonly string[]
    | ((offered: readonly string[], request: IncomingMessage) => string | undefined)
    | undefined;
  /** Headers added to the answer, or a function that gives them. CR, LF and other control characters are refused. */
  readonly headers?:
    | Readonly<Record<string, string>>
    | ((request: IncomingMessage) => Readonly<Record<string, string>>)
    | undefined;
  /** permessage-deflate with clients that offer it: `true`, or how. Default false. It trades CPU for bandwidth. */
  readonly compression?: boolean | CompressionOptions | undefined;
  /** How long `checkOrigin` and `authorize` may take together, in milliseconds. Default 10,000; then the answer is 503. */
  readonly handshakeTimeoutMs?: number | undefined;
  /**
   * Most connections that one address has open or being authorized at once; one more is answered with 429 (RFC 6585 §4). An IPv6 /64 is one address. Default 1,000;
   * `Infinity`: no limit. The address is that of the TCP connection, and no header is believed: to the server all clients of a proxy are one, see `exemptAddresses`.
   */
  readonly maxConnectionsPerAddress?: number | undefined;
  /**
   * Who has no limit of its own, such as a proxy on another machine: addresses, networks as `"10.0.0.0/8"`, `"unix"`. Default `localAddresses` of `@zocalo/net`: this
   * machine. `[]` exempts nobody.
   */
  readonly exemptAddresses?: readonly string[] | undefined;
}

/** Every name of `UpgraderOptions`. */
export const upgraderOptionNames: Readonly<Record<keyof UpgraderOptions, 1>> = {
  ...connOptionNames,
  allowedHosts: 1,
  checkOrigin: 1,
  authorize: 1,
  subprotocols: 1,
  headers: 1,
  compression: 1,
  handshakeTimeoutMs: 1,
  maxConnectionsPerAddress: 1,
  exemptAddresses: 1,
};

/**
 * Turns HTTP requests into WebSocket connections, on any `http` or `https` server.
 *
 * @example
 * const upgrader = new Upgrader({ subprotocols: ["chat"] });
 * server.on("upgrade", (request, socket, head) => {
 *   upgrader.upgrade(request, socket, head).then(serve).catch(report);
 * });
 */
export class Upgrader {
  readonly #options: UpgraderOptions;
  readonly #settings: ConnSettings;
  readonly #names: HostNames;
  readonly #handshakeTimeoutMs: number;
  readonly #compression: CompressionSettings | undefined;
  /** The header lines of `options.headers`, if they are fixed. */
  readonly #headerLines: string | undefined;
  /** What each address holds. Not for applications: a listener counts here, too, what is not yet a request. */
  readonly limits: AddressLimits;
  /** Not for applications: told of the end of each connection. */
  onEnded: ((conn: WebSocketConn) => void) | undefined;
  /**
   * Not for applications: why there is no room now for one from there. Asked again where `checkOrigin` or
   * `authorize` took a while.
   */
  refusalNow: ((remote: SocketEnd | undefined) => Refusal | undefined) | undefined;
  /** Not for applications: given each connection that took a while, in the turn in which `refusalNow` was asked. */
  onOpenedLate: ((conn: WebSocketConn, remote: SocketEnd | undefined) => void) | undefined;
  /** One function for all connections. */
  readonly #ended = (conn: WebSocketConn): void => {
    if (conn.holder !== undefined) this.limits.connections.release(conn.holder);
    this.onEnded?.(conn);
  };

  /**
   * @param names Not for applications: what `options` may have, of a listener that has more.
   * @throws WebSocketError or NetError `invalid_argument`, naming the option; for a name that is not known, too.
   */
  constructor(options: UpgraderOptions = {}, names: object = upgraderOptionNames) {
    checkNames("listen", "a WebSocket listener", options, names);
    for (const name of ["checkOrigin", "authorize"] as const) {
      checkKind("listen", name, options[name], "function");
    }
    this.#options = options;
    this.#settings = connSettings(options);
    this.#names = new HostNames(options.allowedHosts);
    this.limits = new AddressLimits(options);
    this.#compression = compressionSettings(options.compression);
    this.#handshakeTimeoutMs = handshakeTimeout(options.handshakeTimeoutMs);
    const { headers = {}, subprotocols = [] } = options;
    this.#headerLines = typeof headers === "function" ? undefined : headerLines(headers);
    if (typeof subprotocols !== "function") checkSubprotocols(subprotocols);
    startTrials(); // So that there is an answer when the first connection comes.
  }

  /**
   * Answers the request of an `upgrade` event. A request that is not a valid upgrade gets its HTTP status and the socket is ended; so
   * does one that is not allowed. Nothing the peer sends from now on is lost, however late the application begins to read.
   *
   * @throws WebSocketError `refused` with the `status` that was sent, `timeout`, or `closed` if the peer left
   * first. The peer
   *   has been answered: there is nothing left to do but to log it. Catch it, for anybody can cause it: `upgrade(…).then(serve).catch(report)`, or `try` around the
   *   `await` in an `async` listener, whose promise Node does not look at. Or leave it to `attach`, which catches by itself.
   */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<WebSocketConn> {
    const upgrading = this.#upgrade({ request, socket, head });
    upgrading.catch(ignore); // The peer has been answered. A promise that is made of this one, by `await` or `then`, is the caller's to catch.
    return upgrading;
  }

  async #upgrade(exchange: Exchange): Promise<WebSocketConn> {
    return this.upgradeWith(exchange);
  }

  /**
   * Not for applications: `upgrade`, at once unless `checkOrigin` or `authorize` has to be waited for. Then what `upgrade` rejects with is thrown.
   *
   * @internal
   */
  upgradeWith(given: Exchange): WebSocketConn | Promise<WebSocketConn> {
    const remote = given.remote ?? peerEnd(given.socket);
    const { request, socket, head } = given;
    const exchange = { request, socket, head, remote };
    toOriginForm(request); // `readUpgrade` refuses what it returns false for.
    const { server } = request.socket as { server?: Server };
    const maxHeaders = server === undefined ? 0 : (server.maxHeadersCount ?? NODE_MAX_HEADERS);
    const asked = readUpgrade(request, maxHeaders);
    if (isRefusal(asked)) throw this.#refuse(socket, asked);
    const holder = this.#takeFor(remote);
    if (holder === undefined) throw this.#refuse(socket, addressRefusal);
    let refusal: Judgement | Promise<Judgement>;
    try {
      refusal = this.#judge(request, socket);
      if (!isPromise(refusal)) return this.#answer(exchange, asked, refusal ?? undefined, holder);
    } catch (error) {
      this.limits.connections.release(holder);
      throw this.#failed(socket, error);
    }
    return this.#answerLater(exchange, asked, refusal, holder);
  }

  /** Counts one more of this address; `undefined` if it has as many as it may. */
  #takeFor(remote: SocketEnd | undefined): Holder | undefined {
    return this.limits.connections.take(hostOfEnd(remote));
  }

  /**
   * Not for applications: `upgradeWith` for a request of which there is no `IncomingMessage`. `undefined`, and nothing was done, if the application's functions
   * want one, or if the answer is not 101.
   *
   * @internal
   */
  upgradeUnasked(exchange: Exchange<HandshakeRequest>): WebSocketConn | undefined {
    const { request, socket } = exchange;
    const { checkOrigin, authorize, subprotocols } = this.#options;
    const extraLines = this.#headerLines;
    if (checkOrigin !== undefined || authorize !== undefined || extraLines === undefined) return undefined;
    if (typeof subprotocols === "function" || !socket.writable) return undefined;
    if (!this.#names.isOwnPage(request, socket)) return undefined;
    const asked = readUpgrade(request);
    if (isRefusal(asked)) return undefined;
    const holder = this.#takeFor(exchange.remote);
    if (holder === undefined) return undefined;
    return this.#open(
      exchange,
      asked,
      { subprotocol: firstOffered(subprotocols, asked), extraLines },
      holder,
    );
  }

  async #answerLater(
    exchange: Exchange,
    asked: UpgradeRequest,
    judging: Promise<Judgement>,
    holder: Holder,
  ): Promise<WebSocketConn> {
    const { socket } = exchange;
    socket.on("error", ignore); // A peer that resets meanwhile must not end the process.
    // One that ends its side meanwhile still reads; over TLS Node would end ours.
    socket.allowHalfOpen = true;
    try {
      const refusal = (await this.#inTime(judging)) ?? this.refusalNow?.(exchange.remote);
      const conn = this.#answer(exchange, asked, refusal, holder);
      socket.off("error", ignore);
      this.onOpenedLate?.(conn, exchange.remote);
      return conn;
    } catch (error) {
      this.limits.connections.release(holder);
      throw this.#failed(socket, error);
    }
  }

  /** @throws what `#failed` makes the error of. */
  #answer(
    exchange: Exchange,
    asked: UpgradeRequest,
    refusal: Refusal | undefined,
    holder: Holder,
  ): WebSocketConn {
    const { request, socket } = exchange;
    if (refusal !== undefined) throw this.#refuse(socket, refusal);
    const extraLines = this.#headerLines ?? headerLines(this.#extraHeaders(request));
    const choice = { extraLines, subprotocol: this.#choose(asked, request) };
    if (socket.destroyed || !socket.writable) {
      socket.destroy();
      throw new WebSocketError("closed", "the peer left before its upgrade was answered");
    }
    return this.#open(exchange, asked, choice, holder);
  }

  #open(
    { request, socket, head, remote }: Exchange<HandshakeRequest>,
    asked: UpgradeRequest,
    { subprotocol, extraLines }: Choice,
    holder: Holder,
  ): WebSocketConn {
    const deflate = this.#compression && acceptDeflate(asked.extensions, this.#compression);
    const conn = new WebSocketConn({
      transport: transportOf(socket, remote),
      role: "server",
      settings: this.#settings,
      subprotocol: subprotocol ?? "",
      extensions: deflate?.header,
      compression:
        deflate && this.#compression && new Compression("server", deflate.parameters, this.#compression),
      request: packRequest(request.url ?? "", request.rawHeaders),
      holder,
      onEnded: this.#ended,
    });
    traceOpened(conn, "server");
    conn.start(
      head,
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${asked.accept}\r\n${
        subprotocol === undefined ? "" : `Sec-WebSocket-Protocol: ${subprotocol}\r\n`
      }${deflate === undefined ? "" : `Sec-WebSocket-Extensions: ${deflate.header}\r\n`}${extraLines}\r\n`,
    );
    return conn;
  }

  #judge(request: IncomingMessage, socket: Duplex): Judgement | Promise<Judgement> {
    const { checkOrigin, authorize } = this.#options;
    if (checkOrigin === undefined) {
      const isOwn = this.#names.isOwnPage(request, socket);
      return isOwn ? authorize?.(request) : this.#pageRefusal(request, socket);
    }
    const isAllowed = checkOrigin(request);
    if (typeof isAllowed === "boolean") return isAllowed ? authorize?.(request) : originRefusal;
    return isAllowed.then((isAllowedNow) => (isAllowedNow ? authorize?.(request) : originRefusal));
  }

  /** A page and its `Host` that agree with each other alone may be a rebound name, or a name that nobody has told this server yet. */
  #pageRefusal(request: IncomingMessage, socket: Duplex): Refusal {
    const host = this.#names.unknownHost(request, socket);
    if (host === undefined) return originRefusal;
    return {
      status: 403,
      reason: `${host} is no name of this server; the option allowedHosts can make it one`,
    };
  }

  /** Tells the peer that something went wrong here, unless it was told. Gives what to throw. */
  #failed(socket: Duplex, error: unknown): WebSocketError {
    if (error instanceof WebSocketError) {
      if (error.code === "refused" || (error.code === "closed" && socket.destroyed)) return error; // Told, or gone.
      if (error.code === "timeout") {
        refuse(socket, { status: 503, reason: "took too long" });
        return error;
      }
    }
    refuse(socket, { status: 500, reason: "internal error" });
    const message = "upgrade refused with 500: the application failed";
    return new WebSocketError("refused", message, { status: 500, cause: error });
  }

  async #inTime<T>(work: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<never>((_, reject) => {
      timer = startTimer(() => {
        reject(
          new WebSocketError("timeout", `authorization took longer than ${this.#handshakeTimeoutMs} ms`),
        );
      }, this.#handshakeTimeoutMs);
    });
    try {
      return await Promise.race([work, tooLate]);
    } finally {
      clearTimeout(timer);
    }
  }

  #refuse(socket: Duplex, refusal: Refusal): WebSocketError {
    for (const [name, value] of Object.entries(refusal.headers ?? {})) {
      const fault = headerFault(name, value);
      if (fault !== undefined) throw new WebSocketError("invalid_argument", fault);
    }
    refuse(socket, refusal);
    return refusedError(refusal);
  }

  #extraHeaders(request: IncomingMessage): Readonly<Record<string, string>> {
    const { headers } = this.#options;
    return typeof headers === "function" ? headers(request) : {};
  }

  #choose(asked: UpgradeRequest, request: IncomingMessage): string | undefined {
    const { subprotocols } = this.#options;
    if (typeof subprotocols !== "function") return firstOffered(subprotocols, asked);
    const { subprotocols: offered } = asked;
    if (offered.length === 0) return undefined;
    const chosen = subprotocols(offered, request);
    if (chosen === undefined || offered.includes(chosen)) return chosen;
    throw new WebSocketError("invalid_argument", `subprotocol ${JSON.stringify(chosen)} was not offered`);
  }
}

/** The IP address of a peer. One that has none, being gone or no TCP socket, counts as a Unix socket does. */
export function hostOfEnd(remote: SocketEnd | undefined): string {
  return remote?.host ?? "unix";
}

/** The first of `ours`, which are in order of preference, that the client offers. */
function firstOffered(ours: readonly string[] | undefined, asked: UpgradeRequest): string | undefined {
  return ours?.find((name) => asked.subprotocols.includes(name));
}

function headerLines(headers: Readonly<Record<string, string>>): string {
  checkHeaders("listen", headers);
  let lines = "";
  for (const [name, value] of Object.entries(headers)) lines += `${name}: ${value}\r\n`;
  return lines;
}

function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof value === "object" && value !== null && "then" in value;
}

function ignore(): void {}
