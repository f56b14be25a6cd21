import { randomBytes } from "node:crypto";
import { type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import type { Socket } from "node:net";
import type { ConnectionOptions } from "node:tls";
import { printable, type Resolver } from "@zocalo/net";
import { WebSocketConn } from "./conn.ts";
import { Compression } from "./core/compression.ts";
import { type Connected, type ConnectOptions, connectTcp, reasonOf, resolverOf, secure } from "./connect.ts";
import { DialLimits } from "./dial-limits.ts";
import { credentialsOf, hostAndPort, parseHttpUrl, shownUrl } from "./dial-url.ts";
import { WebSocketError } from "./error.ts";
import { readAnswer } from "./handshake/client.ts";
import { type CompressionOptions, compressionSettings, offerDeflate } from "./handshake/deflate.ts";
import { headerFault, isToken } from "./handshake/fields.ts";
import { type ConnOptions, connSettings, DEFAULT_HANDSHAKE_TIMEOUT_MS, wholeNumber } from "./options.ts";
import { MAX_INTERIM_ANSWERS, MAX_STATUS_TEXT, openTunnel, parseProxy } from "./proxy.ts";

/** Headers that are the handshake's business. */
const OWN_HEADER = /^(?:upgrade|connection|content-length|transfer-encoding|sec-websocket-.*)$/i;

/** How `dial` connects. */
export interface DialOptions extends ConnOptions {
  /** Headers added to the request, for example `Authorization`, `Cookie` or `Origin`. CR, LF and other control characters are refused. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Subprotocols to offer, in order of preference. Default: none. */
  readonly subprotocols?: readonly string[] | undefined;
  /** Offer permessage-deflate: `true`, or how. Default false. */
  readonly compression?: boolean | CompressionOptions | undefined;
  /**
   * From the call to the open connection, in milliseconds: all addresses of the host together, TLS, proxy and redirects included. Default 10,000.
   */
  readonly handshakeTimeoutMs?: number | undefined;
  /**
   * Most redirects to follow. Default 0: a redirect is `refused`. Never from `wss:` to `ws:`; to another host or port without the credentials
   * (user and password of the URL, `Authorization`, `Cookie`, `Proxy-Authorization`).
   */
  readonly maxRedirects?: number | undefined;
  /**
   * An HTTP proxy to go through: `http://user:password@host:port`, or `https:`. It is asked for a tunnel (CONNECT), so it sees names, and with
   * `ws:` also what is said. User and password go to the proxy alone. Default: none; the environment is not looked at.
   */
  readonly proxy?: string | URL | undefined;
  /** TLS options for an `https:` proxy; those of `tls` are for the server alone. */
  readonly proxyTls?: ConnectionOptions | undefined;
  /** Finds the addresses of the host; of the proxy's host if there is a proxy, which finds the server itself. Default: the system's own way. */
  readonly resolver?: Resolver | undefined;
  /** The address to dial from, `"10.0.0.5:0"`; port 0 lets the system choose. Default: the system chooses. */
  readonly localAddress?: string | undefined;
  /** Between attempts at the addresses of the host, in milliseconds (RFC 8305 §5). Default 250. No attempt is given up for the next one. */
  readonly attemptDelayMs?: number | undefined;
  /** Cancels dialing; once connected it does nothing. */
  readonly signal?: AbortSignal | undefined;
  /** TLS options for `wss:`. `rejectUnauthorized: false` lets anybody in the middle read and change everything. */
  readonly tls?: ConnectionOptions | undefined;
}

/**
 * Connects to a WebSocket server.
 *
 * @param url `ws:`, `wss:`, `http:` or `https:`.
 * @throws WebSocketError `invalid_url`, `invalid_argument`, `connect_failed`, `refused` (with `status`), `proxy_refused` (with `status`),
 *   `handshake_failed`, `handshake_timeout`, `canceled`.
 * @example
 * const conn = await dial("wss://example.org/ws", { subprotocols: ["chat"] });
 */
export async function dial(url: string | URL, options: DialOptions = {}): Promise<WebSocketConn> {
  let target = parseHttpUrl(url);
  const settings = connSettings(options);
  const proxy = options.proxy === undefined ? undefined : parseProxy(options.proxy);
  const timeoutMs = wholeNumber(
    "handshakeTimeoutMs",
    options.handshakeTimeoutMs,
    DEFAULT_HANDSHAKE_TIMEOUT_MS,
    1,
  );
  const subprotocols = checkSubprotocols(options.subprotocols ?? []);
  const key = randomBytes(16).toString("base64");
  const compression = compressionSettings(options.compression);
  const headers = requestHeaders(options.headers ?? {}, key, subprotocols);
  if (compression !== undefined) headers["Sec-WebSocket-Extensions"] = offerDeflate(compression);
  const maxRedirects = wholeNumber("maxRedirects", options.maxRedirects, 0, 0);
  const limits = new DialLimits(target.host, timeoutMs, options.signal);
  let outcome: Answer | Redirect;
  try {
    outcome = await ask(target, proxy, headers, options, limits);
    for (let redirects = 0; "location" in outcome; redirects++) {
      const { status, location } = outcome;
      if (redirects === maxRedirects) {
        const followed = redirects === 0 ? "" : `, after ${redirects} that were followed`;
        const message = `${target.host} answered ${status} and redirects to ${shownUrl(location)}${followed}`;
        throw new WebSocketError("refused", message, { status });
      }
      target = redirected(target, location, headers, status);
      outcome = await ask(target, proxy, headers, options, limits);
    }
  } finally {
    limits.end();
  }
  const { response, socket, head, name } = outcome;
  const answer = readAnswer(response, key, subprotocols, compression);
  if ("fault" in answer) {
    socket.destroy();
    throw new WebSocketError("handshake_failed", `bad answer from ${name}: ${answer.fault}`);
  }
  socket.setNoDelay(true);
  socket.setTimeout(0);
  const { subprotocol, deflate, extensions } = answer;
  const conn = new WebSocketConn({
    socket,
    role: "client",
    settings,
    subprotocol,
    extensions,
    ...(deflate && compression
      ? { compression: new Compression("client", deflate, compression) }
      : undefined),
  });
  conn.start(head);
  return conn;
}

interface Answer {
  readonly response: IncomingMessage;
  readonly socket: Socket;
  readonly head: Buffer;
  /** Who answered, for messages. */
  readonly name: string;
}

interface Redirect {
  readonly status: number;
  /** The `Location` header. */
  readonly location: string;
}

/**
 * Where to go instead; `headers` lose what must not cross hosts.
 *
 * @throws WebSocketError `refused`
 */
function redirected(from: URL, location: string, headers: Record<string, string>, status: number): URL {
  let to: URL;
  try {
    to = parseHttpUrl(new URL(location.replace(/^ws(s?):/i, "http$1:"), from));
  } catch (cause) {
    throw new WebSocketError("refused", `${from.host} redirects to no WebSocket URL`, { status, cause });
  }
  if (from.protocol === "https:" && to.protocol !== "https:") {
    throw new WebSocketError("refused", `${from.host} redirects from wss: to ws:`, { status });
  }
  if (to.host !== from.host) {
    for (const name of Object.keys(headers)) {
      if (/^(?:authorization|cookie|proxy-authorization|host)$/i.test(name)) delete headers[name];
    }
  } else if (to.username === "" && to.password === "") {
    to.username = from.username;
    to.password = from.password;
  }
  return to;
}

/** Connects, through the proxy if there is one, and asks for the switch of protocols. */
async function ask(
  target: URL,
  proxy: URL | undefined,
  headers: Record<string, string>,
  options: DialOptions,
  limits: DialLimits,
): Promise<Answer | Redirect> {
  const { tls, proxyTls } = options;
  let connected: Connected;
  if (proxy !== undefined) {
    const ownTls = proxy.protocol === "https:" ? proxyTls : undefined;
    connected = await openTunnel(proxy, target, connectOptions(options, ownTls), ownTls, limits);
  } else if (target.protocol === "https:" && tls?.socket) {
    connected = { socket: tls.socket, name: target.host };
  } else {
    const ownTls = target.protocol === "https:" ? tls : undefined;
    connected = await connectTcp(target, target.host, connectOptions(options, ownTls), limits);
  }
  if (target.protocol === "https:") {
    const serverName = hostOf(headers) ?? hostAndPort(target).host;
    connected = await secure(connected, target, serverName, tls, limits);
  }
  return exchange(target, headers, connected, limits);
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

/** Sends the request and waits for the switch of protocols. */
function exchange(
  target: URL,
  headers: Record<string, string>,
  { socket: connected, name }: Connected,
  limits: DialLimits,
): Promise<Answer | Redirect> {
  const auth = credentialsOf(target);
  return limits.wait(`${name} did not answer`, connected, ({ done, failed }) => {
    let request: ClientRequest;
    try {
      request = httpRequest({
        ...hostAndPort(target),
        defaultPort: target.protocol === "https:" ? 443 : 80,
        path: `${target.pathname}${target.search}`,
        headers,
        // Without `agent`, also without `agent: false`: an agent connects by itself, and does not look at this.
        createConnection: () => connected,
        ...(auth === undefined ? undefined : { auth }),
      });
    } catch (cause) {
      const message = `cannot send a request to ${name}: ${reasonOf(cause)}`;
      failed(new WebSocketError("invalid_argument", message, { cause }));
      return;
    }
    // All of them, as many as 16 KiB can hold: past Node's usual limit an answer would seem to lack what it has.
    request.maxHeadersCount = 0;
    request.on("socket", (socket) => socket.resume()); // By now Node listens to it.
    let interim = 0;
    request.on("information", () => {
      if (++interim <= MAX_INTERIM_ANSWERS) return;
      const message = `${name} sent more than ${MAX_INTERIM_ANSWERS} interim answers`;
      failed(new WebSocketError("handshake_failed", message));
    });
    request.on("upgrade", (response, socket: Socket, head) => done({ response, socket, head, name }));
    request.on("response", (response) => {
      const { statusCode: status, statusMessage } = response;
      const { location } = response.headers;
      if (status !== undefined && [301, 302, 303, 307, 308].includes(status) && location !== undefined) {
        done({ status, location });
        request.destroy();
        return;
      }
      // Node sees no upgrade in a 101 without Upgrade or Connection.
      const code = status === 101 ? "handshake_failed" : "refused";
      const words = `${name} answered ${status} ${printable(statusMessage ?? "", MAX_STATUS_TEXT)}`.trim();
      failed(new WebSocketError(code, status === 101 ? `${words} without an upgrade` : words, { status }));
    });
    request.on("error", (cause) => failed(requestError(name, cause)));
    request.end();
    return () => void request.destroy();
  });
}

/** What Node says of a request that came to nothing. */
function requestError(name: string, cause: Error): WebSocketError {
  const code = "code" in cause && typeof cause.code === "string" ? cause.code : "";
  if (code.startsWith("HPE_")) {
    const message = `${name} did not answer as HTTP says: ${cause.message}`;
    return new WebSocketError("handshake_failed", message, { cause });
  }
  const message =
    cause.message === "socket hang up"
      ? `${name} closed the connection before it answered`
      : `the connection to ${name} broke before it answered: ${reasonOf(cause)}`;
  return new WebSocketError("connect_failed", message, { cause });
}

function checkSubprotocols(subprotocols: readonly string[]): readonly string[] {
  for (const name of subprotocols) {
    if (!isToken(name))
      throw new WebSocketError("invalid_argument", `subprotocol ${JSON.stringify(name)} is not a token`);
  }
  if (new Set(subprotocols).size < subprotocols.length) {
    throw new WebSocketError("invalid_argument", "a subprotocol is named twice");
  }
  return subprotocols;
}

function requestHeaders(
  extra: Readonly<Record<string, string>>,
  key: string,
  subprotocols: readonly string[],
): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(extra)) {
    const fault = OWN_HEADER.test(name) ? `header ${name} is set by the handshake` : headerFault(name, value);
    if (fault !== undefined) throw new WebSocketError("invalid_argument", fault);
    headers[name] = value;
  }
  headers["Upgrade"] = "websocket";
  headers["Connection"] = "Upgrade";
  headers["Sec-WebSocket-Version"] = "13";
  headers["Sec-WebSocket-Key"] = key;
  if (subprotocols.length > 0) headers["Sec-WebSocket-Protocol"] = subprotocols.join(", ");
  return headers;
}
