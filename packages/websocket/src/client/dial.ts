import { type DialTracer, type ProxyUrl, traceEndElsewhere, transportOf } from "@zocalo/net/transport";
import type { WebSocketConn } from "../session/conn.ts";
import { openConn } from "../session/opened-conn.ts";
import { Compression } from "../core/compression.ts";
import {
  type Connected,
  connectTcp,
  openTunnel,
  parseProxy,
  readTls,
  type ReadTls,
  secure,
  tlsForAnyServer,
} from "./connect.ts";
import { DialLimits } from "./dial-limits.ts";
import { checked, checkedDialOptions, type DialOptions } from "./dial-options.ts";
import { hostAndPort, parseHttpUrl, shownUrl } from "./dial-url.ts";
import { checkGivenConn, closeGivenConn, takeGivenConn } from "./given-conn.ts";
import { WebSocketNetError } from "../core/error.ts";
import { readAnswer } from "../handshake/client.ts";
import { type CompressionSettings, compressionSettings } from "../handshake/deflate.ts";
import { checkSubprotocols } from "../handshake/added-fields.ts";
import { connSettings, handshakeTimeout, limit } from "../session/options.ts";
import { traceDial } from "../session/trace.ts";
import { type Answer, askForSwitch, type Redirect } from "./exchange.ts";

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
  let handshake: HandshakeOptions = { headers: { ...headers }, subprotocols, tls: undefined };
  const compression = checked(() => compressionSettings(options.compression));
  const maxRedirects = limit("maxRedirects", options.maxRedirects, 0, 0);
  if (options.conn !== undefined) checkGivenConn(options.conn);
  const limits = new DialLimits(target.host, timeoutMs, options, begun());
  let outcome: Answer | Redirect;
  try {
    // Before anybody is asked: an authority that cannot be read is a mistake of the caller's.
    const { tls, proxyTls } = await readFiles(options, limits);
    handshake = { ...handshake, tls };
    outcome = await ask(target, proxy, { handshake, proxyTls, compression, options }, limits);
    for (let redirects = 0; "location" in outcome; redirects++) {
      const { status, location } = outcome;
      if (redirects === maxRedirects) {
        const followed = redirects === 0 ? "" : `, after ${redirects} that were followed`;
        const message = `${target.host} answered ${status} and redirects to ${shownUrl(location)}${followed}`;
        throw new WebSocketNetError("refused", message, { status });
      }
      if (options.conn !== undefined) {
        const message = `${target.host} redirects to ${shownUrl(location)}, and conn leads to nobody else`;
        throw new WebSocketNetError("refused", message, { status });
      }
      const from = target;
      target = redirected(from, location, status);
      if (target.origin !== from.origin) handshake = forAnyServer(handshake);
      outcome = await ask(target, proxy, { handshake, proxyTls, compression, options }, limits);
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
  if (options.conn !== undefined) traceEndElsewhere(options.conn);
  const { subprotocol, deflate, extensions } = answer;
  return openConn(
    {
      transport: transportOf(socket, options.conn),
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

/** Reads what `tls` and `proxyTls` name. A `conn` is closed if the dial ends meanwhile. */
async function readFiles({ tls, proxyTls, conn }: DialOptions, limits: DialLimits) {
  try {
    limits.begin("the files of tls and proxyTls were not read");
    return {
      tls: tls && (await readTls("tls", tls, limits)),
      proxyTls: proxyTls && (await readTls("proxyTls", proxyTls, limits)),
    };
  } catch (error) {
    if (limits.signal.aborted && conn) closeGivenConn(conn);
    throw error;
  }
}

/** What the caller says to one server. */
interface HandshakeOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly subprotocols: readonly string[];
  readonly tls: ReadTls | undefined;
}

/** What `ask` needs besides an address. */
interface Asked {
  readonly handshake: HandshakeOptions;
  readonly proxyTls: ReadTls | undefined;
  readonly compression: CompressionSettings | undefined;
  readonly options: DialOptions;
}

/** What is left to say to a server that the caller did not choose. */
function forAnyServer({ tls }: HandshakeOptions): HandshakeOptions {
  return { headers: {}, subprotocols: [], tls: tls && tlsForAnyServer(tls) };
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
  { handshake: { headers, subprotocols, tls }, proxyTls, compression, options }: Asked,
  limits: DialLimits,
): Promise<Answer | Redirect> {
  let connected: Connected;
  if (options.conn !== undefined) {
    const { conn } = options;
    connected = { socket: takeGivenConn(conn), name: target.host, conn };
  } else if (proxy !== undefined) {
    connected = await openTunnel(proxy, target, options, proxyTls, limits);
  } else {
    connected = await connectTcp(hostAndPort(target), target.host, options, limits);
  }
  if (target.protocol === "https:") {
    const serverName = hostOf(headers) ?? hostAndPort(target).host;
    connected = await secure(connected, hostAndPort(target), serverName, tls, limits);
  }
  return askForSwitch(target, { headers, subprotocols, compression }, connected, limits);
}

/** The host that a `Host` header of the application names: as in Node, it is whom TLS asks for. */
function hostOf(headers: Readonly<Record<string, string>>): string | undefined {
  const name = Object.keys(headers).find((each) => each.toLowerCase() === "host");
  const value = name === undefined ? undefined : headers[name];
  return value && (/^\[(.*)\]/.exec(value)?.[1] ?? value.replace(/:.*/s, ""));
}
