import { isIP, type Socket } from "node:net";
import { connect, createServer, type SecureContextOptions, type TLSSocket } from "node:tls";
import { parseAddr } from "./addr.ts";
import { Certificates, secureContextOptions } from "./certificates.ts";
import type { Conn, Listener } from "./conn.ts";
import { withinLimits } from "./dial-limits.ts";
import { NetError } from "./error.ts";
import type { FailureSite } from "./failures.ts";
import { netErrorFrom } from "./node-error.ts";
import type { Attempt } from "./race.ts";
import { securedConnOf } from "./socket-conn.ts";
import { connectSocket, type DialTarget } from "./socket-dial.ts";
import { listenOn } from "./socket-listener.ts";
import { checkDuration } from "./socket-options.ts";
import type { RawConnection } from "./socket-transport.ts";
import type { StreamConn, StreamConnOptions } from "./stream-conn.ts";
import { tcpKind } from "./tcp.ts";
import { connectFirst } from "./tcp-dial.ts";
import {
  DEFAULT_HANDSHAKE_TIMEOUT_MS,
  type TlsDialOptions,
  type TlsListenOptions,
  type TlsState,
} from "./tls-options.ts";

/** Listens for TLS connections. See `listen`. */
export async function listenTls(address: string, options: TlsListenOptions): Promise<Listener<Conn>> {
  const addr = parseAddr("tls", address, "listen");
  const certificates = new Certificates(options, { op: "listen", network: "tls", localAddr: addr });
  const handshakes = new ServerHandshakes(certificates, options);
  await certificates.load();
  handshakes.useCertificates();
  const kind = await tcpKind("tls", addr, options);
  return listenOn({ ...kind, open: (raw, connOptions) => handshakes.open(raw, connOptions) }, options);
}

/** Connects with TLS. See `dial`. */
export async function dialTls(address: string, options: TlsDialOptions | undefined): Promise<Conn> {
  const addr = parseAddr("tls", address, "dial");
  const site = { op: "dial", network: "tls", remoteAddr: addr } as const;
  return withinLimits(options, site, async (limits) => {
    let context: SecureContextOptions;
    try {
      context = await secureContextOptions(options ?? {});
    } catch (error) {
      throw netErrorFrom(error, site);
    }
    const start = (target: DialTarget): Attempt<StreamConn> => {
      const tcp = connectSocket(target, options);
      const secured = async (): Promise<StreamConn> =>
        secure(
          await tcp.result,
          target.site,
          { ...options, ...context } as TlsDialOptions & SecureContextOptions,
          addr.host,
        );
      return { result: secured(), cancel: () => tcp.cancel() };
    };
    return connectFirst("tls", addr, options, limits, start);
  });
}

/** The handshakes of a listener, done by a TLS server of Node that itself listens to nothing. */
class ServerHandshakes {
  readonly #certificates: Certificates;
  readonly #server: ReturnType<typeof createServer>;
  /** By both ends: Node tells the outcome of a handshake on another object than the one it began on. */
  readonly #waiting = new Map<string, { succeed(socket: TLSSocket): void; fail(error: unknown): void }>();

  constructor(certificates: Certificates, options: TlsListenOptions) {
    const { alpnProtocols, clientCertificates = "none" } = options;
    const { handshakeTimeoutMs = DEFAULT_HANDSHAKE_TIMEOUT_MS } = options;
    checkDuration("handshakeTimeoutMs", handshakeTimeoutMs, 1, "listen");
    this.#certificates = certificates;
    this.#server = createServer({
      SNICallback: (name, done) => done(null, certificates.forName(name)),
      handshakeTimeout: handshakeTimeoutMs,
      requestCert: clientCertificates !== "none",
      rejectUnauthorized: clientCertificates === "require",
      ...(alpnProtocols === undefined ? {} : { ALPNProtocols: [...alpnProtocols] }),
    });
    this.#server.on("secureConnection", (socket) => this.#waiting.get(endsOf(socket))?.succeed(socket));
    this.#server.on("tlsClientError", (error, socket) => this.#waiting.get(endsOf(socket))?.fail(error));
  }

  async open(raw: RawConnection, options: StreamConnOptions): Promise<StreamConn> {
    if (await this.#certificates.refresh()) this.useCertificates();
    const { socket } = raw;
    const ends = endsOf(socket);
    try {
      return await new Promise<StreamConn>((resolve, reject) => {
        const succeed = (secured: TLSSocket): void => resolve(tlsConnOf(raw, secured, options));
        this.#waiting.set(ends, { succeed, fail: reject });
        const onClose = (): void => reject(closedInHandshake(raw));
        if (socket.destroyed) onClose();
        else socket.once("close", onClose);
        this.#server.emit("connection", socket);
      });
    } finally {
      this.#waiting.delete(ends);
    }
  }

  /** For the clients that ask for no name; those that do are given theirs one by one. */
  useCertificates(): void {
    const { mainOptions } = this.#certificates;
    if (mainOptions) this.#server.setSecureContext(mainOptions);
  }
}

/** Makes a TCP connection to a server a TLS one. */
function secure(
  raw: RawConnection,
  site: FailureSite & { readonly network: string },
  options: TlsDialOptions & SecureContextOptions,
  host: string,
): Promise<StreamConn> {
  const name = options.serverName ?? host;
  return new Promise((resolve, reject) => {
    const { alpnProtocols, cert, key, ca, passphrase, minVersion } = options;
    const socket = connect({
      socket: raw.socket,
      host: name,
      // RFC 6066 §3: an IP address is not asked for by name, only checked.
      ...(isIP(name) === 0 ? { servername: name.replace(/\.$/, "") } : {}),
      ...(alpnProtocols === undefined ? {} : { ALPNProtocols: [...alpnProtocols] }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      ...(ca === undefined ? {} : { ca }),
      ...(passphrase === undefined ? {} : { passphrase }),
      ...(minVersion === undefined ? {} : { minVersion }),
      rejectUnauthorized: !options.dangerouslyAcceptAnyCertificate,
    });
    const onError = (error: unknown): void => reject(netErrorFrom(error, site));
    const onClose = (): void => reject(closedInHandshake(raw));
    socket.once("error", onError);
    socket.once("close", onClose);
    socket.once("secureConnect", () => {
      socket.off("close", onClose);
      const { network } = site;
      resolve(tlsConnOf(raw, socket, { network, closeTimeoutMs: options.closeTimeoutMs }));
      socket.off("error", onError);
    });
  });
}

function tlsConnOf(raw: RawConnection, socket: TLSSocket, options: StreamConnOptions): StreamConn {
  let state: TlsState | undefined;
  const tls = (): TlsState => (state ??= stateOf(socket));
  return securedConnOf({ ...raw, socket }, { ...options, tls }, raw.socket);
}

function stateOf(socket: TLSSocket): TlsState {
  const certificate = socket.getPeerCertificate();
  // Node's types leave out that a server gives `false` where no name was asked for.
  const serverName: unknown = Reflect.get(socket, "servername");
  return {
    version: socket.getProtocol() ?? "",
    cipher: socket.getCipher()?.standardName ?? "",
    alpnProtocol: socket.alpnProtocol || undefined,
    serverName: typeof serverName === "string" ? serverName : undefined,
    isAuthorized: socket.authorized,
    peerCertificate: certificate && Object.keys(certificate).length > 0 ? certificate : undefined,
  };
}

function endsOf(socket: Socket): string {
  return [socket.localAddress, socket.localPort, socket.remoteAddress, socket.remotePort].join(" ");
}

function closedInHandshake({ localAddr, remoteAddr }: RawConnection): NetError {
  const reason = "connection closed during the TLS handshake";
  return new NetError({ op: "accept", code: "tls", network: "tls", localAddr, remoteAddr, reason });
}
