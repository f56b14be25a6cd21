import { readSync } from "node:fs";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";

/*
 * Resets (RFC 9293 §3.10.7.4), both ways. libuv tells one with unread bytes as an end, and Node resets no
 * socket below TLS.
 *
 * Without: a reset after unread bytes may be told as an ordinary end (`resetBehindEnd`), and the peer of a
 * TLS connection that is cut sees an ordinary end (`resetSocket`, where the socket below TLS, or the field
 * that makes its end a reset, is not found). A client that resets right behind its handshake keeps its place
 * in that until the time for it is over (`tcpBelowTls`).
 */

/**
 * Whether the system still knows a peer; `undefined` if it cannot be known here. Node's own properties tell
 * who it was, also when it is gone.
 */
export function hasPeer(socket: Socket): boolean | undefined {
  const handle: unknown = Reflect.get(socket, "_handle");
  if (typeof handle !== "object" || handle === null) return undefined;
  const getName: unknown = Reflect.get(handle, "getpeername");
  return typeof getName === "function" ? Reflect.apply(getName, handle, [{}]) === 0 : undefined;
}

const oneByte = Buffer.alloc(1);

/**
 * Tells a reset from an end; `undefined` for an end. After a reset with unread bytes libuv reports an end. If
 * the socket has no peer, one more read tells: Linux answers with the reset if it has not been reported, else
 * with 0. Where the descriptor cannot be read, the lack of a peer counts as a reset as long as this side has
 * not ended.
 */
export function resetBehindEnd(socket: Socket): Error | undefined {
  if (hasPeer(socket) !== false) return undefined;
  const descriptor: unknown = Reflect.get(Reflect.get(socket, "_handle") as object, "fd");
  if (typeof descriptor !== "number" || descriptor < 0) return socket.writableEnded ? undefined : readReset();
  try {
    readSync(descriptor, oneByte, 0, 1, null);
    return undefined;
  } catch (error) {
    return Object.assign(readReset(), { cause: error });
  }
}

/** What a read meets that finds the connection reset. */
export function readReset(): Error {
  return Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET", syscall: "read" });
}

/**
 * True while the system is being told of this side's end. libuv does not reset a socket then, and Node, which
 * does not look whether it did, would leave the descriptor open for ever. All that was written has left by
 * then, so that an ordinary end is the truth.
 */
function isShuttingDown(socket: Duplex): boolean {
  return socket.writableEnded && !socket.writableFinished && socket.writableLength === 0;
}

/**
 * Makes the end of a socket below TLS a reset, as `resetAndDestroy` does. To call that here would free it
 * under TLS, and crash the process.
 */
function resetOnDestroy(below: Socket): void {
  Reflect.set(below, "resetAndClosing", true);
}

/**
 * Cuts a socket of Node's at once, so that its peer is told by a reset. A TLS socket is cut below TLS. Where
 * there is no reset (Unix, an end that the system is being told of already) the socket is destroyed. Another
 * stream learns by an error that it is cut, and not closed.
 */
export function resetSocket(socket: Duplex): void {
  if (!(socket instanceof Socket)) return void socket.destroy(new Error("the connection was aborted"));
  if (!socket.destroyed && !isShuttingDown(socket)) {
    const below = belowTls(socket);
    if (below === socket) {
      if (isTcp(socket)) return void socket.resetAndDestroy();
    } else if (isTcp(below)) {
      resetOnDestroy(below);
    }
  }
  socket.destroy();
}

/** The TCP socket below a TLS socket; `undefined` if there is none, and for any other stream. */
export function tcpBelowTls(socket: Duplex): Socket | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  const below = belowTls(socket);
  return below !== socket && isTcp(below) ? below : undefined;
}

/**
 * The socket that carries a TLS socket, which keeps it under this name; in a tunnel there may be TLS below
 * TLS. Any other socket is its own.
 */
function belowTls(socket: Socket): Socket {
  let below = socket;
  for (;;) {
    const next: unknown = Reflect.get(below, "_parent");
    if (!(below instanceof TLSSocket) || !(next instanceof Socket)) return below;
    below = next;
  }
}

function isTcp(socket: Socket): boolean {
  const handle: unknown = Reflect.get(socket, "_handle");
  return typeof handle === "object" && handle !== null && handle.constructor.name === "TCP";
}
