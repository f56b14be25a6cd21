import { once } from "node:events";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { SocketPair } from "./loopback.ts";

/*
 * Writes past the queue of Node's stream. `_write` is what that calls itself when its queue is empty. To call
 * it saves the booking in and out of the queue, and the wait for the next tick.
 *
 * Without: `socket.write`, and an echo of a small message costs a tenth more.
 */

type WriteCallback = (error?: Error | null) => void;

let isEnabled = process.env["ZOCALO_NO_WRITE_PAST_QUEUE"] === undefined;
/** The trial has shown that it works. */
let isProven = false;

/**
 * For tests and measurements: `false` makes `writePastQueue` refuse. The environment variable
 * `ZOCALO_NO_WRITE_PAST_QUEUE` does the same.
 */
export function enableWritePastQueue(enabled: boolean): void {
  isEnabled = enabled;
}

/**
 * The trial, which allows `writePastQueue` if it `handsOverAtOnce`. It never comes to an end where nothing
 * arrives.
 */
export async function tryWritePastQueue({ accepted, connected }: SocketPair): Promise<void> {
  if (await handsOverAtOnce(accepted, connected)) isProven = true;
}

/**
 * True if `_write` and `_writev` of `socket` give the system exactly the bytes they are given, in their
 * order, tell the outcome once and before they return, and leave the queue alone. Exported for tests.
 *
 * @param peer the other end of its connection, paused.
 */
export async function handsOverAtOnce(socket: Socket, peer: Socket): Promise<boolean> {
  const outcomes: unknown[] = [];
  const areTold = (count: number): boolean => outcomes.length === count && !outcomes.some(Boolean);
  const tell: WriteCallback = (error) => void outcomes.push(error);
  try {
    writeNow(socket, Buffer.from("one "), tell);
    writeAllNow(socket, [Buffer.from("two "), Buffer.from("three")], tell);
  } catch {
    return false;
  }
  if (!areTold(2) || socket.writableLength > 0) return false;
  const parts: Uint8Array[] = [];
  peer.on("data", (part: Uint8Array) => parts.push(part));
  peer.resume();
  socket.end();
  await once(peer, "end");
  return Buffer.concat(parts).toString() === "one two three" && areTold(2);
}

/**
 * Hands bytes to the system past the queue of Node's stream; `written` is called once, mostly before this
 * returns. `false` means that nothing was done: write to the socket.
 *
 * A write that fails here does not destroy the socket, as one by its stream would: what has arrived can still
 * be read.
 *
 * @param socket A socket without queued writes, and without an earlier call that has not called `written`
 * yet.
 */
export function writePastQueue(
  socket: Duplex,
  bytes: Uint8Array | readonly Uint8Array[],
  written: WriteCallback,
): boolean {
  if (!isProven || !isEnabled || !(socket instanceof Socket) || socket.connecting || socket.destroyed)
    return false;
  if (socket.writableLength > 0 || !writesAsNode(socket)) return false;
  if (bytes instanceof Uint8Array) writeNow(socket, bytes, written);
  else writeAllNow(socket, bytes, written);
  return true;
}

/** Whether `stream` writes all that waits in one step. */
export function takesSeveral(stream: Duplex): boolean {
  // oxlint-disable-next-line no-underscore-dangle -- the name that Node gives what implements a stream
  return typeof stream._writev === "function";
}

const plainWrite: unknown = Reflect.get(Socket.prototype, "_write");
const plainWritev: unknown = Reflect.get(Socket.prototype, "_writev");

/** Nobody has replaced how it writes. */
function writesAsNode(socket: Socket): boolean {
  // oxlint-disable-next-line no-underscore-dangle, typescript/unbound-method -- Node's names, and they are only compared
  return socket._write === plainWrite && socket._writev === plainWritev;
}

/** As Node's stream does for what waits in its queue. */
function writeAllNow(socket: Socket, parts: readonly Uint8Array[], written: WriteCallback): void {
  const chunks = parts.map((chunk) => ({ chunk, encoding: "buffer" as BufferEncoding }));
  // Node's request keeps this list until it is collected, which is late: large messages would live on in it.
  const over: WriteCallback = (error) => {
    chunks.length = 0;
    written(error);
  };
  // oxlint-disable-next-line no-underscore-dangle -- the name that Node gives what implements a stream
  socket._writev?.(Object.assign(chunks, { allBuffers: true }), over);
}

function writeNow(socket: Socket, bytes: Uint8Array, written: WriteCallback): void {
  // oxlint-disable-next-line no-underscore-dangle -- the name that Node gives what implements a stream
  socket._write(bytes, "buffer" as BufferEncoding, written);
}
