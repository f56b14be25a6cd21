import { NetError, type NetErrorCode } from "./error.ts";
import { type FailureSite, wordsOf } from "./failures.ts";
import { printable, printableLines } from "./printable.ts";

/** What the codes of Node and of the system mean here, and how they print. */
const MEANINGS: Readonly<Record<string, readonly [NetErrorCode, string]>> = {
  ECONNREFUSED: ["refused", "connection refused"],
  ECONNRESET: ["reset", "connection reset by peer"],
  ECONNABORTED: ["reset", "connection aborted"],
  ENOTCONN: ["reset", "not connected"],
  EPIPE: ["broken_pipe", "broken pipe"],
  ETIMEDOUT: ["timeout", "connection timed out"],
  EADDRINUSE: ["address_in_use", "address already in use"],
  // libuv, of a descriptor that this process reads or listens with already.
  EEXIST: ["address_in_use", "already in use in this process"],
  EADDRNOTAVAIL: ["address_not_available", "cannot assign requested address"],
  ENODEV: ["address_not_available", "no such network interface"],
  ENXIO: ["address_not_available", "no such network interface"],
  EHOSTUNREACH: ["host_unreachable", "no route to host"],
  EHOSTDOWN: ["host_unreachable", "host is down"],
  ENETUNREACH: ["network_unreachable", "network is unreachable"],
  ENETDOWN: ["network_unreachable", "network is down"],
  EACCES: ["permission", "permission denied"],
  EPERM: ["permission", "operation not permitted"],
  ENOENT: ["not_found", "no such file or directory"],
  ENOTDIR: ["not_found", "not a directory"],
  ELOOP: ["not_found", "too many symbolic links"],
  ENOTFOUND: ["name_not_found", "no such host"],
  ENODATA: ["name_not_found", "no address for this host"],
  EAI_NODATA: ["name_not_found", "no address for this host"],
  EAI_NONAME: ["name_not_found", "no such host"],
  EAI_AGAIN: ["resolver_failed", "temporary failure in name resolution"],
  EAI_FAIL: ["resolver_failed", "failure in name resolution"],
  ESERVFAIL: ["resolver_failed", "name server failed"],
  EMFILE: ["too_many_files", "too many open files"],
  ENFILE: ["too_many_files", "too many open files in the system"],
  EMSGSIZE: ["too_large", "message too long"],
  ENOBUFS: ["no_room", "no buffer space available"],
  ENOMEM: ["no_room", "out of memory"],
  ENAMETOOLONG: ["invalid_address", "path too long"],
  EINVAL: ["invalid_argument", "invalid argument"],
  EISDIR: ["invalid_argument", "is a directory, and not a file"],
  EAFNOSUPPORT: ["unsupported", "address family not supported"],
  EPROTONOSUPPORT: ["unsupported", "protocol not supported"],
  ENOPROTOOPT: ["unsupported", "option not supported"],
  ENOTSUP: ["unsupported", "operation not supported"],
  EOPNOTSUPP: ["unsupported", "operation not supported"],
  ENOSYS: ["unsupported", "function not implemented"],
  ECANCELED: ["closed", "use of closed connection"],
  EBADF: ["closed", "use of closed connection"],
  ERR_SOCKET_CLOSED: ["closed", "use of closed connection"],
  ERR_SERVER_NOT_RUNNING: ["closed", "use of closed connection"],
  ERR_SOCKET_DGRAM_NOT_RUNNING: ["closed", "use of closed connection"],
  ERR_STREAM_DESTROYED: ["closed", "use of closed connection"],
  ERR_STREAM_WRITE_AFTER_END: ["closed", "use of closed connection"],
  ERR_TLS_TRUNCATED: ["truncated", "connection cut: it ended without the close_notify of TLS"],
  EPROTO: ["tls", "TLS protocol error"],
};

/** A file that cannot be opened as one. */
const NO_FILE = ["invalid_argument", "no file that can be read"] as const;

/**
 * What Node says of an argument before it asks the system; its message shows the value and what is allowed.
 */
const ARGUMENT_CODE = /^ERR_(?:INVALID_|MISSING_ARGS$|OUT_OF_RANGE$|SOCKET_BAD_|SOCKET_BUFFER_SIZE$)/;

/** How OpenSSL names the alert of a peer; the prefix is a version that does not matter. */
const ALERT = /^(?:sslv3|tlsv1|tlsv13|ssl\/tls) alert (.+)$/;

/** Where OpenSSL's reason stands in the message of a write that failed. */
const IN_MESSAGE = /:SSL routines:[^:]*:([^:]+):/;

/** OpenSSL's verdicts on certificates, which carry no common prefix. */
const CERTIFICATE_CODE = /CERT|^UNABLE_TO_|^CRL_|^INVALID_(?:CA|PURPOSE)$|^(?:HOSTNAME|KEYUSAGE)_|^ERROR_IN_/;

/**
 * Wraps what Node threw or emitted, once: a `NetError` is returned as it is. `cause` keeps the original; of a
 * TLS error its texts become printable.
 *
 * @param site What was being done, and where.
 */
export function netErrorFrom(error: unknown, site: FailureSite): NetError {
  if (error instanceof NetError) return error;
  const [code, said] = meaningOf(error);
  const { path } = detailsOf(error);
  // OpenSSL, and whoever throws in a resolver, may use several lines.
  const what = said.replace(/\s+/g, " ").trim();
  const reason = path === undefined ? what : `${what}: ${path}`;
  if (code === "tls") cleanTexts(error);
  return new NetError({ ...site, code, reason, cause: error });
}

/**
 * Node quotes names of the peer's certificate in its error, and `console.error`, like Node itself when nobody
 * catches, prints a cause with its stack as they are.
 */
function cleanTexts(error: unknown): void {
  if (!(error instanceof Error)) return;
  const { message, stack } = error;
  const shown = printable(message, Infinity);
  // Not by assignment, which throws where an error is frozen.
  if (stack !== undefined) Reflect.set(error, "stack", printableLines(stack.replace(message, () => shown)));
  Reflect.set(error, "message", shown);
  const { reason } = detailsOf(error);
  if (reason !== undefined) Reflect.set(error, "reason", printable(reason, Infinity));
}

function meaningOf(error: unknown): readonly [NetErrorCode, string] {
  const { code, message, reason, library, path } = detailsOf(error);
  if (code === "ECONNRESET" && message?.includes("before secure TLS connection")) {
    return ["tls", "connection closed during the TLS handshake"];
  }
  // A write that meets an error of TLS has all of OpenSSL's words in its message.
  const [, written] = (code === "EPROTO" && IN_MESSAGE.exec(message ?? "")) || [];
  if (
    written ||
    library === "SSL routines" ||
    code?.startsWith("ERR_SSL_") ||
    code?.startsWith("ERR_OSSL_")
  ) {
    const what = written ?? reason ?? message ?? code ?? "";
    const [, alert] = ALERT.exec(what) ?? [];
    return ["tls", alert ? `TLS: the peer refused with the alert "${alert}"` : `TLS: ${what}`];
  }
  if (code === undefined) return ["unknown", message ?? wordsOf(error)];
  const known = Object.hasOwn(MEANINGS, code) ? MEANINGS[code] : undefined;
  if (code === "ENXIO" && path !== undefined) return NO_FILE; // Of a socket or a device, and no interface.
  if (known) return known;
  if (code.startsWith("ERR_TLS_") || CERTIFICATE_CODE.test(code)) return ["tls", `TLS: ${message ?? code}`];
  if (ARGUMENT_CODE.test(code)) return ["invalid_argument", message ?? code];
  return ["unknown", message ?? code];
}

type Detail = "code" | "message" | "reason" | "library" | "path";

function detailsOf(error: unknown): Partial<Record<Detail, string>> {
  if (typeof error !== "object" || error === null) return {};
  const text = (name: string): string | undefined => {
    const value: unknown = Reflect.get(error, name);
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const found: Partial<Record<Detail, string>> = {};
  for (const name of ["code", "message", "reason", "library", "path"] as const) {
    const value = text(name);
    if (value !== undefined) found[name] = value;
  }
  return found;
}
