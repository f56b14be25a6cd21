import { isIP } from "node:net";
import { checkServerIdentity, connect, type SecureContextOptions, type TLSSocket } from "node:tls";
import { CertificateAlert } from "../tls/certificate-alert.ts";
import { secureContextOptions } from "../tls/certificates.ts";
import { checkTlsDialOptions, checkTlsListenOptions, tlsName } from "../tls/check-tls-options.ts";
import type { Conn, StreamListener, TlsState } from "../contracts/conn.ts";
import { withinLimits } from "./dial-limits.ts";
import type { InheritedSocket } from "./inherited.ts";
import type { FailureSite } from "../contracts/failures.ts";
import { netErrorFrom } from "../contracts/node-error.ts";
import { type Attempt, race } from "./race.ts";
import { securedConnOf } from "./socket-conn.ts";
import { connectSocket, type DialTarget } from "./socket-dial.ts";
import { listenOn } from "./socket-listener.ts";
import type { RawConnection } from "../stream/socket-transport.ts";
import type { StreamConn, StreamConnOptions } from "../stream/stream-conn.ts";
import { tcpKind } from "./tcp.ts";
import { connectFirst } from "./connect-first.ts";
import { connectThrough } from "./proxy-dial.ts";
import {
  closedInHandshake,
  handshakeTimeout,
  type SecuredSocket,
  TlsHandshakes,
} from "../tls/tls-handshakes.ts";
import {
  DEFAULT_HANDSHAKE_TIMEOUT_MS,
  type TlsDialOptions,
  type TlsEndOptions,
  type TlsListenOptions,
} from "../options/tls-options.ts";
import { parseAddr } from "../contracts/parse-addr.ts";
import { parseProxyUrl } from "../options/proxy-url.ts";

/** Listens for TLS connections. See `listen`. */
export async function listenTls(
  address: string | InheritedSocket,
  options: TlsListenOptions,
): Promise<StreamListener> {
  const addr =
    typeof address === "object" && address !== null ? address : parseAddr("tls", address, "listen");
  checkTlsListenOptions(options);
  const localAddr = "fd" in addr ? undefined : addr;
  const handshakes = await TlsHandshakes.of(options, { op: "listen", network: "tls", localAddr });
  const kind = await tcpKind("tls", addr, options);
  const afterHandshake = async (raw: RawConnection, connOptions: StreamConnOptions): Promise<StreamConn> => {
    const { remoteAddr } = raw;
    const site = { op: "accept", network: "tls", localAddr: raw.localAddr, remoteAddr } as const;
    return tlsConnOf(raw, await handshakes.secure(raw.socket, site), connOptions, options);
  };
  return listenOn({ ...kind, open: { afterHandshake } }, options);
}

/** Connects with TLS. See `dial`. */
export async function dialTls(address: string, options: TlsDialOptions = {}): Promise<Conn> {
  const addr = parseAddr("tls", address, "dial");
  checkTlsDialOptions(options);
  const name = tlsName("dial", "the host to ask for", options.serverName ?? (addr.host || "localhost"));
  const site = { op: "dial", network: "tls", remoteAddr: addr } as const;
  return withinLimits(options, site, async (limits) => {
    let context: SecureContextOptions;
    try {
      context = await secureContextOptions(options, site);
    } catch (error) {
      throw netErrorFrom(error, site);
    }
    const start = (target: DialTarget): Attempt<StreamConn> => {
      const tcp = connectSocket(target, options);
      const secured = async (): Promise<StreamConn> =>
        secure(await tcp.result, target.site, options, context, name);
      return { result: secured(), cancel: () => tcp.cancel() };
    };
    if (options.proxy === undefined) return connectFirst("tls", addr, options, limits, start);
    const raw = await connectThrough(parseProxyUrl(options.proxy), "tls", addr, options, limits);
    const securing = (): Attempt<StreamConn> => ({
      result: secure(raw, site, options, context, name),
      cancel: () => void raw.socket.destroy(),
    });
    const { signal, remainingMs } = limits;
    return race([addr], securing, { delayMs: 0, remainingMs, signal });
  });
}

/** Makes a TCP connection to a server a TLS one. */
function secure(
  raw: RawConnection,
  site: FailureSite & { readonly network: string },
  options: TlsDialOptions,
  context: SecureContextOptions,
  name: string,
): Promise<StreamConn> {
  const { alpnProtocols = [], handshakeTimeoutMs = DEFAULT_HANDSHAKE_TIMEOUT_MS } = options;
  return new Promise((resolve, reject) => {
    const socket = connect({
      ...context,
      socket: raw.socket,
      host: name,
      // RFC 6066 §3: an IP address is not asked for by name, only checked.
      ...(isIP(name) === 0 ? { servername: name } : {}),
      ...(alpnProtocols.length === 0 ? {} : { ALPNProtocols: [...alpnProtocols] }),
      rejectUnauthorized: !options.dangerouslyAcceptAnyCertificate,
    });
    const timer = setTimeout(() => {
      reject(handshakeTimeout(site, handshakeTimeoutMs));
      socket.destroy();
    }, handshakeTimeoutMs);
    const onError = (error: unknown): void => {
      clearTimeout(timer);
      reject(netErrorFrom(error, site));
    };
    const onClose = (): void => {
      clearTimeout(timer);
      reject(closedInHandshake(site));
    };
    socket.once("error", onError);
    socket.once("close", onClose);
    const alert = options.dangerouslyAcceptAnyCertificate ? undefined : alertOf(socket, raw, name);
    const onKeylog = (line: Buffer): void => alert?.keylog(line);
    if (alert) socket.on("keylog", onKeylog);
    socket.once("secureConnect", () => {
      clearTimeout(timer);
      socket.off("close", onClose);
      socket.off("keylog", onKeylog);
      const { network } = site;
      const connOptions = { network, closeTimeoutMs: options.closeTimeoutMs };
      const serverName = isIP(name) === 0 ? name : undefined;
      resolve(tlsConnOf(raw, { socket, serverName }, connOptions, options));
      socket.off("error", onError);
    });
  });
}

/** What tells the server why its certificate is refused. Node tells the caller. */
function alertOf(socket: TLSSocket, { socket: below }: RawConnection, name: string): CertificateAlert {
  const otherFault = (): Error | undefined => checkServerIdentity(name, socket.getPeerCertificate());
  return new CertificateAlert({ role: "client", socket, below, otherFault, onRefused: ignore });
}

function tlsConnOf(
  raw: RawConnection,
  { socket, serverName }: SecuredSocket,
  options: StreamConnOptions,
  end: TlsEndOptions,
): StreamConn {
  let state: TlsState | undefined;
  const tls = (): TlsState => (state ??= stateOf(socket, serverName));
  const acceptsTruncation = end.dangerouslyAcceptTruncation === true;
  return securedConnOf({ ...raw, socket }, { ...options, tls }, raw.socket, acceptsTruncation);
}

function stateOf(socket: TLSSocket, serverName: string | undefined): TlsState {
  const certificate = socket.getPeerCertificate();
  return {
    version: socket.getProtocol() ?? "",
    cipher: socket.getCipher()?.standardName ?? "",
    alpnProtocol: socket.alpnProtocol || undefined,
    serverName,
    isAuthorized: socket.authorized,
    peerCertificate: certificate && Object.keys(certificate).length > 0 ? certificate : undefined,
  };
}

function ignore(): void {
  // Node destroys the socket with the same error.
}
