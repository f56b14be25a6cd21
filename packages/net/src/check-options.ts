import type { DialOptions, TcpDialOptions } from "./dial-options.ts";
import type { NetOp } from "./error.ts";
import { argumentError } from "./failures.ts";
import type { ListenOptions, TcpListenOptions, UnixListenOptions, ProxyProtocolOptions } from "./listen-options.ts";

/*
 * A misspelt option is a door left open: `clientCertificate: "require"` would let in everybody, and `modee: 0o600` anybody of this machine. TypeScript sees it
 * only in object literals, so each name is checked against these lists, which the compiler keeps complete.
 */

/** Every name of some options. */
export type Names<Options> = Readonly<Record<keyof Options, 1>>;

const socketNames = { noDelay: 1, keepAlive: 1, keepAliveIdleMs: 1, closeTimeoutMs: 1, signal: 1 } as const;
const listenNames: Names<ListenOptions> = {
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
};
const unixListenNames: Names<UnixListenOptions> = {
  ...listenNames,
  mode: 1,
  replaceStale: 1,
  unlinkOnClose: 1,
};
export const tcpListenNames: Names<TcpListenOptions> = {
  ...listenNames,
  reusePort: 1,
  ipv6Only: 1,
  proxyProtocol: 1,
};
const proxyProtocolNames: Names<ProxyProtocolOptions> = { trusted: 1, timeoutMs: 1 };
const dialNames: Names<DialOptions> = { ...socketNames, deadline: 1 };
export const tcpDialNames: Names<TcpDialOptions> = {
  ...dialNames,
  localAddress: 1,
  resolver: 1,
  attemptDelayMs: 1,
};

/** Of a value that messages show. */
const MAX_SHOWN = 60;

/** Checks what `listen("tcp", …)` was given. @throws NetError `invalid_argument`. */
export function checkTcpListenOptions(options: TcpListenOptions): void {
  checkNames("listen", "a TCP listener", options, tcpListenNames);
  checkTcpListenValues(options);
}

/** The same of what TLS shares with it. */
export function checkTcpListenValues(options: TcpListenOptions): void {
  checkListenValues(options);
  for (const name of ["reusePort", "ipv6Only"] as const) checkKind("listen", name, options[name], "boolean");
  const { proxyProtocol } = options;
  if (proxyProtocol === undefined) return;
  checkKind("listen", "proxyProtocol", proxyProtocol, "object");
  checkNames("listen", "proxyProtocol", proxyProtocol, proxyProtocolNames);
}

/** Checks what `listen("unix", …)` was given; the mode is checked where it is used. @throws NetError `invalid_argument`. */
export function checkUnixListenOptions(options: UnixListenOptions): void {
  checkNames("listen", "a listener on a Unix socket", options, unixListenNames);
  checkListenValues(options);
  for (const name of ["replaceStale", "unlinkOnClose"] as const) {
    checkKind("listen", name, options[name], "boolean");
  }
}

function checkListenValues(options: ListenOptions): void {
  checkSocket(options, "listen");
  checkKind("listen", "onRefuse", options.onRefuse, "function");
}

/** Checks what `dial("unix", …)` was given. @throws NetError `invalid_argument`. */
export function checkUnixDialOptions(options: DialOptions): void {
  checkNames("dial", "a dial of a Unix socket", options, dialNames);
  checkSocket(options, "dial");
}

/** Checks what `dial("tcp", …)` was given. @throws NetError `invalid_argument`. */
export function checkTcpDialOptions(options: TcpDialOptions): void {
  checkNames("dial", "a TCP dial", options, tcpDialNames);
  checkTcpDialValues(options);
}

/** The same of what TLS shares with it. */
export function checkTcpDialValues(options: TcpDialOptions): void {
  checkSocket(options, "dial");
  checkKind("dial", "resolver", options.resolver, "function");
  checkKind("dial", "localAddress", options.localAddress, "string");
}

function checkSocket(options: DialOptions | ListenOptions, op: NetOp): void {
  for (const name of ["noDelay", "keepAlive"] as const) checkKind(op, name, options[name], "boolean");
  checkSignal(op, options.signal);
}

/** Checks a signal; `undefined` is left out. @throws NetError `invalid_argument`. */
export function checkSignal(op: NetOp, signal: unknown): void {
  // Not by its class: test runners and polyfills have another one.
  const { aborted, addEventListener } = Object(signal ?? {}) as Partial<AbortSignal>;
  const isSignal = typeof aborted === "boolean" && typeof addEventListener === "function";
  if (signal === undefined || isSignal) return;
  throw argumentError(op, `signal ${shown(signal)} is not an AbortSignal`);
}

/** Refuses names that are not known, and says which are. @throws NetError `invalid_argument`. */
export function checkNames(op: NetOp, what: string, given: object, known: object): void {
  checkKind(op, `what ${what} was given`, given, "object");
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

/** Checks a whole number of at least 1, and gives it back. @throws NetError `invalid_argument`. */
export function checkCount(op: NetOp, name: string, value: number, most = Number.MAX_SAFE_INTEGER): number {
  if (Number.isSafeInteger(value) && value >= 1 && value <= most) return value;
  const allowed = most === Number.MAX_SAFE_INTEGER ? "of at least 1" : `from 1 to ${most}`;
  throw argumentError(op, `${name} ${shown(value)} is not a whole number ${allowed}`);
}

/** Checks what kind of value it is; `undefined` is left out. @throws NetError `invalid_argument`. */
export function checkKind(
  op: NetOp,
  name: string,
  value: unknown,
  kind: "boolean" | "string" | "function" | "object",
): void {
  if (value === undefined || (typeof value === kind && value !== null && !isCollection(value))) return;
  // What should be a passphrase or an identity may hold a secret.
  const isSecret = kind === "string" || kind === "object";
  const article = kind === "object" ? "an" : "a";
  throw argumentError(
    op,
    `${name} is ${isSecret ? kindOf(value) : shown(value)}, and not ${article} ${kind}`,
  );
}

/** What kind of value it is, in words that show nothing of it. */
export function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  return isCollection(value)
    ? `a ${Object.prototype.toString.call(value).slice(8, -1)}`
    : `of type ${typeof value}`;
}

/** True for an array, a Map, a Headers and their like: what they hold is not in properties, and would not be found. */
function isCollection(value: unknown): boolean {
  return typeof value === "object" && value !== null && Symbol.iterator in value;
}

/** A value as messages show it, whatever its own `toString` and `toJSON` do. */
export function shown(value: unknown): string {
  const text = textOf(value);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

function textOf(value: unknown): string {
  if (typeof value === "function") return "a function";
  if (typeof value === "bigint") return `${value}n`; // Else it would look like the number that is asked for.
  // JSON has neither NaN nor Infinity, and no symbols.
  if (typeof value === "number" || typeof value === "symbol" || value === undefined) return String(value);
  return jsonOf(value) ?? kindOf(value);
}

/** Nothing for what has no JSON, such as a circle. */
function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined; // Nobody needs to know why: the message says which option it is.
  }
}
