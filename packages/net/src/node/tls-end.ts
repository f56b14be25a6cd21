import type { Socket } from "node:net";
import { type Duplex, Readable } from "node:stream";
import { TLSSocket } from "node:tls";

/*
 * Ends of TLS, both ways: that this side's is told, and whether the peer's was. Node tells the end of the
 * records (`close_notify`) and that of the connection below in the same way. Both come from within a read of
 * the socket below: libuv has stopped reading that if it is its end, and not if it is an alert.
 *
 * Without: a connection that was cut (RFC 8446 §6.1) is told as an ordinary end; `tls-ends.test.ts` fails
 * then.
 */

/** On a TLS socket that was told an end: whether it was only that of the connection below. */
const isCut: unique symbol = Symbol("cut");

type WatchedSocket = Socket & { [carrier]?: Socket; [isCut]?: boolean };
const carrier: unique symbol = Symbol("carrier");

/** Looks, when a TLS socket is told its end, whose end it is. `below` is the socket that carries it. */
export function watchEnd(socket: Socket, below: Socket): void {
  const watched: WatchedSocket = socket;
  watched[carrier] = below;
  watched.push = pushWatched;
}

/** What broke a watched TLS socket, if TCP has ended and TLS has not. */
export function truncationOf(socket: Duplex): Error | undefined {
  if ((socket as WatchedSocket)[isCut] !== true) return undefined;
  const message = "the connection ended without close_notify";
  return Object.assign(new Error(message), { code: "ERR_TLS_TRUNCATED" });
}

/**
 * Ends the writing of a stream. Node up to 24 ends the connection below without the end of the records where
 * it is asked to while it tells that a write is over, if that waited for the end of the handshake.
 */
export function endWriting(stream: Duplex): void {
  if (stream instanceof TLSSocket) process.nextTick(() => stream.end());
  else stream.end();
}

/** Node's sockets push what they read, and `null` for an end. */
function pushWatched(this: WatchedSocket, chunk: unknown, encoding?: BufferEncoding): boolean {
  if (chunk === null && this[isCut] === undefined) {
    this[isCut] = hasEndedBelow(this, this[carrier]);
  }
  return Readable.prototype.push.call(this, chunk, encoding);
}

function hasEndedBelow(socket: Socket, below: Socket | undefined): boolean {
  const secured: unknown = Reflect.get(socket, "_handle");
  const handle: unknown = below && Reflect.get(below, "_handle");
  if (typeof secured !== "object" || secured === null || !isReadHandle(handle)) return false;
  // Where Node has stopped reading because nobody takes it, only what had been read already can tell an end:
  // a record.
  if (Reflect.get(secured, "reading") !== true) return false;
  // EALREADY: it is being read.
  if (handle.readStart() !== 0) return false;
  handle.readStop();
  return true;
}

interface ReadHandle {
  readStart(): number;
  readStop(): number;
}

function isReadHandle(handle: unknown): handle is ReadHandle {
  return (
    typeof handle === "object" &&
    handle !== null &&
    typeof Reflect.get(handle, "readStart") === "function" &&
    typeof Reflect.get(handle, "readStop") === "function"
  );
}
