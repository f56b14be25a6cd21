/* oxlint-disable no-underscore-dangle -- Node's names */
import { Socket } from "node:net";
import type { Duplex } from "node:stream";

/**
 * Reaches into Node (besides `sync-zlib.ts` and `write-progress.ts`, nothing else does): reading into one buffer that all connections share.
 *
 * Node allocates 64 KiB for each read and gives most of it back; for a small message that is a fifth to a third of all it costs. `net.Socket` can
 * read into a buffer of ours instead (`onread`), but takes that option only when it is made. So the connection's handle moves to a new
 * `net.Socket`. Where that is not possible (TLS, other streams, a Node that changed) the caller goes on with `data` events.
 */

/** The buffer of all connections, in bytes: what one read can bring. */
export const READ_BYTES = 131_072;

/** What is used of Node beyond its documentation. */
interface SocketInternals {
  _handle: { readonly reading?: boolean } | null;
  _server?: unknown;
  server?: unknown;
}

const shared = Buffer.allocUnsafeSlow(READ_BYTES);
let isOff = false;

/** Switches the shared buffer off or on, for tests and measurements of the other way. */
export function setReusedReadBuffer(isOn: boolean): void {
  isOff = !isOn;
}

/** Node's `onread` option. */
export interface OnRead {
  readonly buffer: Buffer;
  callback(this: Socket, count: number, buffer: Uint8Array): boolean;
}

/**
 * The option for all connections that `onBytes` serves. It gets the socket as `this`, and how many bytes of the buffer were read;
 * the buffer is lent for the call. `false` stops reading.
 */
export function readInto(onBytes: (this: Socket, count: number, buffer: Buffer) => boolean): OnRead {
  return { buffer: shared, callback: onBytes };
}

/**
 * Moves a connected TCP or Unix socket to a new `net.Socket` that reads into the shared buffer. The old one is empty afterwards.
 *
 * @param onread what `readInto` gave.
 * @returns the new socket, or `undefined` if this socket cannot be moved: then it is as it was.
 */
export function moveToReusedBuffer(socket: Duplex, onread: OnRead): Socket | undefined {
  if (isOff || !canMove(socket)) return undefined;
  const old = socket as Socket & SocketInternals;
  const handle = old._handle;
  if (handle === null) return undefined;
  const options = { handle, allowHalfOpen: true, onread };
  const moved = new Socket(options) as Socket & SocketInternals;
  old._handle = null;
  // The server counts its connections by this field, and waits for them when it closes.
  moved._server = old._server;
  moved.server = old.server;
  old._server = null;
  return moved;
}

/** Only plain sockets, and only with nothing in their buffers. */
function canMove(socket: Duplex): boolean {
  if (!(socket instanceof Socket) || Object.getPrototypeOf(socket) !== Socket.prototype) return false;
  if (socket.destroyed || socket.connecting || socket.readableLength > 0 || socket.writableLength > 0)
    return false;
  const { _handle: handle } = socket as Socket & SocketInternals;
  return typeof handle === "object" && handle !== null && "readStart" in handle && "useUserBuffer" in handle;
}
