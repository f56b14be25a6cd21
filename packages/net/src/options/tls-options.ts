import type { PeerCertificate } from "node:tls";
import type { NetError } from "../contracts/error.ts";
import type { TcpListenOptions } from "./listen-options.ts";
import type { TlsSessions } from "./tls-sessions.ts";

/** How long a TLS handshake may take unless told otherwise, in milliseconds. */
export const DEFAULT_HANDSHAKE_TIMEOUT_MS = 10_000;

/** How often certificate files are looked at for changes unless told otherwise, in milliseconds. */
export const DEFAULT_RELOAD_INTERVAL_MS = 10_000;

/**
 * A certificate chain and its private key: each as PEM text, or as the name of a PEM file; the text counts
 * where there are both. The chain begins with the certificate of the key. Both are parsed at once: what is
 * empty, cut, garbage or of another key is a `NetError` `tls` that names the file.
 */
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
  /**
   * Authorities the peer's certificate may be signed by, as PEM: one or more certificates. Default: those of
   * the runtime.
   */
  readonly ca?: string | Uint8Array | undefined;
  readonly caFile?: string | undefined;
  /**
   * Lists of certificates that have been revoked (CRL, RFC 5280 §5), as PEM: one of each authority in the
   * peer's chain. Risk: where that of one authority is missing, or past its "next update", no certificate of
   * it is accepted any more. Default: nobody asks.
   */
  readonly crl?: string | Uint8Array | undefined;
  readonly crlFile?: string | undefined;
  /**
   * Application protocols (ALPN, RFC 7301), best first, each of 1 to 255 bytes. A server that has some
   * refuses clients that offer none of them. Default: none.
   */
  readonly alpnProtocols?: readonly string[] | undefined;
  /** Oldest version spoken. Default `"TLSv1.2"`. */
  readonly minVersion?: "TLSv1.2" | "TLSv1.3" | undefined;
  /**
   * Newest version spoken. Risk of `"TLSv1.2"`: more of the handshake is in the clear. Default: the newest
   * there is.
   */
  readonly maxVersion?: "TLSv1.2" | "TLSv1.3" | undefined;
  /**
   * The cipher suites that are spoken, as OpenSSL lists them (`openssl ciphers`): names with a colon between
   * them, those of TLS 1.3 as `TLS_AES_256_GCM_SHA384`. A list without suites of TLS 1.3 leaves those as they
   * are. Risk: what Node leaves out by default is weak, and what is named once stays when it has become so.
   * Default: those of Node.
   */
  readonly ciphers?: string | undefined;
  /**
   * Looks at the certificate that the peer has shown, after all else has found it valid, also when a session
   * is resumed; what it throws refuses the peer, and is the error's `cause`. For pins, and rules that an
   * authority does not know. It cannot allow what is not valid. To give an error, `false` or a promise
   * refuses, too: all else that it gives is not looked at. A client that shows none is not looked at: see
   * `clientCertificates`. Default: nobody looks.
   */
  readonly verifyPeer?: ((certificate: PeerCertificate) => void) | undefined;
  /**
   * Told each line of the keys of each connection, in the format of `SSLKEYLOGFILE`, with which Wireshark
   * shows what was said. DANGER: whoever has them reads everything. For a hunt on a machine of yours. What it
   * throws is a warning of the process. Default: nobody is told.
   */
  readonly dangerouslyLogKeys?: ((line: string) => void) | undefined;
  /** How long the handshake may take once there is a TCP connection, in milliseconds. Default 10 s. */
  readonly handshakeTimeoutMs?: number | undefined;
}

/** How connections may end. */
export interface TlsEndOptions {
  /**
   * Take the end of a peer that ends TCP without ending TLS (no `close_notify`, RFC 8446 §6.1) as an ordinary
   * end, not as `truncated`. For peers that never send one. DANGER: whoever is in between can cut a message
   * short, and nobody notices unless the protocol on top says how long its messages are. Default `false`.
   */
  readonly dangerouslyAcceptTruncation?: boolean | undefined;
}

/** What a client asks for in its first message. */
export interface TlsOffer {
  /** The name it asks for (SNI), if it does. */
  readonly serverName: string | undefined;
  /** The application protocols it offers, its favourite first. */
  readonly protocols: readonly string[];
}

/**
 * What a TLS server needs beside a port, of `listen("tls", …)` and of WebSocket listeners: the certificate
 * and key are needed, all else has defaults.
 */
export interface TlsServerOptions extends TlsCommonOptions {
  /**
   * Other certificates by the name the client asks for (SNI), as `"example.org"` or `"*.example.org"`;
   * international names as they are written or as A-labels. All other names get the main one.
   */
  readonly serverNames?: Readonly<Record<string, TlsIdentity>> | undefined;
  /**
   * Gives the certificate for a name that `serverNames` does not have; `undefined` stands for the main one.
   * Called in each handshake that asks for such a name, whatever a client writes there: bound what you make
   * or look up for names that are not yours. The same object is parsed once; files in it are read then and
   * not again. What it throws, and an identity that cannot be used, ends that handshake and is told to
   * `onRefuse`. It has to be done within `handshakeTimeoutMs`. Default: nobody is asked.
   */
  readonly identityFor?:
    | ((serverName: string) => TlsIdentity | undefined | Promise<TlsIdentity | undefined>)
    | undefined;
  /**
   * Chooses among the protocols that a client offers (ALPN, RFC 7301), in place of `alpnProtocols`;
   * `undefined` refuses the client, with the alert for that. So does what it throws, which is a warning of
   * the process, as is a name that was not offered. Not called for a client that offers none. Default:
   * `alpnProtocols` decides.
   */
  readonly chooseAlpn?: ((offer: TlsOffer) => string | undefined) | undefined;
  /**
   * Ask clients for a certificate: `"request"` takes those without one, or with one that is not valid, too
   * (see `conn.tls.isAuthorized`), `"require"` refuses them, with the alert that says why. Risk of
   * `"require"` without `ca`: every client certificate of a public authority is valid. Default `"none"`.
   */
  readonly clientCertificates?: "none" | "request" | "require" | undefined;
  /**
   * The 48 bytes with which session tickets are sealed (RFC 5077), for several processes that serve one name:
   * a client then resumes with each of them that has the same `clientCertificates`, `ca` and `crl`. Keep them
   * secret and change them daily: whoever has them reads what TLS 1.2 said under them. Default: random for
   * each listener, and new with each new certificate.
   */
  readonly ticketKeys?: Uint8Array | undefined;
  /**
   * Files are looked at again when a client connects, at most this often, in milliseconds, and read again if
   * they have changed. Connections that exist keep theirs. Default 10 s; 0: each time, `Infinity`: never.
   */
  readonly reloadIntervalMs?: number | undefined;
  /**
   * Told when changed files could not be used, once for each reason; the old ones stay in use, and the next
   * look tries again. It is also refused to replace a certificate that is valid by one that has expired or is
   * not valid yet; only at the start is such a one taken. What it throws is a warning of the process.
   * Default: nobody is told.
   */
  readonly onReloadError?: ((error: NetError) => void) | undefined;
}

/** Options of `listen("tls", …)`. Names that are not listed here are refused (`invalid_argument`). */
export interface TlsListenOptions extends TcpListenOptions, TlsServerOptions, TlsEndOptions {}

/**
 * What a TLS client decides, of `dial("tls", …)` and of `startTls`; the identity is the client's own
 * certificate, if the server wants one.
 */
export interface TlsClientOptions extends TlsCommonOptions, TlsEndOptions {
  /**
   * The name the server's certificate must be valid for, and that is asked for (SNI, RFC 6066 §3, as
   * A-labels). Default of `dial`: the host of the address.
   */
  readonly serverName?: string | undefined;
  /**
   * Where sessions are kept for the next dial of the same server. `conn.tls.isResumed` tells. Default: none
   * are.
   */
  readonly sessions?: TlsSessions | undefined;
  /**
   * DANGER: talk to anybody. Whoever is in between can read and change everything. For tests. Default
   * `false`.
   */
  readonly dangerouslyAcceptAnyCertificate?: boolean | undefined;
}

/**
 * Options of `startTls(conn, "client", …)`. Names that are not listed here are refused (`invalid_argument`).
 */
export interface StartTlsClientOptions extends TlsClientOptions {
  /** As of `dial("tls", …)`, and needed: an address that was dialled says nothing of a name. */
  readonly serverName: string;
  /** Ends the handshake, and with it the connection. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Options of `startTls(conn, "server", …)`. Names that are not listed here are refused (`invalid_argument`).
 */
export interface StartTlsServerOptions extends TlsServerOptions, TlsEndOptions {
  /**
   * The last that is said in the clear, such as `"220 go ahead\r\n"`; text goes as UTF-8. It leaves when it
   * is certain that nothing is unread and that there is a certificate. Who writes it before may have the
   * handshake refused: where the event loop has its turn in between, the client's first message may be among
   * the unread. Default: nothing.
   */
  readonly goAhead?: string | Uint8Array | undefined;
  /** Ends the handshake, and with it the connection. */
  readonly signal?: AbortSignal | undefined;
}
