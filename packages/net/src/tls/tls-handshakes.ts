import type { Socket } from "node:net";
import { createServer, type PeerCertificate, type TLSSocket } from "node:tls";
import { CertificateAlert } from "./certificate-alert.ts";
import { Certificates } from "./certificates.ts";
import { clientHello } from "./client-hello.ts";
import { NetError } from "../contracts/error.ts";
import { MAX_DELAY_MS, startTimer } from "../flow/deadline.ts";
import { asError, type FailureSite } from "../contracts/failures.ts";
import { netErrorFrom } from "../contracts/node-error.ts";
import { tell, told } from "../flow/told.ts";
import { HandshakeTracer } from "../flow/trace.ts";
import { tcpBelowTls } from "../node/reset.ts";
import { shown } from "../options/check-values.ts";
import { DEFAULT_HANDSHAKE_TIMEOUT_MS, type TlsServerOptions } from "../options/tls-options.ts";

/** A connection after its handshake. */
export interface SecuredSocket {
  readonly socket: TLSSocket;
  /** The name the client asked for (SNI), if it did. */
  readonly serverName: string | undefined;
  /** The peer's certificate, where it is known already. */
  readonly certificate?: PeerCertificate;
  /** What is wrong with it that Node has not looked for, and that does not matter to who dials. */
  readonly fault?: Error | undefined;
}

/** A handshake under way. */
interface Handshake {
  readonly below: Socket;
  readonly site: FailureSite;
  readonly succeed: (socket: TLSSocket) => void;
  readonly fail: (error: unknown) => void;
}

/**
 * The handshakes of a listener, done by a TLS server of Node that itself listens to nothing. For those who
 * write a listener: the sockets are theirs, and to destroy one ends its handshake.
 */
export class TlsHandshakes {
  readonly #certificates: Certificates;
  readonly #timeoutMs: number;
  readonly #verifyPeer: TlsServerOptions["verifyPeer"];
  readonly #server: ReturnType<typeof createServer>;
  /** By both ends: Node tells the outcome of a handshake on another object than the one it began on. */
  readonly #waiting = new Map<string, Handshake>();
  readonly #alerts = new WeakMap<TLSSocket, CertificateAlert>();

  /**
   * Reads the files and parses what they hold.
   *
   * @param options checked already.
   * @throws NetError `not_found`, `permission`, `tls`, which name the file.
   */
  static async of(options: TlsServerOptions, site: FailureSite): Promise<TlsHandshakes> {
    const certificates = new Certificates(options, site);
    await certificates.load();
    return new TlsHandshakes(certificates, options);
  }

  private constructor(certificates: Certificates, options: TlsServerOptions) {
    const { alpnProtocols = [], chooseAlpn, clientCertificates = "none" } = options;
    this.#timeoutMs = options.handshakeTimeoutMs ?? DEFAULT_HANDSHAKE_TIMEOUT_MS;
    this.#verifyPeer = options.verifyPeer;
    this.#certificates = certificates;
    this.#server = createServer({
      SNICallback: (name, done) => done(null, certificates.forName(name)),
      handshakeTimeout: Math.min(this.#timeoutMs, MAX_DELAY_MS), // Node takes no 0, and no more.
      requestCert: clientCertificates !== "none",
      rejectUnauthorized: clientCertificates === "require",
      ...(alpnProtocols.length === 0 ? {} : { ALPNProtocols: [...alpnProtocols] }),
      ...(chooseAlpn === undefined ? {} : { ALPNCallback: alpnCallback(chooseAlpn) }),
    });
    this.#server.on("secureConnection", (socket) => this.#handshakeOf(socket)?.succeed(socket));
    this.#server.on("tlsClientError", (error, socket) => this.#handshakeOf(socket)?.fail(error));
    if (clientCertificates === "require") {
      this.#server.on("keylog", (line, socket) => this.#judge(socket)?.keylog(line));
    }
    const { dangerouslyLogKeys } = options;
    if (dangerouslyLogKeys) this.#server.on("keylog", (line) => tell(dangerouslyLogKeys, keyLine(line)));
    this.#useCertificates();
  }

  /**
   * Does the handshake on a new connection, within the time for it.
   *
   * @throws NetError `tls`, `timeout`; then the socket is destroyed.
   */
  async secure(below: Socket, site: FailureSite): Promise<SecuredSocket> {
    const tracer = HandshakeTracer.begin("server", site);
    const ends = endsOf(below);
    const { allowHalfOpen } = below;
    // No AbortController, which would cost each silent visitor 900 bytes more.
    let end: (why: NetError) => void = ignore;
    const cut = new Promise<never>((_, reject) => {
      end = reject;
    });
    const timer = startTimer(() => end(handshakeTimeout(site, this.#timeoutMs)), this.#timeoutMs);
    const onClose = (): void => end(closedInHandshake(site));
    let choosing: Promise<() => void> | undefined;
    try {
      if (below.destroyed) onClose();
      else below.once("close", onClose);
      const { serverName } = await Promise.race([cut, clientHello(below)]);
      if (await Promise.race([cut, this.#certificates.refresh()])) this.#useCertificates();
      choosing = this.#certificates.choose(serverName);
      await Promise.race([cut, choosing]);
      const handshake = new Promise<TLSSocket>((resolve, reject) => {
        this.#waiting.set(ends, { below, site, succeed: resolve, fail: reject });
        // Else Node would not notice that a client is gone before its handshake is over, and it would hold
        // its place.
        below.allowHalfOpen = false;
        this.#server.emit("connection", below);
      });
      const socket = await Promise.race([cut, handshake]);
      this.#alerts.delete(socket);
      this.#verify(socket, site);
      socket.allowHalfOpen = allowHalfOpen;
      below.allowHalfOpen = allowHalfOpen;
      tracer?.end(socket, serverName);
      return { socket, serverName };
    } catch (error) {
      below.on("error", ignore).destroy();
      const failure = isEnd(error) ? closedInHandshake(site, error) : netErrorFrom(error, site);
      tracer?.failed(failure);
      throw failure;
    } finally {
      clearTimeout(timer);
      void choosing?.then((over) => over(), ignore);
      below.off("close", onClose);
      this.#waiting.delete(ends);
    }
  }

  /**
   * By the socket below: of a client that has reset the connection since, the system has no address any more,
   * and Node tells what it was only where it was asked before.
   */
  #handshakeOf(socket: TLSSocket): Handshake | undefined {
    return this.#waiting.get(endsOf(tcpBelowTls(socket) ?? socket));
  }

  #verify(socket: TLSSocket, site: FailureSite): void {
    const certificate = socket.getPeerCertificate();
    // To a client that shows none, or one that is not valid, `clientCertificates` has the answer.
    const isShown = Object.keys(certificate ?? {}).length > 0;
    if (this.#verifyPeer === undefined || !socket.authorized || !isShown) return;
    const refusal = refusalOf(certificate, this.#verifyPeer, site, "client");
    if (refusal !== undefined) throw refusal;
  }

  /** What sends the alert if the client's certificate is refused. */
  #judge(socket: TLSSocket): CertificateAlert | undefined {
    const known = this.#alerts.get(socket);
    if (known) return known;
    const handshake = this.#handshakeOf(socket);
    if (!handshake) return undefined;
    const { below, site, fail } = handshake;
    const onRefused = (cause: Error): void => {
      const reason = `TLS: the client's certificate is refused: ${cause.message}`;
      fail(new NetError({ ...site, code: "tls", reason, cause }));
    };
    const alert = new CertificateAlert({ role: "server", socket, below, onRefused });
    this.#alerts.set(socket, alert);
    return alert;
  }

  /** For the clients that ask for no name; those that do are given theirs one by one. */
  #useCertificates(): void {
    const { mainOptions } = this.#certificates;
    if (mainOptions) this.#server.setSecureContext(mainOptions);
  }
}

/** What `verifyPeer` says by throwing. */
export function refusalOf(
  certificate: PeerCertificate,
  verifyPeer: (certificate: PeerCertificate) => void,
  site: FailureSite,
  peer: "client" | "server",
): NetError | undefined {
  try {
    // TypeScript takes a function that gives something for one that gives nothing.
    const verdict: unknown = verifyPeer(certificate);
    // Node's `checkServerIdentity` refuses by what it gives.
    if (verdict instanceof Error) throw verdict;
    if (verdict === false) throw new TypeError("verifyPeer gave false, and has to throw what it refuses");
    if (!isThenable(verdict)) return undefined;
    // Its verdict would come too late. It may be of another realm, or of a library of promises.
    void told(Promise.resolve(verdict));
    throw new TypeError("verifyPeer gave a promise, and has to decide at once");
  } catch (thrown) {
    const cause = asError(thrown);
    const reason = `TLS: the ${peer}'s certificate is refused: ${cause.message}`;
    return new NetError({ ...site, code: "tls", reason, cause });
  }
}

function isThenable(value: unknown): boolean {
  return typeof value === "object" && value !== null && typeof Reflect.get(value, "then") === "function";
}

/** A line of the `keylog` event as text. */
export function keyLine(line: Buffer): string {
  return line.toString("latin1").trimEnd();
}

/** What OpenSSL asks for the protocol. It has no place for an error of ours. */
function alpnCallback(choose: NonNullable<TlsServerOptions["chooseAlpn"]>) {
  return ({ servername, protocols }: { servername: string; protocols: string[] }): string | undefined => {
    try {
      const protocol = choose({ serverName: servername || undefined, protocols: [...protocols] });
      if (protocol === undefined || protocols.includes(protocol)) return protocol;
      process.emitWarning(`chooseAlpn gave ${shown(protocol)}, which the client has not offered`);
    } catch (error) {
      process.emitWarning(asError(error));
    }
    return undefined;
  };
}

function endsOf(socket: Socket): string {
  return [socket.localAddress, socket.localPort, socket.remoteAddress, socket.remotePort].join(" ");
}

/** The peer has cut the connection, in one of the ways in which Node says so. */
function isEnd(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ECONNRESET";
}

/** The connection ended while a handshake was under way. */
export function closedInHandshake(site: FailureSite, cause?: unknown): NetError {
  return new NetError({ ...site, code: "tls", reason: "connection closed during the TLS handshake", cause });
}

/** A handshake was not over in time. */
export function handshakeTimeout(site: FailureSite, timeoutMs: number): NetError {
  const reason = `the TLS handshake was not over within ${timeoutMs} ms`;
  return new NetError({ ...site, code: "timeout", reason });
}

function ignore(): void {
  // Told by the promise of the handshake.
}
