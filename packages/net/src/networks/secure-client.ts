import { isIP } from "node:net";
import { checkServerIdentity, connect, type SecureContextOptions, type TLSSocket } from "node:tls";
import type { TlsState } from "../contracts/conn.ts";
import type { FailureSite } from "../contracts/failures.ts";
import { netErrorFrom } from "../contracts/node-error.ts";
import {
  DEFAULT_HANDSHAKE_TIMEOUT_MS,
  type TlsClientOptions,
  type TlsEndOptions,
} from "../options/tls-options.ts";
import type { RawConnection } from "../stream/socket-transport.ts";
import type { StreamConn, StreamConnOptions } from "../stream/stream-conn.ts";
import { CertificateAlert } from "../tls/certificate-alert.ts";
import { closedInHandshake, handshakeTimeout, type SecuredSocket } from "../tls/tls-handshakes.ts";
import { securedConnOf } from "./socket-conn.ts";

/** What the options of a client are made into. */
interface ClientParts {
  readonly context: SecureContextOptions;
  /** Whose certificate it has to be. */
  readonly name: string;
  readonly connOptions: StreamConnOptions;
}

/** Makes a connection to a server a TLS one. Rejects with a `NetError`. */
export function secureClient(
  raw: RawConnection,
  site: FailureSite,
  options: TlsClientOptions,
  { context, name, connOptions }: ClientParts,
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

export function tlsConnOf(
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
