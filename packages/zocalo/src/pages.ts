import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { extname, join } from "node:path";

/** One file of a built page, ready to be sent. */
export interface PageFile {
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

/** Built files by the path they are asked for. What is not in it does not exist, so no request can reach another file. */
export type Pages = ReadonlyMap<string, PageFile>;

/** All pages together may take this much memory, in bytes; a build that is larger is a mistake. */
const MAX_TOTAL_BYTES = 64 * 1_048_576;
/** The bundler puts the hash of its content into the name of what lies here, so it never changes. */
const HASHED = "/assets/";

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

/** Only this server's own scripts run; an injected one does not, and sends nothing anywhere else. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  "connect-src 'self' ws: wss:",
  "img-src 'self' data:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join("; ");

/** Sent with every answer, found or not. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": CONTENT_SECURITY_POLICY,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};

/**
 * Reads a built page into memory: its index.html becomes `/`. Source maps and hidden files stay outside.
 *
 * @param directory what the bundler wrote.
 * @returns `undefined` if there is no index.html, as in a checkout that was not built.
 * @throws Error when the files are larger than 64 MiB together.
 */
export function readPages(directory: string): Pages | undefined {
  if (statSync(join(directory, "index.html"), { throwIfNoEntry: false }) === undefined) return undefined;
  const pages = new Map<string, PageFile>();
  let total = 0;
  for (const entry of readdirSync(directory, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile() || entry.name.startsWith(".") || entry.name.endsWith(".map")) continue;
    const file = join(entry.parentPath, entry.name);
    const body = readFileSync(file);
    total += body.length;
    if (total > MAX_TOTAL_BYTES) throw new Error(`${directory} holds more than ${MAX_TOTAL_BYTES} bytes`);
    const path = file.slice(directory.length).split("\\").join("/");
    pages.set(path === "/index.html" ? "/" : path, pageFile(path, body));
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
