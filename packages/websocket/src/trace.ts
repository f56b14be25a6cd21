import type { Addr, Listener, TracedDial } from "@zocalo/net";
import type { Role } from "./core/frame.ts";
import type { WebSocketConn } from "./session/conn.ts";

/**
 * What this package tells about itself on `node:diagnostics_channel`: a channel's name, and what its messages
 * are. What is said of `NetTrace` of `@zocalo/net` holds here, too; the attempts and TLS handshakes of a dial
 * are told there. No message has a payload, a header, or a URL's password and query.
 *
 * @example
 * import { subscribe } from "node:diagnostics_channel";
 * subscribe("zocalo:websocket:conn:close", (message) => {
 *   const { conn, code, durationMs } = message as WebSocketTrace["zocalo:websocket:conn:close"];
 *   console.log(String(conn.peer.addr), code, Math.round(durationMs));
 * });
 */
export interface WebSocketTrace {
  /** A `dial` has begun; its arguments are valid. */
  "zocalo:websocket:dial:start": { readonly dial: TracedDial };
  /** The server has upgraded. */
  "zocalo:websocket:dial:end": {
    readonly dial: TracedDial;
    readonly conn: WebSocketConn;
    readonly durationMs: number;
  };
  /** It failed, was refused, timed out or was canceled. */
  "zocalo:websocket:dial:error": {
    readonly dial: TracedDial;
    readonly error: unknown;
    readonly durationMs: number;
  };
  /** `listen` listens, or `attach` is attached. */
  "zocalo:websocket:listener:open": { readonly listener: Listener<WebSocketConn>; readonly addr: Addr };
  /** It has stopped. */
  "zocalo:websocket:listener:close": { readonly listener: Listener<WebSocketConn>; readonly addr: Addr };
  /** An upgrade is done, on either side. */
  "zocalo:websocket:conn:open": {
    readonly conn: WebSocketConn;
    readonly role: Role;
    readonly subprotocol: string;
    readonly extensions: string;
  };
  /**
   * A request to upgrade was answered with `status`, or, where that is `undefined`, closed without an answer,
   * being past a limit of its address.
   */
  "zocalo:websocket:conn:refuse": {
    readonly status: number | undefined;
    readonly reason: string;
    readonly remoteAddr: Addr | undefined;
  };
  /** A connection is over that was upgraded while this channel had a subscriber. */
  "zocalo:websocket:conn:close": {
    readonly conn: WebSocketConn;
    readonly role: Role;
    /** As the application is told, see `CloseInfo`. */
    readonly code: number;
    readonly wasClean: boolean;
    readonly error: Error | undefined;
    /** Of the bytes below, the handshake's mostly not included. */
    readonly bytesRead: number;
    readonly bytesWritten: number;
    readonly durationMs: number;
  };
}
