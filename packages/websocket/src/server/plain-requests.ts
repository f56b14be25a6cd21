import type { IncomingMessage, ServerResponse } from "node:http";
import { toOriginForm } from "../handshake/target.ts";
import { isAt } from "./routes.ts";

/**
 * Requests of one connection that are no upgrade and wait for their answers; with one more it is cut. Node
 * takes up to 2 MiB of them before it is anybody else's turn.
 */
const MAX_UNANSWERED = 16;

/** Answers requests that are no upgrade: 426 at `path`, 404 elsewhere, 400 to those for nobody. */
export function plainRequests(
  path: string | undefined,
): (request: IncomingMessage, response: ServerResponse) => void {
  const unanswered = new WeakMap<object, number>();
  return (request, response) => {
    const { socket } = request;
    const waiting = unanswered.get(socket) ?? 0;
    if (waiting >= MAX_UNANSWERED) socket.destroy();
    if (socket.destroyed) return;
    unanswered.set(socket, waiting + 1);
    response.once("close", () => unanswered.set(socket, (unanswered.get(socket) ?? 1) - 1));
    const isForSomebody = toOriginForm(request);
    const [status, words] = !isForSomebody
      ? ([400, "there must be one valid Host"] as const)
      : isAt(path, request.url)
        ? ([426, "WebSocket only"] as const)
        : ([404, "not found"] as const);
    if (status === 426) response.setHeader("Upgrade", "websocket");
    response.writeHead(status, { "Content-Type": "text/plain" }).end(`${words}\n`);
  };
}
