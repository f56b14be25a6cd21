import { createHash } from "node:crypto";
import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import {
  checkServerIdentity,
  connect,
  type PeerCertificate,
  type SecureContextOptions,
  type TLSSocket,
} from "node:tls";
import type { TlsState } from "../contracts/conn.ts";
import { tell } from "../flow/told.ts";
import { type Ends, HandshakeTracer } from "../flow/trace.ts";
import { startTimer } from "../flow/deadline.ts";
import type { FailureSite } from "../contracts/failures.ts";
import { netErrorFrom } from "../contracts/node-error.ts";
import {
  DEFAULT_HANDSHAKE_TIMEOUT_MS,
  type TlsClientOptions,
  type TlsEndOptions,
} from "../options/tls-options.ts";
import type { RawConnection } from "../node/socket-ends.ts";
import type { StreamConn, StreamConnOptions } from "../stream/stream-conn.ts";
import { CertificateAlert } from "../tls/certificate-alert.ts";
import {
  closedInHandshake,
  refusalOf,
  handshakeTimeout,
  keyLine,
  type SecuredSocket,
} from "../tls/tls-handshakes.ts";
import { securedConnOf } from "./socket-conn.ts";

/** What a client needs for a handshake besides its options. */
export interface ClientHandshakeParts {
  /** What the options hold, as `secureContextOptions` reads them. */
  readonly context: SecureContextOptions;
  /** Whom to ask for, and whose certificate it has to be. */
  readonly name: string;
}

/** Makes a connection to a server a TLS one. Rejects with a `NetError`. */
export function secureClient(
  raw: RawConnection,
  site: FailureSite,
  options: TlsClientOptions,
  { context, name, connOptions }: ClientHandshakeParts & { readonly connOptions: StreamConnOptions },
): Promise<StreamConn> {
  const use = (secured: SecuredSocket): StreamConn => tlsConnOf(raw, secured, connOptions, options);
  return clientHandshake(raw, site, options, { context, name }, use);
}

/** What carries TLS: a stream of Node's, and its addresses for those who trace. */
export interface TlsCarrier extends Ends {
  readonly socket: Duplex;
}

/**
 * The handshake of a client alone, over whatever carries it. Rejects with a `NetError`.
 *
 * @param use takes over within the event, so that no later one is missed.
 */
export function clientHandshake<T>(
  raw: TlsCarrier,
  site: FailureSite,
  options: TlsClientOptions,
  { context, name }: ClientHandshakeParts,
  use: (secured: SecuredSocket) => T,
): Promise<T> {
  const { alpnProtocols = [], handshakeTimeoutMs = DEFAULT_HANDSHAKE_TIMEOUT_MS } = options;
  const { sessions, dangerouslyLogKeys } = options;
  const server = sessions && sessionOwner(site, options, context, name);
  const known = server === undefined ? undefined : sessions?.take(server);
  const isRightPeer = identityCheck(name, options, site);
  const tracer = HandshakeTracer.begin("client", raw);
  const securing = new Promise<T>((resolve, rejectWith) => {
    const reject = (error: Error): void => {
      forget();
      rejectWith(error);
    };
    const forget = (): void => {
      if (server !== undefined && known !== undefined) sessions?.drop(server, known);
    };
    let socket: TLSSocket;
    try {
      socket = connect({
        ...context,
        socket: raw.socket,
        host: name,
        // RFC 6066 §3: an IP address is not asked for by name, only checked.
        ...(isIP(name) === 0 ? { servername: name } : {}),
        ...(alpnProtocols.length === 0 ? {} : { ALPNProtocols: [...alpnProtocols] }),
        ...(known === undefined ? {} : { session: known.session }),
        checkServerIdentity: (_, certificate) => isRightPeer(certificate),
        rejectUnauthorized: !options.dangerouslyAcceptAnyCertificate,
      });
    } catch (error) {
      // OpenSSL will not have what is no fault of its form, such as a key that is too small.
      raw.socket.destroy();
      return reject(netErrorFrom(error, site));
    }
    const timer = startTimer(() => {
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
    // Not once: over what is no socket an end that fails is told as one more error.
    socket.on("error", onError);
    socket.once("close", onClose);
    const alert = options.dangerouslyAcceptAnyCertificate ? undefined : alertOf(socket, raw, isRightPeer);
    if (dangerouslyLogKeys) socket.on("keylog", (line: Buffer) => tell(dangerouslyLogKeys, keyLine(line)));
    /** Of a session that is resumed Node has none. */
    const certificateNow = (): PeerCertificate =>
      (socket.isSessionReused() ? known?.certificate : undefined) ?? socket.getPeerCertificate();
    let certificate: PeerCertificate | undefined;
    let isReusable = false;
    let since = performance.now();
    if (server) {
      // Node tells of a session in a later turn: by then the caller may have cut the connection, and Node no
      // longer has its certificate.
      socket.on("session", (session) => {
        if (certificate) sessions?.keep(server, { session, certificate, isReusable, since });
      });
    }
    const onKeylog = (line: Buffer): void => alert?.keylog(line);
    if (alert) socket.on("keylog", onKeylog);
    socket.once("secureConnect", () => {
      clearTimeout(timer);
      socket.off("close", onClose);
      socket.off("keylog", onKeylog);
      // Node looks at no certificate where a session is resumed.
      const fault = socket.isSessionReused() ? isRightPeer(certificateNow()) : undefined;
      if (fault !== undefined && !options.dangerouslyAcceptAnyCertificate) return void socket.destroy(fault);
      isReusable = socket.getProtocol() !== "TLSv1.3";
      if (!socket.isSessionReused()) forget();
      else if (known !== undefined) since = known.since;
      const serverName = isIP(name) === 0 ? name : undefined;
      certificate = certificateNow();
      tracer?.end(socket, serverName);
      resolve(use({ socket, serverName, certificate, fault }));
      socket.off("error", onError);
    });
  });
  if (tracer) securing.catch((error: unknown) => tracer.failed(error));
  return securing;
}

/**
 * Whose sessions they are: one that was made with other authorities, or asking for less, must not stand for a
 * check by these.
 */
function sessionOwner(
  { remoteAddr }: FailureSite,
  { alpnProtocols, dangerouslyAcceptAnyCertificate }: TlsClientOptions,
  context: SecureContextOptions,
  name: string,
): string {
  const asked = [String(remoteAddr), name, alpnProtocols, dangerouslyAcceptAnyCertificate === true, context];
  return createHash("sha256").update(JSON.stringify(asked)).digest("base64");
}

type IdentityCheck = (certificate: PeerCertificate) => Error | undefined;

/** By name, and then by `verifyPeer`, which is asked once. */
function identityCheck(name: string, { verifyPeer }: TlsClientOptions, site: FailureSite): IdentityCheck {
  let known: { readonly fault: Error | undefined } | undefined;
  return (certificate) => {
    const wrongName = checkServerIdentity(name, certificate);
    if (wrongName || verifyPeer === undefined) return wrongName;
    known ??= { fault: refusalOf(certificate, verifyPeer, site, "server") };
    return known.fault;
  };
}

/** What tells the server why its certificate is refused. Node tells the caller. */
function alertOf(
  socket: TLSSocket,
  { socket: below }: TlsCarrier,
  isRightPeer: IdentityCheck,
): CertificateAlert {
  const otherFault = (): Error | undefined => {
    const certificate = socket.getPeerCertificate();
    // Of a session that is resumed it is not there yet.
    return Object.keys(certificate).length === 0 ? undefined : isRightPeer(certificate);
  };
  return new CertificateAlert({ role: "client", socket, below, otherFault, onRefused: ignore });
}

export function tlsConnOf(
  raw: RawConnection,
  { socket, serverName, certificate, fault }: SecuredSocket,
  options: StreamConnOptions,
  end: TlsEndOptions,
): StreamConn {
  // Now: once the socket is over Node has forgotten it, and a handler's `close` may ask.
  const state = stateOf(socket, serverName, fault === undefined, certificate);
  const tls = (): TlsState => state;
  const acceptsTruncation = end.dangerouslyAcceptTruncation === true;
  return securedConnOf({ ...raw, socket }, { ...options, tls }, raw.socket, acceptsTruncation);
}

function stateOf(
  socket: TLSSocket,
  serverName: string | undefined,
  isRightPeer: boolean,
  certificate: PeerCertificate | undefined = socket.getPeerCertificate(),
): TlsState {
  const peerCertificate = certificate && Object.keys(certificate).length > 0 ? certificate : undefined;
  return {
    version: socket.getProtocol() ?? "",
    cipher: socket.getCipher()?.standardName ?? "",
    alpnProtocol: socket.alpnProtocol || undefined,
    serverName,
    isResumed: socket.isSessionReused(),
    // Of a session that is resumed without a certificate Node says so, too.
    isAuthorized: socket.authorized && isRightPeer && peerCertificate !== undefined,
    peerCertificate,
  };
}

function ignore(): void {
  // Node destroys the socket with the same error.
}
