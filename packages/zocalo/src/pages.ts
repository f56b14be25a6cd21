import { createHash } from "node:crypto";
import { readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { extname, join, relative, sep } from "node:path";

/** One file of a built page, ready to be sent. */
export interface PageFile {
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Built files by the path they are asked for. What is not in it does not exist, so no request can reach
 * another file.
 */
export type Pages = ReadonlyMap<string, PageFile>;

/** All pages together may take this much memory, in bytes; a build that is larger is a mistake. */
const MAX_TOTAL_BYTES = 64 * 1_048_576;
/** The bundler puts the hash of its content into the name of what lies here, so it never changes. */
const HASHED = "assets/";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".webmanifest": "application/manifest+json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".jpg": "image/jpeg",
  ".webp": "image/webp",
  ".ico": "image/x-icon",
  ".woff2": "font/woff2",
  ".txt": "text/plain; charset=utf-8",
};

/**
 * What pages may do, but for the servers that they may speak to: only this server's own scripts run, and no
 * other page frames it.
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
];

/** Devices and interfaces of the browser that the page does without, so that an injected script does, too. */
const REFUSED_FEATURES = [
  "accelerometer",
  "browsing-topics",
  "camera",
  "display-capture",
  "geolocation",
  "gyroscope",
  "hid",
  "magnetometer",
  "microphone",
  "midi",
  "payment",
  "serial",
  "usb",
];

/** How long a browser remembers to come by TLS only, in seconds: a year (RFC 6797 section 6.1.1). */
const TLS_ONLY_SECONDS = 31_536_000;

/** Those of `securityHeaders` that do not depend on the request. */
const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "permissions-policy": REFUSED_FEATURES.map((feature) => `${feature}=()`).join(", "),
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

/**
 * A name or an IPv4 address with or without a port. IPv6 addresses are no source of a policy (CSP3 section
 * 2.3.1): `'self'` has to do there.
 */
const HOST = /^[a-z\d](?:[a-z\d.-]{0,251}[a-z\d])?(?::\d{1,5})?$/i;

/**
 * What browsers are told with each answer, found or not; the README lists it.
 *
 * `connect-src` names this server as the request does. `'self'` alone is not enough: older browsers do not
 * count a WebSocket of the same host in it. `ws:` stands for `wss:` too (CSP3 section 6.7.2.8), which a proxy
 * in front may speak. Of a request nothing gets into the policy but what `HOST` allows.
 *
 * @param isSecure whether this connection is TLS. Only then `strict-transport-security` is sent: over plain
 * HTTP browsers ignore it (RFC 6797 section 8.1).
 */
export function securityHeaders(host: string | undefined, isSecure: boolean): Record<string, string> {
  const socket = host !== undefined && HOST.test(host) ? ` ${isSecure ? "wss" : "ws"}://${host}` : "";
  return {
    "content-security-policy": [...CONTENT_SECURITY_POLICY, `connect-src 'self'${socket}`].join("; "),
    ...SECURITY_HEADERS,
    ...(isSecure ? { "strict-transport-security": `max-age=${TLS_ONLY_SECONDS}` } : {}),
  };
}

/**
 * Reads a built page into memory: its index.html becomes `/`. Source maps, what is hidden or lies in a hidden
 * folder (`.git`), and what is a symbolic link or lies behind one stay outside. What is asked for is looked
 * up as it was written, without decoding: no spelling of a dot reaches anything else.
 *
 * @param directory what the bundler wrote.
 * @param under where its index.html is: `/arena/` is beside a page at `/`. Default `/`.
 * @returns `undefined` if there is no index.html, as in a checkout that was not built.
 * @throws Error when the files are larger than 64 MiB together.
 */
export function readPages(directory: string, under = "/"): Pages | undefined {
  if (statSync(join(directory, "index.html"), { throwIfNoEntry: false }) === undefined) return undefined;
  const root = realpathSync(directory);
  const pages = new Map<string, PageFile>();
  let total = 0;
  for (const entry of readdirSync(directory, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile() || entry.name.endsWith(".map")) continue; // A link is no file here.
    const file = join(entry.parentPath, entry.name);
    const inside = relative(directory, file).split(sep);
    if (inside.some((name) => name.startsWith("."))) continue;
    // `recursive` of some versions of Node goes into linked directories.
    if (realpathSync(file) !== join(root, ...inside)) continue;
    const body = readFileSync(file);
    total += body.length;
    if (total > MAX_TOTAL_BYTES) throw new Error(`${directory} holds more than ${MAX_TOTAL_BYTES} bytes`);
    const path = inside.join("/");
    pages.set(under + (path === "index.html" ? "" : path), pageFile(path, body));
  }
  return pages;
}

function pageFile(path: string, body: Buffer): PageFile {
  const hash = createHash("sha256").update(body).digest("base64url").slice(0, 27);
  const headers = {
    "content-type": TYPES[extname(path)] ?? "application/octet-stream",
    "content-length": String(body.length),
    "cache-control": path.startsWith(HASHED) ? "public, max-age=31536000, immutable" : "no-cache",
    etag: `"${hash}"`,
  };
  return { body, headers };
}
