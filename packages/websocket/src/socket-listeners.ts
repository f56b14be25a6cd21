import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { dropIdleListener } from "./idle-listener.ts";
import { type BytesReader, readerOf, readIntoSharedBuffer } from "./reused-read-buffer.ts";

/** What happens on a socket, as a session wants to know it. */
export interface SocketEvents extends BytesReader {
  socketEnded(): void;
  socketFailed(error: Error): void;
  socketClosed(): void;
}

type Attached = Duplex & { [readerOf]?: SocketEvents | undefined };

/**
 * Tells `events` what happens on `socket`, which is still to be resumed. Listeners are shared by all sockets: closures of their own would
 * cost each a few hundred bytes.
 *
 * @returns true if it reads into the shared buffer: then it is a plain TCP or Unix socket.
 */
export function listenTo(socket: Duplex, events: SocketEvents): boolean {
  const attached: Attached = socket;
  // Or Node would end this side by itself at the peer's end, before what waits was written.
  socket.allowHalfOpen = true;
  attached[readerOf] = events;
  const isShared = readIntoSharedBuffer(socket);
  if (!isShared) socket.on("data", onData);
  dropIdleListener(socket);
  socket.on("end", onEnd);
  socket.on("error", onError);
  socket.on("close", onClose);
  return isShared;
}

/** What a paused socket has read and not told; it tells no more. `null` if there is none. */
export function takeUnread(socket: Duplex): Buffer | null {
  socket.off("data", onData); // Or it would be told there, too.
  const unread: Buffer[] = [];
  // From Node 26 on each call gives one piece.
  while (socket.readableLength > 0) {
    const piece = socket.read() as Buffer | null;
    if (piece === null) break;
    unread.push(piece);
  }
  return unread.length === 0 ? null : Buffer.concat(unread);
}

function onData(this: Attached, chunk: Buffer): void {
  // What a socket of Node's has read is ours. Another stream may give what is read elsewhere, too, and frames are unmasked in place.
  this[readerOf]?.received(this instanceof Socket ? chunk : Buffer.from(chunk), false);
}

function onEnd(this: Attached): void {
  this[readerOf]?.socketEnded();
}

function onError(this: Attached, error: Error): void {
  this[readerOf]?.socketFailed(error);
}

function onClose(this: Attached): void {
  const events = this[readerOf];
  // Node's handle keeps a closed socket until the next full collection; at least what hangs on it goes with the next small one.
  this[readerOf] = undefined;
  events?.socketClosed();
}
