import type { Duplex } from "node:stream";
import { moveToReusedBuffer, readInto } from "./reused-read-buffer.ts";

/** What happens on a socket, as a session wants to know it. */
export interface SocketEvents {
  /** `isLent`: the memory will be used again after the call. `false`: read no more for now. */
  received(chunk: Buffer, isLent: boolean): boolean;
  socketEnded(): void;
  socketFailed(error: Error): void;
  socketClosed(): void;
  socketDrained(): void;
}

const kEvents = Symbol("events");
type Attached = Duplex & { [kEvents]?: SocketEvents };

/**
 * Tells `events` what happens on `socket`, which is still to be resumed. Listeners are shared by all sockets: closures of their own would
 * cost each a few hundred bytes.
 *
 * @returns the socket to use from now on: this one, or one with the same handle that reads into the reused buffer.
 */
export function listenTo(socket: Duplex, events: SocketEvents): Duplex {
  const moved = moveToReusedBuffer(socket, onread);
  const attached: Attached = moved ?? socket;
  attached[kEvents] = events;
  if (moved === undefined) attached.on("data", onData);
  return attached.on("end", onEnd).on("error", onError).on("close", onClose).on("drain", onDrain);
}

const onread = readInto(function onLentBytes(this: Attached, count: number, buffer: Buffer): boolean {
  return this[kEvents]?.received(buffer.subarray(0, count), true) ?? true;
});

function onData(this: Attached, chunk: Buffer): void {
  this[kEvents]?.received(chunk, false);
}

function onEnd(this: Attached): void {
  this[kEvents]?.socketEnded();
}

function onError(this: Attached, error: Error): void {
  this[kEvents]?.socketFailed(error);
}

function onClose(this: Attached): void {
  this[kEvents]?.socketClosed();
}

function onDrain(this: Attached): void {
  this[kEvents]?.socketDrained();
}
