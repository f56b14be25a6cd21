import type { IncomingMessage, ServerResponse } from "node:http";
import { toOriginForm } from "@zocalo/websocket";
import type { OwnNames } from "./own-names.ts";
import { type Pages, securityHeaders } from "./pages.ts";

/** Where a WebSocket begins. */
export const WEBSOCKET_PATH = "/ws";
/**
 * Answers 200 while the server lives and is not stopping, also when it is full: for supervisors, who would
 * restart it.
 */
const HEALTH_PATH = "/healthz";
/** Answers 200 while the server takes new clients, for load balancers; otherwise 503 and why not. */
const READINESS_PATH = "/readyz";

/** When who was told that the server is full may ask again, in seconds. */
const RETRY_AFTER_S = "5";

/** What answers depend on. */
export interface Site {
  /** `undefined`: the page was not built. */
  readonly pages: Pages | undefined;
  readonly names: Pick<OwnNames, "isAllowedHost" | "isAllowedPage">;
  /** True once the server has begun to stop. */
  readonly isStopping: () => boolean;
  /** Why a new client would be turned away, in a few words. */
  readonly whyFull: () => string | undefined;
}

/**
 * Answers plain HTTP: the page, its files, the health of the server, and a reason for everything else. Only
 * health and readiness are told to who calls this server by a name that is not its own: probes do, and there
 * is nothing in them to read.
 */
export function answerRequest(site: Site, request: IncomingMessage, response: ServerResponse): void {
  const isForSomebody = toOriginForm(request);
  // Nothing here takes a body; one that comes all the same is not read, and the connection ends with the
  // answer.
  const hasBody =
    request.headers["transfer-encoding"] !== undefined || Number(request.headers["content-length"] ?? 0) > 0;
  if (hasBody || site.isStopping()) response.setHeader("connection", "close");
  const always = securityHeaders(request.headers.host, "encrypted" in request.socket);
  for (const [name, value] of Object.entries(always)) response.setHeader(name, value);

  const path = (request.url ?? "").replace(/[?#].*$/s, "");
  if (!isForSomebody) {
    say(response, 400, "There must be one valid Host."); // RFC 9112 §3.2.
  } else if (request.method !== "GET" && request.method !== "HEAD") {
    say(response, 405, "Only GET and HEAD are answered here.", { allow: "GET, HEAD" });
  } else if (path === HEALTH_PATH) {
    if (site.isStopping()) say(response, 503, "stopping");
    else say(response, 200, "ok");
  } else if (path === READINESS_PATH) {
    const reason = site.isStopping() ? "stopping" : site.whyFull();
    if (reason === undefined) say(response, 200, "ready");
    else say(response, 503, reason, { "retry-after": RETRY_AFTER_S });
  } else if (!site.names.isAllowedHost(request)) {
    // RFC 9110 §15.5.20. The name is not repeated: whoever asks knows it, and the log has it.
    say(
      response,
      421,
      "This server has no such name. Whoever runs it can give it one: --allowed-hosts NAME.",
    );
  } else if (path === WEBSOCKET_PATH) {
    const headers = { upgrade: "websocket", connection: "upgrade" };
    say(response, 426, "This address speaks WebSocket.", headers);
  } else if (path === "/" && site.pages === undefined) {
    say(response, 404, "The page is not built: run `npm run build`. WebSocket, TCP and UDP work.");
  } else if (path !== "" && site.pages?.has(`${path}/`) === true) {
    // The page's own files are named from where it is.
    say(response, 308, "It is one step further.", { location: `${path}/` });
  } else {
    sendFile(site.pages, path, request, response);
  }
}

function sendFile(
  pages: Pages | undefined,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const file = pages?.get(path);
  if (file === undefined) {
    say(response, 404, "There is nothing here.");
    return;
  }
  const etag = file.headers["etag"] ?? "";
  const known = (request.headers["if-none-match"] ?? "")
    .split(",")
    .map((tag) => tag.trim().replace(/^W\//, ""));
  if (known.includes(etag) || known.includes("*")) {
    const { "content-length": _, "content-type": __, ...headers } = file.headers;
    response.writeHead(304, headers).end();
    return;
  }
  // Node sends no body in answer to HEAD.
  response.writeHead(200, file.headers).end(file.body);
}

function say(
  response: ServerResponse,
  status: number,
  sentence: string,
  headers: Record<string, string> = {},
): void {
  const body = Buffer.from(`${sentence}\n`);
  response.writeHead(status, {
    "content-type": "text/plain; charset=utf-8",
    "content-length": body.length,
    "cache-control": "no-store",
    ...headers,
  });
  response.end(body);
}
