import { WebSocketError } from "./error.ts";

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

/**
 * Reads the URL of a server or of a proxy; `ws:` becomes `http:`, `wss:` becomes `https:`.
 *
 * @throws WebSocketError `invalid_url`. The message does not show the user and password.
 */
export function parseHttpUrl(text: string | URL): URL {
  const shown = JSON.stringify(
    String(text)
      .replace(/\/\/[^/?#]*@/, "//")
      .slice(0, 200),
  );
  let url: URL;
  try {
    url = new URL(String(text).replace(/^ws(s?):/i, "http$1:"));
    credentialsOf(url);
  } catch (cause) {
    throw new WebSocketError("invalid_url", `${shown} is not a URL`, { cause });
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new WebSocketError("invalid_url", `${shown} is not a ws:, wss:, http: or https: URL`);
  }
  if (url.hash !== "" || String(text).includes("#"))
    throw new WebSocketError("invalid_url", `${shown} has a fragment`);
  return url;
}
