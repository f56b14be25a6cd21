import { isIP } from "node:net";
import { domainToASCII } from "node:url";
import { withoutDot } from "./client-hello.ts";
import type { NetOp } from "./error.ts";
import type { TcpDialOptions } from "./dial-options.ts";
import { argumentError } from "./failures.ts";
import type { TcpListenOptions } from "./listen-options.ts";
import type { ProxyProtocolOptions } from "./proxy-protocol.ts";
import { checkDuration } from "./socket-options.ts";
import type {
  TlsCommonOptions,
  TlsDialOptions,
  TlsEndOptions,
  TlsIdentity,
  TlsListenOptions,
  TlsServerOptions,
} from "./tls-options.ts";

/*
 * A misspelt option is a door left open: `clientCertificate: "require"` would let in everybody. TypeScript sees it only in object literals, so each name
 * is checked against these lists, which the compiler keeps complete.
 */

const identityNames = { cert: 1, certFile: 1, key: 1, keyFile: 1, passphrase: 1 } as const;
const commonNames = {
  ...identityNames,
  ca: 1,
  caFile: 1,
  crl: 1,
  crlFile: 1,
  alpnProtocols: 1,
  minVersion: 1,
  handshakeTimeoutMs: 1,
} as const;
const serverOptionNames: Names<TlsServerOptions> = {
  ...commonNames,
  serverNames: 1,
  clientCertificates: 1,
  reloadIntervalMs: 1,
  onReloadError: 1,
};
const socketNames = { noDelay: 1, keepAlive: 1, keepAliveIdleMs: 1, closeTimeoutMs: 1, signal: 1 } as const;
const listenNames: Names<TlsListenOptions> = {
  ...serverOptionNames,
  ...socketNames,
  backlog: 1,
  maxPending: 1,
  maxConnections: 1,
  maxConnectionsPerAddress: 1,
  maxHalfOpenPerAddress: 1,
  maxHandshakesPerAddress: 1,
  exemptAddresses: 1,
  firstByteTimeoutMs: 1,
  onRefuse: 1,
  reusePort: 1,
  ipv6Only: 1,
  proxyProtocol: 1,
  dangerouslyAcceptTruncation: 1,
};
const proxyProtocolNames: Names<ProxyProtocolOptions> = { trusted: 1, timeoutMs: 1 };
const dialNames: Names<TlsDialOptions> = {
  ...commonNames,
  ...socketNames,
  deadline: 1,
  localAddress: 1,
  resolver: 1,
  attemptDelayMs: 1,
  serverName: 1,
  dangerouslyAcceptAnyCertificate: 1,
  dangerouslyAcceptTruncation: 1,
};

type Names<Options> = Readonly<Record<keyof Options, 1>>;

/** The versions that are spoken. */
export const VERSIONS = ["TLSv1.2", "TLSv1.3"] as const;
const CLIENT_CERTIFICATES = ["none", "request", "require"] as const;
/** RFC 7301 §3.1: a name has one byte for its length, and the list two. */
const MAX_ALPN_NAME_BYTES = 255;
const MAX_ALPN_LIST_BYTES = 65_535;
/** Of a value that messages show. */
const MAX_SHOWN = 60;

/** Checks what `listen("tls", …)` was given. @throws NetError `invalid_argument`. */
export function checkTlsListenOptions(options: TlsListenOptions): void {
  checkNames("listen", "a TLS listener", options, listenNames);
  checkServer(options);
  checkEnd(options, "listen");
  checkSocket(options, "listen");
  for (const name of ["reusePort", "ipv6Only"] as const) checkKind("listen", name, options[name], "boolean");
  checkKind("listen", "onRefuse", options.onRefuse, "function");
  checkAddresses("exemptAddresses", options.exemptAddresses);
  const { proxyProtocol } = options;
  if (proxyProtocol === undefined) return;
  checkKind("listen", "proxyProtocol", proxyProtocol, "object");
  checkNames("listen", "proxyProtocol", proxyProtocol, proxyProtocolNames);
  checkAddresses("proxyProtocol.trusted", proxyProtocol.trusted ?? null);
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
  checkCommon(options, "dial");
  checkEnd(options, "dial");
  checkSocket(options, "dial");
  checkKind("dial", "resolver", options.resolver, "function");
  checkKind("dial", "dangerouslyAcceptAnyCertificate", options.dangerouslyAcceptAnyCertificate, "boolean");
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
 * A host name as TLS wants it: A-labels, no dot at its end (RFC 6066 §3); an IP address is left as it is. @throws NetError `invalid_argument`.
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
    checkDuration("reloadIntervalMs", options.reloadIntervalMs, 0, "listen");
  }
  checkKind("listen", "onReloadError", options.onReloadError, "function");
  checkPair("a TLS listener", options);
  const { serverNames } = options;
  if (serverNames === undefined) return;
  checkKind("listen", "serverNames", serverNames, "object");
  // Its names are no properties, and would not be found.
  if (serverNames instanceof Map) throw argumentError("listen", "serverNames is a Map, and not an object");
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
  for (const name of ["ca", "crl"] as const) {
    checkText(op, name, options[name]);
    checkFile(op, `${name}File`, options[`${name}File`]);
  }
  checkOneOf(op, "minVersion", options.minVersion, VERSIONS);
  if (options.handshakeTimeoutMs !== undefined) {
    checkDuration("handshakeTimeoutMs", options.handshakeTimeoutMs, 1, op);
  }
  checkAlpn(op, "alpnProtocols", options.alpnProtocols);
}

function checkIdentity(op: NetOp, identity: TlsIdentity, prefix: string): void {
  for (const name of ["cert", "key"] as const) {
    checkText(op, `${prefix}${name}`, identity[name]);
    checkFile(op, `${prefix}${name}File`, identity[`${name}File`]);
  }
  checkKind(op, `${prefix}passphrase`, identity.passphrase, "string");
}

function checkEnd(options: TlsEndOptions, op: NetOp): void {
  checkKind(op, "dangerouslyAcceptTruncation", options.dangerouslyAcceptTruncation, "boolean");
}

function checkSocket(options: TcpDialOptions | TcpListenOptions, op: NetOp): void {
  for (const name of ["noDelay", "keepAlive"] as const) checkKind(op, name, options[name], "boolean");
  const signal: unknown = options.signal;
  if (signal === undefined || signal instanceof AbortSignal) return;
  throw argumentError(op, `signal ${shown(signal)} is not an AbortSignal`);
}

function checkAddresses(name: string, list: unknown): void {
  if (list === undefined || (Array.isArray(list) && list.every((each) => typeof each === "string"))) return;
  throw argumentError("listen", `${name} ${shown(list)} is not a list of addresses`);
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

/** Refuses names that are not known, and says which are. @throws NetError `invalid_argument`. */
export function checkNames(op: NetOp, what: string, given: object, known: object): void {
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(known, name)) continue;
    const names = Object.keys(known).toSorted().join(", ");
    throw argumentError(op, `${what} has no option ${shown(name)}; it has ${names}`);
  }
}

/** Checks a value that is one of a few; `undefined` is left out. @throws NetError `invalid_argument`. */
export function checkOneOf(op: NetOp, name: string, value: unknown, allowed: readonly string[]): void {
  if (value === undefined || (typeof value === "string" && allowed.includes(value))) return;
  throw argumentError(op, `${name} ${shown(value)} is not one of ${allowed.map(shown).join(", ")}`);
}

/** Checks a value that is PEM; `undefined` is left out. @throws NetError `invalid_argument`. */
export function checkText(op: NetOp, name: string, value: unknown): void {
  if (value === undefined || typeof value === "string" || value instanceof Uint8Array) return;
  throw argumentError(op, `${name} is ${kindOf(value)}, and not PEM as a string or Uint8Array`);
}

function checkFile(op: NetOp, name: string, value: unknown): void {
  if (value === undefined || (typeof value === "string" && value !== "")) return;
  throw argumentError(op, `${name} ${shown(value)} is not the name of a file`);
}

/** Checks what kind of value it is; `undefined` is left out. @throws NetError `invalid_argument`. */
export function checkKind(
  op: NetOp,
  name: string,
  value: unknown,
  kind: "boolean" | "string" | "function" | "object",
): void {
  if (value === undefined || (typeof value === kind && value !== null && !Array.isArray(value))) return;
  // What should be a passphrase or an identity may hold a secret.
  const isSecret = kind === "string" || kind === "object";
  const article = kind === "object" ? "an" : "a";
  throw argumentError(
    op,
    `${name} is ${isSecret ? kindOf(value) : shown(value)}, and not ${article} ${kind}`,
  );
}

function kindOf(value: unknown): string {
  return value === null ? "null" : Array.isArray(value) ? "an array" : `of type ${typeof value}`;
}

function shown(value: unknown): string {
  if (typeof value === "function") return "a function";
  const text = typeof value === "number" ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}
