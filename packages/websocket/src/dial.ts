import { randomBytes } from "node:crypto";
import { type IncomingMessage, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Socket } from "node:net";
import type { ConnectionOptions } from "node:tls";
import { WebSocketConn } from "./conn.ts";
import { Compression } from "./core/compression.ts";
import { credentialsOf, hostAndPort, parseHttpUrl } from "./dial-url.ts";
import { WebSocketError } from "./error.ts";
import { readAnswer } from "./handshake/client.ts";
import { type CompressionOptions, compressionSettings, offerDeflate } from "./handshake/deflate.ts";
import { headerFault, isToken } from "./handshake/fields.ts";
import { exchangeHttp, type Patience } from "./http-exchange.ts";
import { type ConnOptions, connSettings, DEFAULT_HANDSHAKE_TIMEOUT_MS, wholeNumber } from "./options.ts";
import { openTunnel, parseProxy } from "./proxy.ts";

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
  /** From the call to the open connection, in milliseconds. Default 10,000. */
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
  const { signal } = options;
  if (signal?.aborted) throw new WebSocketError("canceled", "dialing canceled", { cause: signal.reason });

  const deadline = performance.now() + timeoutMs;
  let redirectsLeft = wholeNumber("maxRedirects", options.maxRedirects, 0, 0);
  const ask = async (): Promise<Answer | Redirect> => {
    const patience = () => ({ timeoutMs: Math.max(1, Math.ceil(deadline - performance.now())), signal });
    const tunnel =
      proxy === undefined ? undefined : await openTunnel(proxy, target, patience(), options.proxyTls);
    return exchange(target, headers, options, patience(), tunnel);
  };
  let outcome = await ask();
  while ("location" in outcome) {
    const { status, location } = outcome;
    if (redirectsLeft-- === 0) {
      throw new WebSocketError("refused", `${target.host} answered ${status} and redirects to ${location}`, {
        status,
      });
    }
    target = redirected(target, location, headers, status);
    outcome = await ask();
  }
  const { response, socket, head } = outcome;
  const answer = readAnswer(response, key, subprotocols, compression);
  if ("fault" in answer) {
    socket.destroy();
    throw new WebSocketError("handshake_failed", `bad answer from ${target.host}: ${answer.fault}`);
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

/** Sends the request and waits for the switch of protocols. */
function exchange(
  target: URL,
  headers: Record<string, string>,
  options: DialOptions,
  patience: Patience,
  tunnel: Socket | undefined,
): Promise<Answer | Redirect> {
  const auth = credentialsOf(target);
  const common = {
    ...hostAndPort(target),
    path: `${target.pathname}${target.search}`,
    headers,
    agent: false as const,
    ...(auth === undefined ? undefined : { auth }),
  };
  return exchangeHttp(target.host, patience, ({ done, failed }) => {
    const request =
      target.protocol === "https:"
        ? httpsRequest({ ...options.tls, ...common, ...(tunnel && { socket: tunnel }) })
        : httpRequest({ ...common, ...(tunnel && { createConnection: () => tunnel }) });
    // All of them, as many as 16 KiB can hold: past Node's usual limit an answer would seem to lack what it has.
    request.maxHeadersCount = 0;
    request.on("upgrade", (response, socket: Socket, head) => {
      socket.on("error", ignore); // Until the connection has its own listener.
      done({ response, socket, head });
    });
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
      const words = `${target.host} answered ${status} ${statusMessage ?? ""}`;
      failed(new WebSocketError(code, status === 101 ? `${words} without an upgrade` : words, { status }));
    });
    return request;
  });
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

function ignore(): void {}
