import type { IncomingMessage, Server } from "node:http";
import { AddressLimits, type Holder } from "@zocalo/net";
import { checkKind, checkNames, startTimer, startTrials } from "@zocalo/net/transport";
import { type OpenedConn, openConn } from "../session/opened-conn.ts";
import { Compression } from "../core/compression.ts";
import { WebSocketNetError } from "../core/error.ts";
import { acceptDeflate, type CompressionSettings, compressionSettings } from "../handshake/deflate.ts";
import { checkHeaders, checkSubprotocols, headerFault } from "../handshake/added-fields.ts";
import { HostNames } from "../handshake/host-names.ts";
import { isRefusal, type Refusal, readUpgrade, type UpgradeRequest } from "../handshake/server.ts";
import { toOriginForm } from "../handshake/target.ts";
import { type ConnSettings, connSettings, handshakeTimeout } from "../session/options.ts";
import type { Caller } from "./caller.ts";
import { addressRefusal, originRefusal, refusedError } from "./refusal.ts";
import type { UpgraderOptions } from "./upgrader-options.ts";
import { packRequest } from "../session/request-info.ts";
import type { HandshakeRequest } from "../handshake/fields.ts";

/**
 * Headers from which on Node's parser may leave some out, unless the server says otherwise by
 * `maxHeadersCount`.
 */
const NODE_MAX_HEADERS = 1000;

/** A request, what came behind it, and over what. */
export interface Exchange<R extends HandshakeRequest = IncomingMessage> {
  readonly request: R;
  readonly head: Buffer;
  readonly caller: Caller;
}

/** Whose connections they are: a listener. */
export interface HandshakesOwner {
  /** This one has ended. */
  ended(conn: OpenedConn): void;
  /**
   * Why there is no room now for one from there. Asked again where `checkOrigin` or `authorize` took a while.
   */
  refusalFor(host: string): Refusal | undefined;
  /** Given each connection that took a while, in the turn in which `refusalFor` was asked. */
  offer(conn: OpenedConn, host: string): void;
}

/** What the answer says besides the usual. */
interface Choice {
  readonly subprotocol: string | undefined;
  /** Header lines of the application. */
  readonly extraLines: string;
}

/** What `authorize` answers, and what is found before it is asked. Nothing: let in. */
type AuthorizeResult = Refusal | undefined | void;

/**
 * The server's side of all handshakes with the same options: judges requests, answers them, makes
 * connections, and counts those of each address.
 */
export class Handshakes {
  readonly #options: UpgraderOptions;
  readonly #settings: ConnSettings;
  readonly #names: HostNames;
  readonly #handshakeTimeoutMs: number;
  readonly #compression: CompressionSettings | undefined;
  /** The header lines of `options.headers`, if they are fixed. */
  readonly #headerLines: string | undefined;
  /** What each address holds. A listener counts here, too, what is not yet a request. */
  readonly limits: AddressLimits;
  owner: HandshakesOwner | undefined;
  /** What gives up each of those that wait for `checkOrigin` or `authorize`. */
  readonly #waiting = new Set<() => void>();
  /** One function for all connections. */
  readonly #ended = (conn: OpenedConn): void => {
    if (conn.holder !== undefined) this.limits.connections.release(conn.holder);
    this.owner?.ended(conn);
  };

  /**
   * @param names what `options` may have.
   * @throws WebSocketNetError or NetError `invalid_argument`, naming the option; for a name that is not
   *   known, too.
   */
  constructor(options: UpgraderOptions, names: object) {
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
   * Answers a request, at once unless `checkOrigin` or `authorize` has to be waited for.
   *
   * @throws WebSocketNetError what `Upgrader.upgrade` rejects with, through the promise in the latter case.
   */
  upgrade(exchange: Exchange): OpenedConn | Promise<OpenedConn> {
    const { request, caller } = exchange;
    toOriginForm(request); // `readUpgrade` refuses what it returns false for.
    const { server } = request.socket as { server?: Server };
    const maxHeaders = server === undefined ? 0 : (server.maxHeadersCount ?? NODE_MAX_HEADERS);
    const asked = readUpgrade(request, maxHeaders);
    if (isRefusal(asked)) throw this.#refuse(caller, asked);
    const holder = this.limits.connections.take(caller.host);
    if (holder === undefined) throw this.#refuse(caller, addressRefusal);
    let refusal: AuthorizeResult | Promise<AuthorizeResult>;
    try {
      refusal = this.#judge(request, caller);
      if (!isPromise(refusal)) return this.#answer(exchange, asked, refusal ?? undefined, holder);
    } catch (error) {
      this.limits.connections.release(holder);
      throw this.#failed(caller, error);
    }
    return this.#answerLater(exchange, asked, refusal, holder);
  }

  /**
   * The same for a request of which there is no `IncomingMessage`. `undefined`, and nothing was done, if the
   * application's functions want one, or if the answer is not 101.
   */
  upgradeUnasked(exchange: Exchange<HandshakeRequest>): OpenedConn | undefined {
    const { request, caller } = exchange;
    const { checkOrigin, authorize, subprotocols } = this.#options;
    const extraLines = this.#headerLines;
    if (checkOrigin !== undefined || authorize !== undefined || extraLines === undefined) return undefined;
    if (typeof subprotocols === "function" || !this.#names.isOwnPage(request, caller)) return undefined;
    const asked = readUpgrade(request);
    if (isRefusal(asked)) return undefined;
    const holder = this.limits.connections.take(caller.host);
    if (holder === undefined) return undefined;
    const choice = { subprotocol: firstOffered(subprotocols, asked), extraLines };
    return this.#open(exchange, asked, choice, holder);
  }

  /** Cuts those that wait for `checkOrigin` or `authorize`. */
  abort(): void {
    for (const giveUp of this.#waiting) giveUp();
  }

  async #answerLater(
    exchange: Exchange,
    asked: UpgradeRequest,
    judging: Promise<AuthorizeResult>,
    holder: Holder,
  ): Promise<OpenedConn> {
    const { caller } = exchange;
    caller.wait();
    try {
      const refusal = (await this.#inTime(judging, caller)) ?? this.owner?.refusalFor(caller.host);
      const conn = this.#answer(exchange, asked, refusal, holder);
      this.owner?.offer(conn, caller.host);
      return conn;
    } catch (error) {
      this.limits.connections.release(holder);
      throw this.#failed(caller, error);
    }
  }

  /** @throws what `#failed` makes the error of. */
  #answer(
    exchange: Exchange,
    asked: UpgradeRequest,
    refusal: Refusal | undefined,
    holder: Holder,
  ): OpenedConn {
    const { request, caller } = exchange;
    if (refusal !== undefined) throw this.#refuse(caller, refusal);
    const extraLines = this.#headerLines ?? headerLines(this.#extraHeaders(request));
    return this.#open(exchange, asked, { extraLines, subprotocol: this.#choose(asked, request) }, holder);
  }

  #open(
    { request, head, caller }: Exchange<HandshakeRequest>,
    asked: UpgradeRequest,
    { subprotocol, extraLines }: Choice,
    holder: Holder,
  ): OpenedConn {
    const transport = caller.take();
    if (transport === undefined) {
      throw new WebSocketNetError("closed", "the peer left before its upgrade was answered");
    }
    const deflate = this.#compression && acceptDeflate(asked.extensions, this.#compression);
    const { onOver, early } = caller;
    return openConn(
      {
        transport,
        role: "server",
        settings: this.#settings,
        subprotocol: subprotocol ?? "",
        extensions: deflate?.header,
        compression:
          deflate && this.#compression && new Compression("server", deflate.parameters, this.#compression),
        request: packRequest(request.url ?? "", request.rawHeaders),
        holder,
        onEnded:
          onOver === undefined
            ? this.#ended
            : (conn) => {
                onOver();
                this.#ended(conn);
              },
      },
      early === undefined || early.bytes.length === 0 ? head : Buffer.concat([head, early.bytes]),
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${asked.accept}\r\n${
        subprotocol === undefined ? "" : `Sec-WebSocket-Protocol: ${subprotocol}\r\n`
      }${deflate === undefined ? "" : `Sec-WebSocket-Extensions: ${deflate.header}\r\n`}${extraLines}\r\n`,
      early?.hasEnded,
    );
  }

  #judge(request: IncomingMessage, caller: Caller): AuthorizeResult | Promise<AuthorizeResult> {
    const { checkOrigin, authorize } = this.#options;
    if (checkOrigin === undefined) {
      const isOwn = this.#names.isOwnPage(request, caller);
      return isOwn ? authorize?.(request) : this.#pageRefusal(request, caller);
    }
    const isAllowed = checkOrigin(request);
    if (typeof isAllowed === "boolean") return isAllowed ? authorize?.(request) : originRefusal;
    return isAllowed.then((isAllowedNow) => (isAllowedNow ? authorize?.(request) : originRefusal));
  }

  /**
   * A page and its `Host` that agree with each other alone may be a rebound name, or a name that nobody has
   * told this server yet.
   */
  #pageRefusal(request: IncomingMessage, caller: Caller): Refusal {
    const host = this.#names.unknownHost(request, caller);
    if (host === undefined) return originRefusal;
    return {
      status: 403,
      reason: `${host} is no name of this server; the option allowedHosts can make it one`,
    };
  }

  /** Tells the peer that something went wrong here, unless it was told. Gives what to throw. */
  #failed(caller: Caller, error: unknown): WebSocketNetError {
    if (error instanceof WebSocketNetError) {
      // Told, or gone.
      if (error.code === "refused" || (error.code === "closed" && caller.isGone)) return error;
      if (error.code === "timeout") {
        caller.refuse({ status: 503, reason: "took too long" });
        return error;
      }
    }
    caller.refuse({ status: 500, reason: "internal error" });
    const message = "upgrade refused with 500: the application failed";
    return new WebSocketNetError("refused", message, { status: 500, cause: error });
  }

  async #inTime<T>(work: Promise<T>, caller: Caller): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    let giveUp = (): void => undefined;
    const tooLate = new Promise<never>((_, reject) => {
      timer = startTimer(() => {
        reject(
          new WebSocketNetError("timeout", `authorization took longer than ${this.#handshakeTimeoutMs} ms`),
        );
      }, this.#handshakeTimeoutMs);
      giveUp = () => {
        caller.end();
        reject(new WebSocketNetError("closed", "the listener was aborted before the upgrade was answered"));
      };
    });
    this.#waiting.add(giveUp);
    try {
      return await Promise.race([work, tooLate]);
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(giveUp);
    }
  }

  #refuse(caller: Caller, refusal: Refusal): WebSocketNetError {
    for (const [name, value] of Object.entries(refusal.headers ?? {})) {
      const fault = headerFault(name, value);
      if (fault !== undefined) throw new WebSocketNetError("invalid_argument", fault);
    }
    caller.refuse(refusal);
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
    throw new WebSocketNetError("invalid_argument", `subprotocol ${JSON.stringify(chosen)} was not offered`);
  }
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
