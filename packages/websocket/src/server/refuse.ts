import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { ipAddr } from "@zocalo/net";
import { peerEnd } from "@zocalo/net/transport";
import type { Refusal } from "../handshake/server.ts";
import { traceRefused } from "../session/trace.ts";

/** How long a refused peer may take to read its answer, in milliseconds. */
const LINGER_MS = 2_000;

/** Answers an upgrade request with plain HTTP and ends the connection. Never throws. */
export function refuse(socket: Duplex, { status, reason, headers }: Refusal): void {
  socket.on("error", ignore); // A peer that resets now must not end the process.
  traceRefused(status, reason, () => {
    const end = peerEnd(socket);
    return end && ipAddr("tcp", end.host, end.port);
  });
  if (socket.destroyed || !socket.writable) {
    socket.destroy();
    return;
  }
  const body = `${reason}\n`;
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Refused"}`,
    "Connection: close",
    "Content-Type: text/plain; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "X-Content-Type-Options: nosniff",
    ...Object.entries(headers ?? {}).map(([name, value]) => `${name}: ${value}`),
  ];
  socket.end(`${lines.join("\r\n")}\r\n\r\n${body}`);
  // What the peer still sends is read and dropped, so that no reset overtakes the answer.
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.on("close", () => clearTimeout(timer));
  socket.resume();
}

function ignore(): void {}
