import { type IpAddr, type Listener, parseAddr, type TlsServerOptions } from "@zocalo/net";
import {
  type AttachOptions,
  attach,
  dial,
  HostNames,
  listen,
  type WebSocketConn,
  WebSocketNetError,
  type WebSocketTlsOptions,
} from "@zocalo/websocket";
import { Seldom } from "../seldom.ts";
import { FedServer } from "./fed-server.ts";
import { type Flags, headerRecord } from "./flags.ts";
import type { Door, MessageLink, OnRefused, OnReloadError } from "./link.ts";
import { openListener, serverIdentity } from "./streams.ts";
import type { Target } from "./target.ts";

/** Beside one message of the largest size there is room for what has not left before it. */
const MORE_BUFFER_BYTES = 1_048_576;
/**
 * How many frames a message may come in: one for each so many bytes, or the library's default if that is
 * more.
 */
const BYTES_PER_FRAGMENT = 16;
const LEAST_FRAGMENTS = 131_072;

/** Listens on `ws://` or `wss://`. @param onRefused told of each upgrade that failed. */
export async function listenWebSocket(
  { scheme, address, path }: Target,
  flags: Flags,
  onRefused: OnRefused,
  onReloadError: OnReloadError,
): Promise<Door> {
  const { origin } = flags;
  const { host } = parseAddr("tcp", address, "listen");
  const allowedHosts = HostNames.ofListener(host, flags.allowedHost);
  const names = new HostNames(allowedHosts);
  const seldom = new Seldom();
  const options: AttachOptions = {
    ...common(flags),
    // The URL of no path means all of them, and so does its other spelling.
    ...(path === "" || path === "/" ? {} : { path }),
    ...(origin === undefined
      ? { allowedHosts }
      : { checkOrigin: (request) => origin.includes("*") || origin.includes(request.headers.origin ?? "*") }),
    headers: headerRecord(flags.header),
    onRefuse: ({ reason, remoteAddr, error, request }) => {
      const name =
        request !== undefined && origin === undefined && !names.isOwnPage(request, request.socket)
          ? names.unknownHost(request, request.socket)
          : undefined;
      let advice: string | undefined;
      if (name !== undefined) seldom.tell(() => (advice = adviceFor(name)));
      onRefused(
        request?.socket.remoteAddress ?? String(remoteAddr ?? "somebody"),
        error?.message ?? reason,
        advice,
      );
    },
  };
  if (flags.proxyProtocol) {
    if (scheme === "wss") serverIdentity(flags, scheme);
    const under = await openListener(
      scheme === "wss" ? "tls" : "tcp",
      address,
      flags,
      onRefused,
      onReloadError,
    );
    const server = new FedServer(under);
    const listener = attach(server, { ...options, authorize: ({ socket }) => server.hasAsked(socket) });
    return {
      ...doorOf(listener),
      close: async () => void (await Promise.all([listener.close(), under.close()])),
      drain: async (deadline) => void (await Promise.all([listener.drain(deadline), under.drain(deadline)])),
    };
  }
  const tls = scheme === "wss" ? { tls: { ...serverTls(flags), onReloadError } } : {};
  return doorOf(await listen(address, { ...options, ...tls }));
}

/** For the user, who may be the one who knows the name. Strangers choose it, so it is told seldom. */
function adviceFor(name: string): string {
  return `a page calls this server ${name}, which it was not told; --allowed-host ${name} lets such pages in`;
}

function doorOf(listener: Listener<WebSocketConn>): Door {
  return {
    address: String(listener.addr),
    port: (listener.addr as IpAddr).port,
    async *links() {
      for await (const conn of listener) yield webSocketLink(conn, String(conn.peer.addr));
    },
    close: () => listener.close(),
    drain: (deadline) => listener.drain(deadline),
  };
}

/** Dials `ws://` or `wss://`. */
export async function dialWebSocket(
  { scheme, address, path }: Target,
  flags: Flags,
  signal: AbortSignal,
): Promise<MessageLink> {
  const host = address.startsWith(":") ? `localhost${address}` : address;
  const url = `${scheme}://${host}${path}`;
  const [origin] = flags.origin ?? [];
  const conn = await dial(url, {
    ...common(flags),
    headers: { ...headerRecord(flags.header), ...(origin === undefined ? {} : { Origin: origin }) },
    handshakeTimeoutMs: flags.timeout,
    signal,
    localAddress: flags.source,
    proxy: flags.proxy,
    ...(scheme === "wss" ? { tls: clientTls(flags) } : {}),
  }).catch((error: unknown) => {
    throw withHint(error, url, path);
  });
  return webSocketLink(conn, url);
}

/** What a server says that has no WebSocket at its root: nothing, or a page. */
const ELSEWHERE: ReadonlySet<number | undefined> = new Set([404, 200]);

/** It may well have one at another path, and its answer does not say where. */
function withHint(error: unknown, url: string, path: string): unknown {
  const isRoot = path === "" || path === "/" || path.startsWith("?") || path.startsWith("/?");
  if (!(error instanceof WebSocketNetError) || error.code !== "refused") return error;
  if (!ELSEWHERE.has(error.status) || !isRoot) return error;
  const { host, protocol } = new URL(url);
  const hint = `the URL has no path; the server may have its WebSocket at one, such as ${protocol}//${host}/ws`;
  return new WebSocketNetError(error.code, `${error.message}: ${hint}`, { status: error.status });
}

function common(flags: Flags) {
  const { maxMessage, subprotocol } = flags;
  return {
    maxMessageBytes: maxMessage,
    maxFragments: Math.max(LEAST_FRAGMENTS, Math.ceil(maxMessage / BYTES_PER_FRAGMENT)),
    sendLimitBytes: maxMessage + MORE_BUFFER_BYTES,
    subprotocols: subprotocol,
    // Compressed once for all in a broadcast, which needs messages that refer to none before them.
    compression: flags.compress && { contextTakeover: flags.broadcast !== true },
  };
}

function serverTls(flags: Flags): TlsServerOptions {
  const identity = serverIdentity(flags, "wss");
  return flags.ca === undefined ? identity : { ...identity, caFile: flags.ca, clientCertificates: "require" };
}

function clientTls({ cert, key, ca, servername, insecure }: Flags): WebSocketTlsOptions {
  return {
    certFile: cert,
    keyFile: key,
    caFile: ca,
    serverName: servername,
    dangerouslyAcceptAnyCertificate: insecure === true,
  };
}

function webSocketLink(conn: WebSocketConn, peer: string): MessageLink {
  return {
    form: "messages",
    peer,
    conn,
    hasEnd: true,
    ping: () => conn.ping(),
    flush: () => conn.flush(),
    isOpen: () => conn.isOpen,
    subprotocol: conn.subprotocol === "" ? undefined : conn.subprotocol,
  };
}
