/* oxlint-disable no-underscore-dangle -- Node's names */
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { getSystemErrorName } from "node:util";

/**
 * Writing past the queue of Node's stream. What the system mostly takes at once need not be booked in and out of that queue, nor wait for the next tick.
 *
 * There are two ways, and neither is documented for those who use a stream. Bytes go to the socket's handle, with a request object that is used again as long as the
 * system takes all at once: Node makes one for each write, which is a third of a microsecond (bench: websocket). Text, TLS, and everything where the handle is not as
 * expected (from Node 26.10 on it is given a request only for what is not taken at once), goes by `_write` and `_writev`, which Node documents for those who implement a stream. Where those are not a socket's either,
 * `canWriteDirectly` is false, and `write` does. No way copies anything.
 *
 * A write that fails here does not destroy the socket, as one by its stream would: what has arrived can still be read.
 */

/** Who writes. */
export interface DirectWriter {
  /** What the system did not take at once has gone, or never will. Not called by a write that was over at once, unless it failed. */
  left(error?: Error | null): void;
}

/** Node's `WriteWrap`: a write that goes on after the call. */
interface Request {
  /** -1 until the system has not taken all at once: then the request is in use, until `oncomplete`. */
  getAsyncId(): number;
  oncomplete: (this: Request, status: number) => void;
  writer: DirectWriter | null;
  /** What is written must live as long as the request. */
  chunk: Uint8Array | Uint8Array[] | null;
}
type MakeRequest = new () => Request;

/** The part of Node's handle that is used. Both give 0, or a negative number that says what is wrong. */
interface Handle {
  writeBuffer(request: Request, bytes: Uint8Array): number;
  writev(request: Request, pieces: Uint8Array[], areAllBytes: true): number;
}

/** What a handle answers that cannot write: EPIPE, as libuv counts. */
const REFUSED = -32;

const plainWrite: unknown = Reflect.get(Socket.prototype, "_write");
const plainWritev: unknown = Reflect.get(Socket.prototype, "_writev");
const WriteRequest = findRequest();
let isOff = false;
/** A request that was not needed: the next write takes it. */
let spare: Request | undefined;

/** Switches writing to the handle off or on, for tests and measurements of the other way. */
export function setHandleWrites(isOn: boolean): void {
  isOff = !isOn;
}

/** Node's class of requests: seen in the write of a socket without a connection, whose handle refuses it. */
function findRequest(): MakeRequest | undefined {
  let seen: unknown;
  try {
    const probe = new Socket();
    const handle = {
      writeBuffer(request: object): number {
        seen = request.constructor;
        return REFUSED;
      },
    };
    Reflect.set(probe, "_handle", handle);
    probe._write(Buffer.from("probe"), "buffer" as BufferEncoding, () => undefined);
    Reflect.set(probe, "_handle", null);
    return typeof seen === "function" && isRequest(Reflect.construct(seen, []))
      ? (seen as MakeRequest)
      : undefined;
  } catch {
    return undefined;
  }
}

function isRequest(made: unknown): boolean {
  return typeof made === "object" && made !== null && (made as Request).getAsyncId() === -1;
}

/** True if bytes for this socket go to its handle. */
export function usesHandle(socket: Duplex): boolean {
  return handleOf(socket) !== undefined && WriteRequest !== undefined && !isOff;
}

function handleOf(socket: Duplex): Handle | undefined {
  // A handle of TLS takes requests, too, but does more with them.
  if (Object.getPrototypeOf(socket) !== Socket.prototype) return undefined;
  const handle = (socket as Duplex & { _handle?: Partial<Handle> | null })._handle;
  return handle?.writeBuffer !== undefined && handle.writev !== undefined ? (handle as Handle) : undefined;
}

/** True if `writeDirectly` works on this socket. */
export function canWriteDirectly(socket: Duplex): boolean {
  return (
    typeof plainWrite === "function" &&
    typeof plainWritev === "function" &&
    Reflect.get(socket, "_write") === plainWrite &&
    Reflect.get(socket, "_writev") === plainWritev
  );
}

/**
 * Writes bytes in one piece or several, or Latin-1 text. Only while nothing waits in the stream's own queue, and no other direct write does.
 *
 * @returns true if the system has all. Otherwise `writer.left` is called when it has, or within the call if the write failed.
 */
export function writeDirectly(
  socket: Duplex,
  chunk: Uint8Array | Uint8Array[] | string,
  writer: DirectWriter,
): boolean {
  const handle = handleOf(socket);
  if (handle === undefined || WriteRequest === undefined || isOff || typeof chunk === "string") {
    return writeByStream(socket, chunk, writer);
  }
  const request = spare ?? newRequest(WriteRequest);
  spare = undefined;
  const status = Array.isArray(chunk)
    ? handle.writev(request, chunk, true)
    : handle.writeBuffer(request, chunk);
  if (status !== 0) {
    writer.left(errorOf(status));
    return false;
  }
  // As the stream would: a write keeps a socket with an idle timeout from being idle.
  (socket as Duplex & { _unrefTimer?: () => void })._unrefTimer?.();
  if (request.getAsyncId() === -1) {
    spare = request;
    return true;
  }
  request.writer = writer;
  request.chunk = chunk;
  return false;
}

function newRequest(Class: MakeRequest): Request {
  const request = new Class();
  request.oncomplete = completed;
  request.writer = null;
  request.chunk = null;
  return request;
}

function completed(this: Request, status: number): void {
  this.chunk = null;
  this.writer?.left(status < 0 ? errorOf(status) : undefined);
}

function destroyedError(): Error {
  return Object.assign(new Error("the socket was destroyed before the system took all"), {
    code: "ECANCELED",
  });
}

function errorOf(status: number): Error {
  const code = getSystemErrorName(status);
  return Object.assign(new Error(`write ${code}`), { errno: status, code, syscall: "write" });
}

function writeByStream(
  socket: Duplex,
  chunk: Uint8Array | Uint8Array[] | string,
  writer: DirectWriter,
): boolean {
  let isWithin = true;
  let isGone = false;
  const written = (error?: Error | null): void => {
    // Node calls with null, not undefined, what a destroyed socket has not taken.
    if (error === null && socket.destroyed) writer.left(destroyedError());
    else if (isWithin && !error) isGone = true;
    else writer.left(error);
  };
  // Node crashes on any other encoding.
  const encoding = (typeof chunk === "string" ? "latin1" : "buffer") as BufferEncoding;
  if (Array.isArray(chunk)) {
    const pieces = chunk.map((bytes) => ({ chunk: bytes, encoding: "buffer" as BufferEncoding }));
    Reflect.set(pieces, "allBuffers", true); // As Node's stream does: else each is asked for its encoding.
    socket._writev?.(pieces, written);
  } else {
    socket._write(chunk, encoding, written);
  }
  isWithin = false;
  return isGone;
}
