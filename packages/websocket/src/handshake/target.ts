import type { IncomingMessage } from "node:http";
import { isHost, valuesOf, type HandshakeRequest } from "./fields.ts";

/** A target in absolute form: the schemes this package serves, the authority, and the rest. */
const ABSOLUTE = /^(?:https?|wss?):\/\/([^/?#]*)(.*)$/is;

interface AbsoluteTarget {
  /** As it stands there: it may be empty, or malformed. */
  readonly authority: string;
  readonly pathAndQuery: string;
}

function readAbsolute(url: string): AbsoluteTarget | undefined {
  if (url.startsWith("/")) return undefined; // As nearly all clients write it.
  const match = ABSOLUTE.exec(url);
  if (match === null) return undefined;
  const [, authority = "", rest = ""] = match;
  return { authority, pathAndQuery: rest.startsWith("/") ? rest : `/${rest}` };
}

/**
 * Path and query of a request target, in origin form (`/ws?a`) or in absolute form
 * (`http://example.org/ws?a`; RFC 9112 §3.2). Others stay as they are.
 */
export function pathAndQuery(url = ""): string {
  return readAbsolute(url)?.pathAndQuery ?? url;
}

/** The path of a request target, without the query. */
export function pathOf(url = ""): string {
  const target = pathAndQuery(url);
  const query = target.indexOf("?");
  return query === -1 ? target : target.slice(0, query);
}

/**
 * Whom a request is for, as it says itself: the host and port of a target in absolute form, or else the
 * `Host` header (RFC 9112 §3.2.2, §3.3).
 *
 * @returns `undefined` if it names nobody, as HTTP/1.0 may; `""` if it does so twice, or in a malformed way.
 */
export function namedHost({ url = "", rawHeaders }: HandshakeRequest): string | undefined {
  const hosts = valuesOf(rawHeaders, "host");
  const host = readAbsolute(url)?.authority ?? hosts[0];
  if (host === undefined) return undefined;
  // RFC 9112 §3.2: a repeated or malformed Host is a fault even where the target has a host of its own.
  return hosts.length > 1 || !hosts.every(isHost) || !isHost(host) ? "" : host;
}

/**
 * Rewrites a request whose target is in absolute form as if it had come in origin form: whoever reads its
 * `url` and `Host` later sees whom it is for. The target's host wins over `Host` (RFC 9112 §3.2.2).
 *
 * @returns false if nobody can say whom the request is for: `Host` is repeated, malformed or missing
 *   (HTTP/1.0 alone may leave it out), which is not rewritten, or the target's host is malformed. Answer it
 *   with 400 (RFC 9112 §3.2); `readUpgrade` does.
 */
export function toOriginForm(request: IncomingMessage): boolean {
  const { rawHeaders, headers, headersDistinct } = request;
  const hosts = valuesOf(rawHeaders, "host");
  const isOld = request.httpVersionMajor === 1 && request.httpVersionMinor === 0;
  if (hosts.length > 1 || !hosts.every(isHost) || (hosts.length === 0 && !isOld)) return false;
  const target = readAbsolute(request.url ?? "");
  if (target === undefined) return true;
  const at = rawHeaders.findIndex((name, index) => index % 2 === 0 && name.toLowerCase() === "host");
  if (at === -1) rawHeaders.push("Host", target.authority);
  else rawHeaders[at + 1] = target.authority;
  headers.host = target.authority;
  headersDistinct["host"] = [target.authority];
  request.url = target.pathAndQuery;
  return isHost(target.authority);
}
