import type { HandshakeRequest } from "./fields.ts";

/** The head of a request, and where it ends. */
export interface RequestHead extends HandshakeRequest {
  readonly url: string;
  /** Up to and with the empty line, in bytes. */
  readonly byteLength: number;
}

/** Longest head that is read here, in bytes. Node's own parser takes 16 KiB unless it is told otherwise. */
export const MAX_HEAD_BYTES = 8_192;
/** Most headers that are read here. Node's own parser takes 1,000. */
export const MAX_HEAD_HEADERS = 64;

const GET = "GET ";
const END_OF_LINE = "\r\n";
const END_OF_HEAD = "\r\n\r\n";

/**
 * How programs write a request: GET of a path in the characters of RFC 3986 §3.3 and §3.4, HTTP/1.1, and on a
 * line of its own each header: a token, a colon, one space, and visible ASCII, in which there may be spaces
 * but not around it. No two parsers can read this differently. Takes linear time.
 */
const PLAIN_HEAD =
  /^GET \/[\w\-.~!$&'()*+,;=:@%/?]* HTTP\/1\.1\r\n(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+: [\u0021-\u007e](?:[\u0020-\u007e]*[\u0021-\u007e])?\r\n)+$/;

/**
 * What an upgrade has exactly once, and how programs write it. Whether it is valid is for `readUpgrade` to
 * say.
 */
const ONCE: readonly (readonly [name: string, form: RegExp])[] = [
  ["host", /^[^,]+$/],
  ["upgrade", /^websocket$/i],
  ["connection", /^(?:keep-alive, ?)?upgrade$/i],
  ["sec-websocket-key", /^[^,]+$/],
  ["sec-websocket-version", /^13$/],
];

/** By which a request has a body, or wants an answer before the answer, or speaks to somebody on the way. */
const NEVER = [
  "content-length",
  "expect",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
] as const;

interface Rule {
  /** 0 for what may not be there. */
  readonly bit: number;
  readonly form: RegExp;
}

const RULES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ...ONCE.map(([name, form], at): [string, Rule] => [name, { bit: 1 << at, form }]),
  ...NEVER.map((name): [string, Rule] => [name, { bit: 0, form: /^/ }]),
]);
const ALL_SEEN = (1 << ONCE.length) - 1;

/**
 * Reads the head of a request for an upgrade, if all of it is there and nothing about it is unusual.
 *
 * This is no HTTP parser: it takes only what all parsers must take in the same way, and does not guess at
 * anything else.
 *
 * @param maxBytes how long the head may be, if that is less than `MAX_HEAD_BYTES`.
 * @returns `undefined` for whatever is incomplete, malformed, long or just uncommon. Somebody who knows all
 *   of HTTP has to look at it.
 */
export function readRequestHead(bytes: Buffer, maxBytes = MAX_HEAD_BYTES): RequestHead | undefined {
  const text = bytes.toString("latin1", 0, Math.min(bytes.length, maxBytes, MAX_HEAD_BYTES));
  const end = text.indexOf(END_OF_HEAD);
  if (end === -1) return undefined;
  const head = text.slice(0, end + END_OF_LINE.length);
  if (!PLAIN_HEAD.test(head)) return undefined;
  const rawHeaders: string[] = [];
  let seen = 0;
  let at = head.indexOf(END_OF_LINE) + END_OF_LINE.length;
  while (at < head.length) {
    const colon = head.indexOf(":", at);
    const lineEnd = head.indexOf(END_OF_LINE, colon);
    const name = head.slice(at, colon);
    const value = head.slice(colon + 2, lineEnd);
    const rule = RULES.get(name.toLowerCase());
    if (rule !== undefined) {
      if (rule.bit === 0 || (seen & rule.bit) !== 0 || !rule.form.test(value)) return undefined;
      seen |= rule.bit;
    }
    rawHeaders.push(name, value);
    at = lineEnd + END_OF_LINE.length;
  }
  if (seen !== ALL_SEEN || rawHeaders.length > 2 * MAX_HEAD_HEADERS) return undefined;
  return {
    method: "GET",
    url: head.slice(GET.length, head.indexOf(" ", GET.length)),
    httpVersionMajor: 1,
    httpVersionMinor: 1,
    rawHeaders,
    byteLength: end + END_OF_HEAD.length,
  };
}
