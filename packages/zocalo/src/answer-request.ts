import type { IncomingMessage, ServerResponse } from "node:http";
import { type Pages, securityHeaders } from "./pages.ts";

/** Where a WebSocket begins. */
export const WEBSOCKET_PATH = "/ws";
/** Answers 200 while the server takes clients, for load balancers and supervisors. */
export const HEALTH_PATH = "/healthz";

/** What answers depend on. */
export interface Site {
  /** `undefined`: the page was not built. */
  readonly pages: Pages | undefined;
  /** True once the server has begun to stop. */
  readonly isStopping: () => boolean;
}

/** Answers plain HTTP: the page, its files, the health of the server, and a reason for everything else. */
export function answerRequest(site: Site, request: IncomingMessage, response: ServerResponse): void {
  // Nothing here takes a body; one that comes all the same is not read, and the connection ends with the answer.
  const hasBody =
    request.headers["transfer-encoding"] !== undefined || Number(request.headers["content-length"] ?? 0) > 0;
  if (hasBody || site.isStopping()) response.setHeader("connection", "close");
  const always = securityHeaders(request.headers.host, "encrypted" in request.socket);
  for (const [name, value] of Object.entries(always)) response.setHeader(name, value);

  const path = (request.url ?? "").replace(/[?#].*$/s, "");
  if (request.method !== "GET" && request.method !== "HEAD") {
    say(response, 405, "Only GET and HEAD are answered here.", { allow: "GET, HEAD" });
  } else if (path === HEALTH_PATH) {
    if (site.isStopping()) say(response, 503, "stopping");
    else say(response, 200, "ok");
  } else if (path === WEBSOCKET_PATH) {
    const headers = { upgrade: "websocket", connection: "upgrade" };
    say(response, 426, "This address speaks WebSocket.", headers);
  } else if (path === "/" && site.pages === undefined) {
    say(response, 404, "The page is not built: run `npm run build`. WebSocket, TCP and UDP work.");
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
