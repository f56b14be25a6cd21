import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { ipAddr } from "@zocalo/net";
import { peerEnd } from "@zocalo/net/transport";
import type { Refusal } from "../handshake/server.ts";
import { traceRefused } from "../session/trace.ts";

/** How long a refused peer may take to read its answer, in milliseconds. */
const LINGER_MS = 2_000;

/** The answer with which a connection ends. */
export function refusalText({ status, reason, headers }: Refusal): string {
  const body = `${reason}\n`;
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Refused"}`,
    "Connection: close",
    "Content-Type: text/plain; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "X-Content-Type-Options: nosniff",
    ...Object.entries(headers ?? {}).map(([name, value]) => `${name}: ${value}`),
  ];
  return `${lines.join("\r\n")}\r\n\r\n${body}`;
}

/** Answers an upgrade request with plain HTTP and ends the connection. Never throws. */
export function refuse(socket: Duplex, refusal: Refusal): void {
  socket.on("error", ignore); // A peer that resets now must not end the process.
  traceRefused(refusal.status, refusal.reason, () => {
    const end = peerEnd(socket);
    return end && ipAddr("tcp", end.host, end.port);
  });
  if (socket.destroyed || !socket.writable) {
    socket.destroy();
    return;
  }
  socket.end(refusalText(refusal));
  // What the peer still sends is read and dropped, so that no reset overtakes the answer.
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.on("close", () => clearTimeout(timer));
  socket.resume();
}

function ignore(): void {}
