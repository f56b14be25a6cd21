import { type Channel, channel } from "node:diagnostics_channel";
import type { Addr, CloseInfo, Listener, MessageConn } from "@zocalo/net";
import { dialChannels, DialTracer } from "@zocalo/net/transport";
import type { Role } from "../core/frame.ts";

/* The channels of `WebSocketTrace`, and who tells what on them. */

const dials = dialChannels("websocket");
const listenerOpen = channel("zocalo:websocket:listener:open");
const listenerClose = channel("zocalo:websocket:listener:close");
const connOpen = channel("zocalo:websocket:conn:open");
const connRefuse = channel("zocalo:websocket:conn:refuse");
/** Asked at each end of a connection: only with a subscriber is there anything to do. */
export const connClose: Channel = channel("zocalo:websocket:conn:close");

/** Tells of a dial; `undefined` where nobody listens. @param url gives it as messages show it. */
export function traceDial(url: () => string): DialTracer | undefined {
  return DialTracer.begin(dials, "websocket", { toString: url });
}

export function traceListening(listener: Listener<MessageConn>): void {
  if (listenerOpen.hasSubscribers) listenerOpen.publish({ listener, addr: listener.addr });
}

export function traceStopped(listener: Listener<MessageConn>): void {
  if (listenerClose.hasSubscribers) listenerClose.publish({ listener, addr: listener.addr });
}

export function traceRefused(
  status: number | undefined,
  reason: string,
  remoteAddr: () => Addr | undefined,
): void {
  if (connRefuse.hasSubscribers) connRefuse.publish({ status, reason, remoteAddr: remoteAddr() });
}

const openedAt = new WeakMap<object, number>();

/** An upgrade is done. */
export function traceOpened(conn: Upgraded, role: Role): void {
  if (connClose.hasSubscribers) openedAt.set(conn, performance.now());
  if (!connOpen.hasSubscribers) return;
  const { subprotocol, extensions } = conn;
  connOpen.publish({ conn, role, subprotocol, extensions });
}

/** A `WebSocketConn`, which stands above this file. */
interface Upgraded {
  readonly subprotocol: string;
  readonly extensions: string;
}

/** A connection is over. */
export function traceClosed(
  conn: object,
  role: Role,
  { code, wasClean, error }: CloseInfo,
  { bytesRead, bytesWritten }: { readonly bytesRead: number; readonly bytesWritten: number },
): void {
  const since = openedAt.get(conn);
  if (since === undefined || !connClose.hasSubscribers) return;
  openedAt.delete(conn);
  const durationMs = performance.now() - since;
  connClose.publish({ conn, role, code, wasClean, error, bytesRead, bytesWritten, durationMs });
}
