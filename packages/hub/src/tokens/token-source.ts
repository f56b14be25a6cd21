import type { Peer } from "@zocalo/net";
import { refused } from "./verification-key.ts";

/** Where in the request that began a WebSocket a token stands: a cookie, or a header, by its name. */
export type TokenSource = `cookie:${string}` | `header:${string}`;

/** Takes a token from the request of a peer, if that has one. */
export type ReadToken = (peer: Peer) => string | undefined;

/** RFC 9110, 5.6.2. */
const NAME = /^(cookie|header):([!#$%&'*+.^_`|~\dA-Za-z-]+)$/;

/** @throws NetError `invalid_argument` for what is none */
export function tokenReader(source: string | undefined): ReadToken {
  if (source === undefined) return () => undefined;
  const [, kind, name = ""] = (typeof source === "string" && NAME.exec(source)) || [];
  if (kind === undefined) throw refused("tokenFrom is cookie:NAME or header:NAME");
  if (kind === "cookie") return ({ request }) => cookieIn(textOf(request?.headers["cookie"]), name);
  const field = name.toLowerCase();
  return ({ request }) => textOf(request?.headers[field])?.replace(/^Bearer +/i, "") || undefined;
}

/**
 * Node joins a header that stands several times by a comma, which no token has; of `authorization` it takes
 * the first.
 */
function textOf(value: string | string[] | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** RFC 6265, 4.2.1. The first one counts, which is that of the longest path. */
function cookieIn(header: string | undefined, name: string): string | undefined {
  for (const part of header?.split(";") ?? []) {
    const at = part.indexOf("=");
    if (at < 0 || part.slice(0, at).trim() !== name) continue;
    return (
      part
        .slice(at + 1)
        .trim()
        .replace(/^"(.*)"$/, "$1") || undefined
    );
  }
  return undefined;
}
