/* oxlint-disable no-underscore-dangle -- the name that Node gives what implements a stream */
import { Socket } from "node:net";
import type { Duplex } from "node:stream";

/**
 * Writing past the queue of Node's stream. What the system mostly takes at once need not be booked in and out of that queue, nor wait for the next tick.
 *
 * Node documents `_write` for those who implement a stream, not for those who use one. Where it is not that of a plain socket `canWriteDirectly` is false, and
 * `write` does.
 */

/** Called once: at once, within the call that wrote, if the system has taken all. */
export type Written = (error?: Error | null) => void;

const plainWrite: unknown = Reflect.get(Socket.prototype, "_write");

/** True if `writeDirectly` works on this socket. */
export function canWriteDirectly(socket: Duplex): boolean {
  return typeof plainWrite === "function" && Reflect.get(socket, "_write") === plainWrite;
}

/** Writes bytes, or Latin-1 text. Only while nothing waits in the stream's own queue, and no other direct write does. */
export function writeDirectly(socket: Duplex, chunk: Uint8Array | string, written: Written): void {
  // Node crashes on any other encoding.
  socket._write(chunk, (typeof chunk === "string" ? "latin1" : "buffer") as BufferEncoding, written);
}
