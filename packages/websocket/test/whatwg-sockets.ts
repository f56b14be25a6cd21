import { CloseEvent, MessageEvent, WebSocket, type WebSocketConn } from "../src/index.ts";
import type { Accepting } from "./peers.ts";

export function next(socket: WebSocket, type: "message"): Promise<MessageEvent>;
export function next(socket: WebSocket, type: "close"): Promise<CloseEvent>;
export function next(socket: WebSocket, type: "open" | "error"): Promise<Event>;
export function next(socket: WebSocket, type: string): Promise<Event> {
  return new Promise((resolve) => socket.addEventListener(type, resolve, { once: true }));
}

/** A socket that is open, and the server's end of it. */
export async function pair(
  server: Accepting,
  ...rest: [protocols?: string | string[], options?: object]
): Promise<[WebSocket, WebSocketConn]> {
  const accepted = server.listener.accept();
  const socket = new WebSocket(server.url, ...rest);
  await next(socket, "open");
  return [socket, await accepted];
}

export function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value);
}
