import { printable } from "@zocalo/net";
import { shown } from "@zocalo/net/transport";
import { WebSocketNetError } from "../core/error.ts";

/** The address of a URL of `parseHttpUrl`, as Node's requests take it. */
export function hostAndPort(url: URL): { readonly host: string; readonly port: number } {
  const port = url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port);
  return { host: url.hostname.replace(/^\[|\]$/g, ""), port };
}

/** `user:password` of a URL, if it has them. */
export function credentialsOf(url: URL): string | undefined {
  if (url.username === "" && url.password === "") return undefined;
  return `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
}

/** Longest URL that a message shows, in characters. */
const MAX_SHOWN_LENGTH = 200;

/** What `new URL` leaves out, wherever it stands. */
const LEFT_OUT = /[\t\n\r]/g;
/**
 * User and password. `new URL` takes any number of slashes and backslashes before them, or none; a location
 * may begin with two.
 */
const USER_INFO = /^(?:\s*([a-z][a-z\d+.-]*:)[/\\]*|\s*[/\\]{2,})[^/\\?#]*@/i;

/**
 * A URL as a message shows it, whoever wrote it: without user and password, and without query and fragment,
 * in which tokens travel.
 */
export function shownUrl(text: string): string {
  const open = text
    .replace(LEFT_OUT, "")
    .replace(USER_INFO, "$1//")
    .replace(/([?#]).*$/s, "$1…");
  return printable(open, MAX_SHOWN_LENGTH);
}

/**
 * Reads the URL of a server or of a proxy; `ws:` becomes `http:`, `wss:` becomes `https:`.
 *
 * @throws WebSocketNetError `invalid_address`. The message does not show user, password, query and fragment.
 */
export function parseHttpUrl(text: string | URL): URL {
  const given = textOf(text);
  const where = `"${shownUrl(given)}"`;
  let url: URL;
  try {
    url = new URL(given.replace(/^ws(s?):/i, "http$1:"));
    credentialsOf(url);
  } catch {
    // Without its cause, which has all that was given, password and token too.
    throw new WebSocketNetError("invalid_address", `${where} is not a URL`);
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new WebSocketNetError("invalid_address", `${where} is not a ws:, wss:, http: or https: URL`);
  }
  if (url.hash !== "" || given.includes("#"))
    throw new WebSocketNetError("invalid_address", `${where} has a fragment`);
  return url;
}

/** @throws WebSocketNetError `invalid_address` for what cannot be made a text. */
function textOf(url: unknown): string {
  try {
    return String(url);
  } catch (cause) {
    throw new WebSocketNetError("invalid_address", `${shown(url)} is not a URL`, { cause });
  }
}
