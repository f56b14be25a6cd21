import { Socket } from "node:net";
import { checkServerIdentity, type ConnectionOptions } from "node:tls";
import { type Conn, NetError, type Resolver, toNodeStream } from "@zocalo/net";
import {
  checkConnectionOptions,
  checkKind,
  checkNames,
  checkSignal,
  type DialTracer,
  shown,
  type ProxyUrl,
  transportOf,
} from "@zocalo/net/transport";
import type { WebSocketConn } from "../session/conn.ts";
import { openConn } from "../session/opened-conn.ts";
import { Compression } from "../core/compression.ts";
import {
  type Connected,
  type ConnectOptions,
  connectTcp,
  openTunnel,
  parseProxy,
  reasonOf,
  resolverOf,
  secure,
} from "./connect.ts";
import { DialLimits } from "./dial-limits.ts";
import { hostAndPort, parseHttpUrl, shownUrl } from "./dial-url.ts";
import { WebSocketNetError } from "../core/error.ts";
import { readAnswer } from "../handshake/client.ts";
import {
  type CompressionOptions,
  type CompressionSettings,
  compressionSettings,
} from "../handshake/deflate.ts";
import { checkHeaders, checkSubprotocols } from "../handshake/added-fields.ts";
import {
  type ConnOptions,
  connOptionNames,
  connSettings,
  handshakeTimeout,
  limit,
} from "../session/options.ts";
import { traceDial } from "../session/trace.ts";
import { type Answer, askForSwitch, type Redirect } from "./exchange.ts";

/**
 * How `dial` connects. Names that are not listed here are refused (`invalid_argument`), those of `tls` and
 * `proxyTls` too.
 */
export interface DialOptions extends ConnOptions {
  /**
   * Headers added to the request, for example `Authorization`, `Cookie` or `Origin`. CR, LF and other control
   * characters are refused.
   */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Subprotocols to offer, in order of preference. Default: none. */
  readonly subprotocols?: readonly string[] | undefined;
  /** Offer permessage-deflate: `true`, or how. Default false. */
  readonly compression?: boolean | CompressionOptions | undefined;
  /**
   * From the call to the open connection, in milliseconds: all addresses of the host together, TLS, proxy and
   * redirects included. Default 10,000.
   */
  readonly handshakeTimeoutMs?: number | undefined;
  /**
   * Most redirects to follow. Default 0: a redirect is `refused`. Never from `wss:` to `ws:`. Where scheme,
   * host or port change, what was said to the first server stays with it: `headers`, `subprotocols`, user and
   * password of the URL, and of `tls` all but `ca`, `crl`, versions, ciphers and the like (`ecdhCurve`,
   * `minDHSize`, `sigalgs`, `secureOptions`), `lookup`, `rejectUnauthorized: true` and `checkServerIdentity`,
   * to which Node's own check is added. They are not said again if a later redirect leads back. User and
   * password in a redirect are not used. A redirect is `refused` with a `tls.socket`, and to another server
   * with a `tls.secureContext`, which cannot be divided. The rest of these options holds for every server.
   */
  readonly maxRedirects?: number | undefined;
  /**
   * A proxy to go through: `http://user:password@host:port` or `https:` (CONNECT, RFC 9110 §9.3.6), or
   * `socks5:` (RFC 1928). It resolves and sees names, and with `ws:` also what is said. User and password are
   * percent-encoded, and go to the proxy alone. Default: none; the environment is not looked at.
   */
  readonly proxy?: string | URL | undefined;
  /** TLS options for an `https:` proxy, as `tls`; those of `tls` are for the server alone. */
  readonly proxyTls?: ConnectionOptions | undefined;
  /**
   * A connection to speak over, in place of one that is dialled: on a Unix socket, a pipe, by way of
   * something of your own. `wss:` does TLS over it. It is this one's from then on, and is closed where
   * dialing fails, unless for its arguments. Redirects are refused, and neither `proxy` nor `tls.socket` may
   * be given. Default: dial the host of the URL.
   */
  readonly conn?: Conn | undefined;
  /**
   * Finds the addresses of the host; of the proxy's host if there is a proxy, which finds the server itself.
   * Default: the system's own way.
   */
  readonly resolver?: Resolver | undefined;
  /** The address to dial from, `"10.0.0.5:0"`; port 0 lets the system choose. Default: the system chooses. */
  readonly localAddress?: string | undefined;
  /**
   * Between attempts at the addresses of the host, in milliseconds (RFC 8305 §5). Default 250. No attempt is
   * given up for the next one.
   */
  readonly attemptDelayMs?: number | undefined;
  /** Cancels dialing; once connected it does nothing. */
  readonly signal?: AbortSignal | undefined;
  /**
   * TLS options for `wss:`, those of `node:tls`. What `ca`, `cert`, `key` and `crl` hold is parsed at once;
   * versions before 1.2 are not spoken, whatever `NODE_OPTIONS` says, unless by a `secureContext`.
   * `rejectUnauthorized: false` lets anybody in the middle read and change everything.
   */
  readonly tls?: ConnectionOptions | undefined;
}

const dialOptionNames: Readonly<Record<keyof DialOptions, 1>> = {
  ...connOptionNames,
  headers: 1,
  subprotocols: 1,
  compression: 1,
  handshakeTimeoutMs: 1,
  maxRedirects: 1,
  proxy: 1,
  proxyTls: 1,
  conn: 1,
  resolver: 1,
  localAddress: 1,
  attemptDelayMs: 1,
  signal: 1,
  tls: 1,
};

/**
 * Connects to a WebSocket server.
 *
 * @param url `ws:`, `wss:`, `http:` or `https:`.
 * @throws WebSocketNetError `invalid_address`, `invalid_argument`, `connect_failed`, `refused` (with
 *   `status`), `proxy_refused` (with `status`), `handshake_failed`, `timeout`, `canceled`.
 * @example
 * const conn = await dial("wss://example.org/ws", { subprotocols: ["chat"] });
 */
export async function dial(url: string | URL, given: DialOptions = {}): Promise<WebSocketConn> {
  let tracer: DialTracer | undefined;
  const begun = (): DialTracer | undefined => (tracer = traceDial(() => shownUrl(String(url))));
  try {
    const conn = await open(url, given, begun);
    tracer?.end(conn);
    return conn;
  } catch (error) {
    tracer?.failed(error);
    throw error;
  }
}

/** @param begun is called once the arguments were found valid. */
async function open(
  url: string | URL,
  given: DialOptions,
  begun: () => DialTracer | undefined,
): Promise<WebSocketConn> {
  let target = parseHttpUrl(url);
  const options = checkedDialOptions(given);
  const settings = connSettings(options);
  const proxy = options.proxy === undefined ? undefined : parseProxy(options.proxy);
  const timeoutMs = handshakeTimeout(options.handshakeTimeoutMs);
  const { headers = {}, subprotocols = [] } = options;
  checkSubprotocols(subprotocols);
  let handshake: HandshakeOptions = { headers: { ...headers }, subprotocols, tls: options.tls };
  const compression = checked(() => compressionSettings(options.compression));
  const maxRedirects = limit("maxRedirects", options.maxRedirects, 0, 0);
  const limits = new DialLimits(target.host, timeoutMs, options.signal, begun());
  let outcome: Answer | Redirect;
  try {
    outcome = await ask(target, proxy, handshake, compression, options, limits);
    for (let redirects = 0; "location" in outcome; redirects++) {
      const { status, location } = outcome;
      if (redirects === maxRedirects) {
        const followed = redirects === 0 ? "" : `, after ${redirects} that were followed`;
        const message = `${target.host} answered ${status} and redirects to ${shownUrl(location)}${followed}`;
        throw new WebSocketNetError("refused", message, { status });
      }
      const only = options.conn !== undefined ? "conn" : "tls.socket";
      if (
        options.conn !== undefined ||
        (handshake.tls?.socket !== undefined && proxy === undefined && target.protocol === "https:")
      ) {
        const message = `${target.host} redirects to ${shownUrl(location)}, and ${only} leads to nobody else`;
        throw new WebSocketNetError("refused", message, { status });
      }
      const from = target;
      target = redirected(from, location, status);
      if (target.origin !== from.origin) {
        if (handshake.tls?.secureContext !== undefined) {
          const message = `${from.host} redirects to ${shownUrl(location)}, and tls.secureContext is for nobody else`;
          throw new WebSocketNetError("refused", message, { status });
        }
        handshake = forAnyServer(handshake);
      }
      outcome = await ask(target, proxy, handshake, compression, options, limits);
    }
  } finally {
    limits.end();
  }
  const { response, socket, head, name, key } = outcome;
  const answer = readAnswer(response, key, handshake.subprotocols, compression);
  if ("fault" in answer) {
    socket.destroy();
    throw new WebSocketNetError("handshake_failed", `bad answer from ${name}: ${answer.fault}`);
  }
  if (socket instanceof Socket) {
    socket.setNoDelay(true);
    socket.setTimeout(0);
  }
  const { subprotocol, deflate, extensions } = answer;
  return openConn(
    {
      transport: transportOf(socket),
      role: "client",
      settings,
      subprotocol,
      extensions,
      ...(deflate && compression
        ? { compression: new Compression("client", deflate, compression) }
        : undefined),
    },
    head,
  );
}

/** What the caller says to one server. */
interface HandshakeOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly subprotocols: readonly string[];
  readonly tls: ConnectionOptions | undefined;
}

/**
 * Of Node's TLS options, those that say whom to believe and how to speak, whoever the server is. All others
 * are for one server: a client certificate and key, a name to ask for, a session.
 */
const TLS_FOR_ANY_SERVER = [
  "ca",
  "crl",
  "minVersion",
  "maxVersion",
  "secureProtocol",
  "secureOptions",
  "ciphers",
  "ecdhCurve",
  "minDHSize",
  "sigalgs",
  "lookup",
] as const satisfies readonly (keyof ConnectionOptions)[];

/** What is left to say to a server that the caller did not choose. */
function forAnyServer({ tls }: HandshakeOptions): HandshakeOptions {
  const kept: ConnectionOptions = {};
  for (const name of TLS_FOR_ANY_SERVER) {
    if (tls?.[name] !== undefined) Object.assign(kept, { [name]: tls[name] });
  }
  // A caller who does not check the first server has not said to check nobody.
  if (tls?.rejectUnauthorized === true) kept.rejectUnauthorized = true;
  // A redirect is no way past a pin; and a check that lets everybody pass was meant for the first server.
  const own = tls?.checkServerIdentity;
  if (own !== undefined)
    kept.checkServerIdentity = (host, cert) => checkServerIdentity(host, cert) ?? own(host, cert);
  return { headers: {}, subprotocols: [], tls: kept };
}

/**
 * Checks the names of options, and what Node would take without a word.
 *
 * @throws WebSocketNetError `invalid_argument`.
 */
export function checkedDialOptions(options: DialOptions): DialOptions {
  return checked(() => {
    checkNames("dial", "a WebSocket dial", options, dialOptionNames);
    checkKind("dial", "resolver", options.resolver, "function");
    checkKind("dial", "localAddress", options.localAddress, "string");
    checkSignal("dial", options.signal);
    if (options.headers !== undefined) checkHeaders("dial", options.headers);
    const { tls, proxyTls, conn, proxy } = options;
    if (conn !== undefined && !isConn(conn)) {
      throw new WebSocketNetError(
        "invalid_argument",
        `conn ${shown(conn)} is not a connection of @zocalo/net`,
      );
    }
    if (conn !== undefined && (proxy !== undefined || tls?.socket !== undefined)) {
      const other = proxy === undefined ? "tls.socket" : "proxy";
      throw new WebSocketNetError(
        "invalid_argument",
        `conn is already connected: it cannot go with ${other}`,
      );
    }
    return {
      ...options,
      tls: tls === undefined ? undefined : checkConnectionOptions("tls", tls),
      proxyTls: proxyTls === undefined ? undefined : checkConnectionOptions("proxyTls", proxyTls),
    };
  });
}

/** Not by its class: another copy of the package has another one. */
function isConn(value: object): boolean {
  return ["read", "write", "closeWrite", "abort"].every(
    (name) => typeof Reflect.get(Object(value), name) === "function",
  );
}

/**
 * What `check` answers; its NetError is told as an error of this package.
 *
 * @throws WebSocketNetError `invalid_argument`.
 */
function checked<T>(check: () => T): T {
  try {
    return check();
  } catch (cause) {
    if (cause instanceof WebSocketNetError) throw cause;
    const message = cause instanceof NetError ? cause.reason : reasonOf(cause);
    throw new WebSocketNetError("invalid_argument", message, { cause });
  }
}

/**
 * Where to go instead. Who logs in there is for the caller to say: user and password stay those of the
 * caller's URL on the same server, and are none on another.
 *
 * @throws WebSocketNetError `refused`
 */
function redirected(from: URL, location: string, status: number): URL {
  let to: URL;
  try {
    to = parseHttpUrl(new URL(location.replace(/^ws(s?):/i, "http$1:"), from));
  } catch (cause) {
    throw new WebSocketNetError("refused", `${from.host} redirects to no WebSocket URL`, { status, cause });
  }
  if (from.protocol === "https:" && to.protocol !== "https:") {
    throw new WebSocketNetError("refused", `${from.host} redirects from wss: to ws:`, { status });
  }
  const isSameServer = to.origin === from.origin;
  to.username = isSameServer ? from.username : "";
  to.password = isSameServer ? from.password : "";
  return to;
}

/** Connects, through the proxy if there is one, and asks for the switch of protocols. */
async function ask(
  target: URL,
  proxy: ProxyUrl | undefined,
  { headers, subprotocols, tls }: HandshakeOptions,
  compression: CompressionSettings | undefined,
  options: DialOptions,
  limits: DialLimits,
): Promise<Answer | Redirect> {
  const { proxyTls } = options;
  let connected: Connected;
  if (options.conn !== undefined) {
    const socket = toNodeStream(options.conn);
    socket.on("error", ignore); // As those of `connectTcp`.
    connected = { socket, name: target.host };
  } else if (proxy !== undefined) {
    const ownTls = proxy.scheme === "https" ? proxyTls : undefined;
    connected = await openTunnel(proxy, target, connectOptions(options, ownTls), ownTls, limits);
  } else if (target.protocol === "https:" && tls?.socket) {
    connected = { socket: tls.socket, name: target.host };
  } else {
    const ownTls = target.protocol === "https:" ? tls : undefined;
    connected = await connectTcp(hostAndPort(target), target.host, connectOptions(options, ownTls), limits);
  }
  if (target.protocol === "https:") {
    const serverName = hostOf(headers) ?? hostAndPort(target).host;
    connected = await secure(connected, hostAndPort(target), serverName, tls, limits);
  }
  return askForSwitch(target, { headers, subprotocols, compression }, connected, limits);
}

/** Node's TLS options have their own way to say how a name is resolved. */
function connectOptions(options: DialOptions, tls: ConnectionOptions | undefined): ConnectOptions {
  const { localAddress, attemptDelayMs } = options;
  const resolver = options.resolver ?? (tls?.lookup && resolverOf(tls.lookup));
  return { resolver, localAddress, attemptDelayMs };
}

/** The host that a `Host` header of the application names: as in Node, it is whom TLS asks for. */
function hostOf(headers: Readonly<Record<string, string>>): string | undefined {
  const name = Object.keys(headers).find((each) => each.toLowerCase() === "host");
  const value = name === undefined ? undefined : headers[name];
  return value && (/^\[(.*)\]/.exec(value)?.[1] ?? value.replace(/:.*/s, ""));
}

function ignore(): void {}
