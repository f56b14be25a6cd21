import { isIP } from "node:net";
import { createSecureContext } from "node:tls";
import { domainToASCII } from "node:url";
import { withoutDot } from "./client-hello.ts";
import type { NetOp } from "../contracts/error.ts";
import {
  checkTcpDialValues,
  checkTcpListenValues,
  tcpDialNames,
  tcpListenNames,
} from "../options/check-options.ts";
import type { ProxyTlsOptions, TlsDialOptions } from "../options/dial-options.ts";
import { checkSessions } from "../options/tls-sessions.ts";
import { argumentError } from "../contracts/failures.ts";
import type {
  StartTlsClientOptions,
  StartTlsServerOptions,
  TlsClientOptions,
  TlsCommonOptions,
  TlsEndOptions,
  TlsIdentity,
  TlsListenOptions,
  TlsServerOptions,
} from "../options/tls-options.ts";
import {
  checkKind,
  checkNames,
  checkOneOf,
  checkSignal,
  kindOf,
  type Names,
  shown,
  checkDelay,
  checkTime,
} from "../options/check-values.ts";

const identityNames = { cert: 1, certFile: 1, key: 1, keyFile: 1, passphrase: 1 } as const;
const commonNames = {
  ...identityNames,
  ca: 1,
  caFile: 1,
  crl: 1,
  crlFile: 1,
  alpnProtocols: 1,
  minVersion: 1,
  maxVersion: 1,
  ciphers: 1,
  verifyPeer: 1,
  dangerouslyLogKeys: 1,
  handshakeTimeoutMs: 1,
} as const;
const serverOptionNames: Names<TlsServerOptions> = {
  ...commonNames,
  serverNames: 1,
  identityFor: 1,
  chooseAlpn: 1,
  ticketKeys: 1,
  clientCertificates: 1,
  reloadIntervalMs: 1,
  onReloadError: 1,
};
const listenNames: Names<TlsListenOptions> = {
  ...serverOptionNames,
  ...tcpListenNames,
  dangerouslyAcceptTruncation: 1,
};
const proxyNames: Names<ProxyTlsOptions> = {
  ...commonNames,
  serverName: 1,
  sessions: 1,
  dangerouslyAcceptAnyCertificate: 1,
};
const clientNames: Names<TlsClientOptions> = { ...proxyNames, dangerouslyAcceptTruncation: 1 };
const dialNames: Names<TlsDialOptions> = { ...clientNames, ...tcpDialNames };
const startClientNames: Names<StartTlsClientOptions> = { ...clientNames, signal: 1 };
const startServerNames: Names<StartTlsServerOptions> = {
  ...serverOptionNames,
  dangerouslyAcceptTruncation: 1,
  goAhead: 1,
  signal: 1,
};

/** The versions that are spoken. */
export const VERSIONS = ["TLSv1.2", "TLSv1.3"] as const;
const CLIENT_CERTIFICATES = ["none", "request", "require"] as const;
/** RFC 7301 §3.1: a name has one byte for its length, and the list two. */
const MAX_ALPN_NAME_BYTES = 255;
const MAX_ALPN_LIST_BYTES = 65_535;

/** Checks what `listen("tls", …)` was given. @throws NetError `invalid_argument`. */
export function checkTlsListenOptions(options: TlsListenOptions): void {
  checkNames("listen", "a TLS listener", options, listenNames);
  checkServer(options);
  checkEnd(options, "listen");
  checkTcpListenValues(options);
}

/** Checks the `tls` of another listener. @throws NetError `invalid_argument`. */
export function checkTlsServerOptions(options: TlsServerOptions): void {
  checkKind("listen", "tls", options, "object");
  checkNames("listen", "tls of a listener", options, serverOptionNames);
  checkServer(options);
}

/** Checks what `dial("tls", …)` was given. @throws NetError `invalid_argument`. */
export function checkTlsDialOptions(options: TlsDialOptions): void {
  checkNames("dial", "a TLS dial", options, dialNames);
  checkClient(options);
  checkTcpDialValues(options);
  checkProxyTls(options.proxyTls);
}

/** Checks the option; `undefined` is left out. @throws NetError `invalid_argument`. */
export function checkProxyTls(options: ProxyTlsOptions | undefined): void {
  if (options === undefined) return;
  checkTlsOfDial("proxyTls", options);
}

/**
 * Checks the TLS options of a dial that does not say how TLS ends, of an `https:` proxy and of
 * `wss:`. @throws NetError `invalid_argument`.
 *
 * @param what messages call them.
 */
export function checkTlsOfDial(what: string, options: ProxyTlsOptions): void {
  checkKind("dial", what, options, "object");
  checkNames("dial", what, options, proxyNames);
  checkClient(options);
}

/** Checks what `startTls` of a client was given. @throws NetError `invalid_argument`. */
export function checkStartTlsClient(options: StartTlsClientOptions): void {
  checkKind("dial", "what startTls of a client was given", options ?? null, "object");
  checkNames("dial", "startTls of a client", options, startClientNames);
  checkClient(options);
  tlsName("dial", "serverName", options.serverName);
  checkSignal("dial", options.signal);
}

/** Checks what `startTls` of a server was given. @throws NetError `invalid_argument`. */
export function checkStartTlsServer(options: StartTlsServerOptions): void {
  checkKind("listen", "what startTls of a server was given", options ?? null, "object");
  checkNames("listen", "startTls of a server", options, startServerNames);
  checkServer(options);
  checkEnd(options, "listen");
  checkSignal("listen", options.signal);
  const { goAhead } = options;
  if (goAhead === undefined || typeof goAhead === "string" || goAhead instanceof Uint8Array) return;
  throw argumentError("listen", `goAhead is ${kindOf(goAhead)}, and not a string or Uint8Array`);
}

function checkClient(options: TlsClientOptions): void {
  checkCommon(options, "dial");
  checkEnd(options, "dial");
  checkKind("dial", "dangerouslyAcceptAnyCertificate", options.dangerouslyAcceptAnyCertificate, "boolean");
  if (options.dangerouslyAcceptAnyCertificate && options.verifyPeer !== undefined) {
    throw argumentError(
      "dial",
      "with dangerouslyAcceptAnyCertificate verifyPeer is not asked: leave one out",
    );
  }
  checkSessions(options.sessions);
  const { serverName } = options;
  if (serverName !== undefined) tlsName("dial", "serverName", serverName);
  const hasCert = options.cert !== undefined || options.certFile !== undefined;
  const hasKey = options.key !== undefined || options.keyFile !== undefined;
  if (hasCert !== hasKey) {
    throw argumentError(
      "dial",
      `there is a ${hasCert ? "certificate without its key" : "key without its certificate"}`,
    );
  }
}

/**
 * A host name as TLS wants it: A-labels, no dot at its end (RFC 6066 §3); an IP address is left as it
 * is. @throws NetError `invalid_argument`.
 *
 * @param option what messages call it.
 */
export function tlsName(op: NetOp, option: string, name: unknown): string {
  if (typeof name === "string") {
    if (isIP(name) !== 0) return name;
    const ascii = domainToASCII(withoutDot(name));
    if (ascii !== "") return ascii;
  }
  throw argumentError(op, `${option} ${shown(name)} is not a host name`);
}

function checkServer(options: TlsServerOptions): void {
  checkCommon(options, "listen");
  checkOneOf("listen", "clientCertificates", options.clientCertificates, CLIENT_CERTIFICATES);
  if (options.reloadIntervalMs !== undefined) {
    checkDelay("listen", "reloadIntervalMs", options.reloadIntervalMs);
  }
  checkKind("listen", "onReloadError", options.onReloadError, "function");
  checkTicketKeys(options.ticketKeys);
  checkKind("listen", "identityFor", options.identityFor, "function");
  checkKind("listen", "chooseAlpn", options.chooseAlpn, "function");
  if (options.chooseAlpn !== undefined && options.alpnProtocols !== undefined) {
    throw argumentError("listen", "chooseAlpn takes the place of alpnProtocols: there may be one of them");
  }
  checkPair("a TLS listener", options);
  const { serverNames } = options;
  if (serverNames === undefined) return;
  checkKind("listen", "serverNames", serverNames, "object");
  const byName = new Map<string, string>();
  for (const [name, identity] of Object.entries(serverNames)) {
    const what = `serverNames[${shown(name)}]`;
    if (/\*/.test(name.replace(/^\*\./, ""))) {
      throw argumentError(
        "listen",
        `${what}: "*" stands for a whole first label only, as in "*.example.org"`,
      );
    }
    const ascii = tlsName("listen", "serverNames: the name", name);
    const same = byName.get(ascii);
    if (same !== undefined) throw argumentError("listen", `${what} is the same name as ${shown(same)}`);
    byName.set(ascii, name);
    checkKind("listen", what, identity, "object");
    checkNames("listen", what, identity, identityNames);
    checkIdentity("listen", identity, `${what}.`);
    checkPair(what, identity);
  }
}

function checkPair(who: string, { cert, certFile, key, keyFile }: TlsIdentity): void {
  const hasBoth = (cert ?? certFile) !== undefined && (key ?? keyFile) !== undefined;
  if (!hasBoth) throw argumentError("listen", `${who} needs cert or certFile, and key or keyFile`);
}

function checkCommon(options: TlsCommonOptions, op: NetOp): void {
  checkIdentity(op, options, "");
  for (const name of ["ca", "crl"] as const) checkSource(op, name, options[name], options[`${name}File`]);
  checkVersions(op, options);
  checkCiphers(op, options.ciphers);
  for (const name of ["verifyPeer", "dangerouslyLogKeys"] as const) {
    checkKind(op, name, options[name], "function");
  }
  if (options.handshakeTimeoutMs !== undefined) {
    checkTime(op, "handshakeTimeoutMs", options.handshakeTimeoutMs);
  }
  checkAlpn(op, "alpnProtocols", options.alpnProtocols);
}

/** As many bytes as OpenSSL wants: a name, and two keys. */
const TICKET_KEY_BYTES = 48;

function checkTicketKeys(keys: unknown): void {
  if (keys === undefined || (keys instanceof Uint8Array && keys.length === TICKET_KEY_BYTES)) return;
  const given = keys instanceof Uint8Array ? `${keys.length} bytes` : kindOf(keys);
  throw argumentError("listen", `ticketKeys is ${given}, and not a Uint8Array of ${TICKET_KEY_BYTES} bytes`);
}

function checkVersions(op: NetOp, { minVersion, maxVersion }: TlsCommonOptions): void {
  checkOneOf(op, "minVersion", minVersion, VERSIONS);
  checkOneOf(op, "maxVersion", maxVersion, VERSIONS);
  if (minVersion !== "TLSv1.3" || maxVersion !== "TLSv1.2") return;
  throw argumentError(op, `maxVersion ${shown(maxVersion)} is older than minVersion ${shown(minVersion)}`);
}

/** OpenSSL alone knows what it has. */
function checkCiphers(op: NetOp, ciphers: unknown): void {
  if (ciphers === undefined) return;
  checkKind(op, "ciphers", ciphers, "string");
  try {
    if (typeof ciphers === "string" && ciphers !== "") return void createSecureContext({ ciphers });
  } catch {
    // Node's words name OpenSSL's functions, and not the list.
  }
  throw argumentError(op, `ciphers ${shown(ciphers)} names none that OpenSSL has`);
}

/** Checks what `identityFor` gave for a name. @throws NetError `invalid_argument`. */
export function checkIdentityFor(name: string, identity: TlsIdentity): void {
  const what = `identityFor(${shown(name)})`;
  checkKind("listen", what, identity, "object");
  checkNames("listen", what, identity, identityNames);
  checkIdentity("listen", identity, `${what}.`);
  checkPair(what, identity);
}

function checkIdentity(op: NetOp, identity: TlsIdentity, prefix: string): void {
  for (const name of ["cert", "key"] as const) {
    checkSource(op, `${prefix}${name}`, identity[name], identity[`${name}File`]);
  }
  checkKind(op, `${prefix}passphrase`, identity.passphrase, "string");
}

function checkSource(op: NetOp, name: string, text: unknown, file: unknown): void {
  checkText(op, name, text);
  checkFile(op, `${name}File`, file);
}

function checkEnd(options: TlsEndOptions, op: NetOp): void {
  checkKind(op, "dangerouslyAcceptTruncation", options.dangerouslyAcceptTruncation, "boolean");
}

/** Checks a list of protocols (ALPN); `undefined` is left out. @throws NetError `invalid_argument`. */
export function checkAlpn(op: NetOp, option: string, protocols: unknown): void {
  if (protocols === undefined) return;
  if (!Array.isArray(protocols)) {
    throw argumentError(op, `${option} ${shown(protocols)} is not a list of names`);
  }
  let total = 0;
  for (const name of protocols as readonly unknown[]) {
    const length = typeof name === "string" ? Buffer.byteLength(name) : 0;
    total += length + 1;
    if (length >= 1 && length <= MAX_ALPN_NAME_BYTES) continue;
    throw argumentError(
      op,
      `${option}: ${shown(name)} (${length} bytes) is not a name of 1 to ${MAX_ALPN_NAME_BYTES} bytes`,
    );
  }
  if (total <= MAX_ALPN_LIST_BYTES) return;
  throw argumentError(op, `${option} of ${total} bytes are more than ${MAX_ALPN_LIST_BYTES}`);
}

/** What no name of a file has. */
const PEM = /-----BEGIN /;

/** Checks a value that is PEM; `undefined` is left out. @throws NetError `invalid_argument`. */
export function checkText(op: NetOp, name: string, value: unknown): void {
  if (value === undefined || typeof value === "string" || value instanceof Uint8Array) return;
  throw argumentError(op, `${name} is ${kindOf(value)}, and not PEM as a string or Uint8Array`);
}

function checkFile(op: NetOp, name: string, value: unknown): void {
  if (typeof value === "string" && PEM.test(value)) {
    // It would be no file, and the error would show the private key as its name.
    throw argumentError(
      op,
      `${name} is PEM, and not the name of a file: PEM belongs in ${name.slice(0, -"File".length)}`,
    );
  }
  if (value === undefined || (typeof value === "string" && value !== "")) return;
  throw argumentError(
    op,
    value === ""
      ? `${name} "" is not the name of a file`
      : `${name} is ${kindOf(value)}, and not the name of a file`,
  );
}
