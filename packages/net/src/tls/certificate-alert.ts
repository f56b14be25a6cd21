import { createCipheriv, createHmac } from "node:crypto";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { verifyErrorOf } from "../node/verify-error.ts";

/*
 * Node verifies certificates when OpenSSL has already taken them, and then cuts the connection: the peer
 * learns nothing (RFC 8446 §6.2 wants an alert), and OpenSSL has no function to send one. So it is written
 * here, in the turn in which Node is about to cut, before anything that OpenSSL has not sent yet. Should it
 * be wrong, it only ever reaches a connection that is refused anyway.
 */

const ALERT_RECORD = 21;
const FATAL = 2;

/** The alerts of RFC 8446 §6 for a verdict of OpenSSL, as OpenSSL itself maps them. */
const ALERTS = {
  bad_certificate: 42,
  unsupported_certificate: 43,
  certificate_revoked: 44,
  certificate_expired: 45,
  certificate_unknown: 46,
  unknown_ca: 48,
  decrypt_error: 51,
} as const;

const UNKNOWN_CA = /^UNABLE_TO_(?:GET_|VERIFY_LEAF_)|SELF_SIGNED|CHAIN_TOO_LONG|^PATH_LENGTH|^INVALID_CA$/;
const BAD = /NOT_YET_VALID|REJECTED|UNTRUSTED|^ERROR_IN_|^UNABLE_TO_DEC|MISMATCH|ALTNAME/;

/** The number of the alert for the code of a certificate error. */
export function certificateAlert(code: string): number {
  if (code === "INVALID_PURPOSE") return ALERTS.unsupported_certificate;
  if (code === "CERT_REVOKED") return ALERTS.certificate_revoked;
  if (code.endsWith("_HAS_EXPIRED")) return ALERTS.certificate_expired;
  if (code.endsWith("_SIGNATURE_FAILURE")) return ALERTS.decrypt_error;
  if (BAD.test(code)) return ALERTS.bad_certificate;
  return UNKNOWN_CA.test(code) ? ALERTS.unknown_ca : ALERTS.certificate_unknown;
}

/**
 * Whose traffic an alert is part of: what is written next by a server that has done all but to end its
 * handshake, and by a client before its Finished.
 */
const SECRETS = { server: "SERVER_TRAFFIC_SECRET_0", client: "CLIENT_HANDSHAKE_TRAFFIC_SECRET" } as const;

/** A handshake whose peer has to show a certificate. */
export interface CertificateAlertParts {
  readonly role: "server" | "client";
  readonly socket: TLSSocket;
  /** The connection that carries it. */
  readonly below: Duplex;
  /** What is wrong with a certificate that is valid as such, such as its name. */
  readonly otherFault?: (() => Error | undefined) | undefined;
  /** Told in the turn in which the alert is sent. */
  readonly onRefused: (error: Error) => void;
}

/**
 * Ends a handshake with the alert that says what is wrong with the peer's certificate. For those who write a
 * transport; Node's `keylog` event feeds it.
 */
export class CertificateAlert {
  readonly #handshake: CertificateAlertParts;
  readonly #onSecure = (): void => this.#sealAlert();
  #secret: Buffer | undefined;

  constructor(handshake: CertificateAlertParts) {
    this.#handshake = handshake;
    // Before Node's own listener, which cuts.
    handshake.socket.prependOnceListener("secure", this.#onSecure);
  }

  /** Takes what the `keylog` event tells: a line of `label client-random secret`. */
  keylog(line: Buffer): void {
    const [label, , secret = ""] = line.toString("latin1").trim().split(" ");
    if (label === SECRETS[this.#handshake.role]) this.#secret = Buffer.from(secret, "hex");
    // Of TLS 1.2 this comes when the certificate has been seen, and all that this side has sent is still
    // plain.
    if (label === "CLIENT_RANDOM") this.#plainAlert();
  }

  #plainAlert(): void {
    const error = this.#fault();
    if (error === undefined) return;
    const { socket, onRefused } = this.#handshake;
    onRefused(error);
    this.#write(Buffer.from([ALERT_RECORD, 3, 3, 0, 2, FATAL, certificateAlert(codeOf(error))]));
    socket.destroy(error);
  }

  #sealAlert(): void {
    const { socket, onRefused } = this.#handshake;
    const secret = this.#secret;
    this.#secret = undefined;
    const error = socket.destroyed ? undefined : this.#fault();
    if (error === undefined) return;
    onRefused(error);
    const cipher = SUITES[socket.getCipher().standardName];
    if (secret && cipher) this.#write(sealed(cipher, secret, certificateAlert(codeOf(error))));
  }

  /**
   * Not over TLS, as where a proxy is spoken to by `https:`: Node takes one write at a time there, and what
   * it writes itself while this one is under way ends the process (`!current_write_`).
   */
  #write(alert: Buffer): void {
    const { below } = this.#handshake;
    if (!(below instanceof TLSSocket)) below.write(alert);
  }

  #fault(): Error | undefined {
    const { socket, otherFault } = this.#handshake;
    return verifyErrorOf(socket) ?? otherFault?.();
  }
}

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : "";
}

interface Suite {
  readonly hash: "sha256" | "sha384";
  readonly cipher: "aes-128-gcm" | "aes-256-gcm" | "chacha20-poly1305";
  readonly keyBytes: number;
}

/** The cipher suites of TLS 1.3 (RFC 8446 §B.4) that OpenSSL offers by default. */
const SUITES: Readonly<Record<string, Suite>> = {
  TLS_AES_128_GCM_SHA256: { hash: "sha256", cipher: "aes-128-gcm", keyBytes: 16 },
  TLS_AES_256_GCM_SHA384: { hash: "sha384", cipher: "aes-256-gcm", keyBytes: 32 },
  TLS_CHACHA20_POLY1305_SHA256: { hash: "sha256", cipher: "chacha20-poly1305", keyBytes: 32 },
};

const IV_BYTES = 12;
const TAG_BYTES = 16;

/**
 * An alert as the first record under a traffic secret (RFC 8446 §5.2): with sequence number 0 the nonce is
 * the IV itself.
 */
function sealed({ hash, cipher, keyBytes }: Suite, secret: Buffer, alert: number): Buffer {
  const key = expandLabel(hash, secret, "key", keyBytes);
  const iv = expandLabel(hash, secret, "iv", IV_BYTES);
  const content = Buffer.from([FATAL, alert, ALERT_RECORD]);
  const header = Buffer.from([23, 3, 3, 0, content.length + TAG_BYTES]);
  // Node's types know the three by one kind of options each, which are the same here.
  const seal = createCipheriv(cipher as "chacha20-poly1305", key, iv, { authTagLength: TAG_BYTES });
  seal.setAAD(header, { plaintextLength: content.length });
  return Buffer.concat([header, seal.update(content), seal.final(), seal.getAuthTag()]);
}

/** HKDF-Expand-Label (RFC 8446 §7.1) without context, for no more than one hash of output. */
function expandLabel(hash: Suite["hash"], secret: Buffer, label: string, length: number): Buffer {
  const name = Buffer.from(`tls13 ${label}`);
  const info = Buffer.concat([Buffer.from([0, length, name.length]), name, Buffer.from([0, 1])]);
  return createHmac(hash, secret).update(info).digest().subarray(0, length);
}
