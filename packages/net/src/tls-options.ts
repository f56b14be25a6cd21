import type { PeerCertificate } from "node:tls";
import type { TcpDialOptions } from "./dial-options.ts";
import type { NetError } from "./error.ts";
import type { TcpListenOptions } from "./listen-options.ts";

/** How long a TLS handshake may take unless told otherwise, in milliseconds. */
export const DEFAULT_HANDSHAKE_TIMEOUT_MS = 10_000;

/** How often certificate files are looked at for changes unless told otherwise, in milliseconds. */
export const DEFAULT_RELOAD_INTERVAL_MS = 10_000;

/** A certificate chain and its private key: each as PEM text, or as the name of a PEM file. */
export interface TlsIdentity {
  readonly cert?: string | Uint8Array | undefined;
  readonly certFile?: string | undefined;
  readonly key?: string | Uint8Array | undefined;
  readonly keyFile?: string | undefined;
  /** Opens an encrypted key. */
  readonly passphrase?: string | undefined;
}

/** What server and client have in common. */
export interface TlsCommonOptions extends TlsIdentity {
  /** Authorities the peer's certificate may be signed by, as PEM. Default: those of the runtime. */
  readonly ca?: string | Uint8Array | undefined;
  readonly caFile?: string | undefined;
  /** Application protocols (ALPN), best first. A server that has some refuses clients that offer none of them. Default: none. */
  readonly alpnProtocols?: readonly string[] | undefined;
  /** Oldest version spoken. Default `"TLSv1.2"`. */
  readonly minVersion?: "TLSv1.2" | "TLSv1.3" | undefined;
}

/** Options of `listen("tls", …)`: the certificate is needed, all else has defaults. */
export interface TlsListenOptions extends TcpListenOptions, TlsCommonOptions {
  /** Other certificates by the name the client asks for (SNI), as `"example.org"` or `"*.example.org"`. All other names get the main one. */
  readonly serverNames?: Readonly<Record<string, TlsIdentity>> | undefined;
  /**
   * Ask clients for a certificate: `"request"` takes those without one, or with one that is not valid, too (see `conn.tls.isAuthorized`),
   * `"require"` refuses them. Default `"none"`.
   */
  readonly clientCertificates?: "none" | "request" | "require" | undefined;
  /** How long the handshake of a client may take, in milliseconds. Default 10 s. */
  readonly handshakeTimeoutMs?: number | undefined;
  /**
   * Files are looked at again when a client connects, at most this often, in milliseconds, and read again if they have changed.
   * Connections that exist keep theirs. Default 10 s.
   */
  readonly reloadIntervalMs?: number | undefined;
  /** Told when changed files could not be used; the old certificate then stays in use, and the next look tries again. */
  readonly onReloadError?: ((error: NetError) => void) | undefined;
}

/** Options of `dial("tls", …)`; the identity is the client's own certificate, if the server wants one. */
export interface TlsDialOptions extends TcpDialOptions, TlsCommonOptions {
  /** The name the server's certificate must be valid for, and that is asked for (SNI). Default: the host of the address. */
  readonly serverName?: string | undefined;
  /** DANGER: talk to anybody. Whoever is in between can read and change everything. For tests. Default `false`. */
  readonly dangerouslyAcceptAnyCertificate?: boolean | undefined;
}

/** What the handshake has agreed on. */
export interface TlsState {
  /** `"TLSv1.3"`, … */
  readonly version: string;
  readonly cipher: string;
  /** The application protocol (ALPN), if one was agreed on. */
  readonly alpnProtocol: string | undefined;
  /** The name the client asked for (SNI), if it did. */
  readonly serverName: string | undefined;
  /** True if the peer showed a certificate that is valid. */
  readonly isAuthorized: boolean;
  /** The peer's certificate, if it showed one. */
  readonly peerCertificate: PeerCertificate | undefined;
}
