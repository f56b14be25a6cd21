import type { IncomingMessage } from "node:http";
import type { Refusal as ConnectionRefusal, RefusalReason } from "@zocalo/net";
import { WebSocketNetError } from "../core/error.ts";
import type { Refusal } from "../handshake/server.ts";

/** A connection that came to no WebSocket. */
export interface WebSocketRefusal extends ConnectionRefusal {
  /** What was asked; `undefined` if it had not come to that. */
  readonly request: IncomingMessage | undefined;
}

/** What the application is told of a request that was refused. */
export function refusedError(refusal: Refusal): WebSocketNetError {
  const { status, reason } = refusal;
  const error = new WebSocketNetError("refused", `upgrade refused with ${status}: ${reason}`, { status });
  const limit = limits.get(refusal);
  if (limit !== undefined) pastLimit.set(error, limit);
  return error;
}

/** By which reason the application is told of a request that failed. */
export function reasonOf(error: WebSocketNetError): RefusalReason {
  return pastLimit.get(error) ?? (error.code === "closed" ? "gone" : "upgrade");
}

/** What a page of somebody else gets. */
export const originRefusal: Refusal = { status: 403, reason: "origin not allowed" };
/** An address that has as many as it may. */
export const addressRefusal: Refusal = {
  status: 429,
  reason: "too many connections from this address",
  headers: { "Retry-After": "1" },
};

/** What a listener answers that has as many open as it may. */
export const fullRefusal: Refusal = {
  status: 503,
  reason: "too many connections",
  headers: { "Retry-After": "1" },
};
/** The same, where as many wait for `accept`. */
export const queueFullRefusal: Refusal = { ...fullRefusal };
/** And where it was closed while the application thought. */
export const closedRefusal: Refusal = { ...fullRefusal, reason: "the listener is closed" };
/** And whom, of one address, it has no more room for. */
export const addressFullRefusal: Refusal = {
  status: 429,
  reason: "too many connections from this address wait",
  headers: { "Retry-After": "1" },
};

const limits: ReadonlyMap<Refusal, RefusalReason> = new Map<Refusal, RefusalReason>([
  [addressRefusal, "max_connections_per_address"],
  [fullRefusal, "max_connections"],
  [queueFullRefusal, "max_pending"],
  [addressFullRefusal, "max_pending_per_address"],
]);
const pastLimit = new WeakMap<WebSocketNetError, RefusalReason>();
