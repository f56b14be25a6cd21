import type { IncomingMessage } from "node:http";
import type { Refusal as ConnectionRefusal } from "@zocalo/net";
import { WebSocketError } from "../core/error.ts";
import type { Refusal } from "../handshake/server.ts";

/** A connection that came to no WebSocket. */
export interface WebSocketRefusal extends ConnectionRefusal {
  /** What was asked; `undefined` if it had not come to that. */
  readonly request: IncomingMessage | undefined;
}

/** What the application is told of a request that was refused. */
export function refusedError({ status, reason }: Refusal): WebSocketError {
  return new WebSocketError("refused", `upgrade refused with ${status}: ${reason}`, { status });
}

/** What a page of somebody else gets. */
export const originRefusal: Refusal = { status: 403, reason: "origin not allowed" };
/** An address that has as many as it may. */
export const addressRefusal: Refusal = {
  status: 429,
  reason: "too many connections from this address",
  headers: { "Retry-After": "1" },
};

/** What a listener answers that is full. */
export const fullRefusal: Refusal = {
  status: 503,
  reason: "too many connections",
  headers: { "Retry-After": "1" },
};
/** And whom, of one address, it has no more room for. */
export const addressFullRefusal: Refusal = {
  status: 429,
  reason: "too many connections from this address wait",
  headers: { "Retry-After": "1" },
};
