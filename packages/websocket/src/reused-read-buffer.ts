import { type OnReadOpts, Socket, type SocketConstructorOpts } from "node:net";
import type { Duplex } from "node:stream";
import { poison } from "@zocalo/net";

/**
 * Reaches into Node (as `direct-write.ts`, `write-progress.ts`, `core/native-text.ts` and `core/sync-zlib.ts` do): reading into one buffer that all connections share.
 *
 * Node allocates 64 KiB for each read and gives most of it back; for a small message that is a fifth to a third of all it costs. `net.Socket` can
 * read into a buffer of ours instead (`onread`), but takes that option only when it is made. A socket that was upgraded gets it here afterwards, in the places
 * where one that was made with it keeps it. Where that is not possible (TLS, other streams, a Node that changed) the caller goes on with `data` events.
 *
 * `@zocalo/net` does the same for its sockets with half of the memory: here a message of 64 KiB and its header should come in one read.
 */

/** The buffer of all connections, in bytes: what one read can bring. */
export const READ_BYTES = 131_072;
/** Views of up to so many bytes are kept: making one costs about as much as all else that is done here for a small read. */
const MAX_KEPT_VIEW = 512;

const shared = Buffer.allocUnsafeSlow(READ_BYTES);
const views: (Buffer | undefined)[] = [];
let isOff = false;

/** Switches the shared buffer off or on, for tests and measurements of the other way. */
export function setReusedReadBuffer(isOn: boolean): void {
  isOff = !isOn;
}

/** Who receives what a socket reads. */
export interface BytesReader {
  /** `isLent`: the memory will be used again after the call. `false`: read no more until the socket is resumed. */
  received(bytes: Buffer, isLent: boolean): boolean;
}

/** Leads from a socket to who receives what it reads: one function then serves all sockets. */
export const readerOf: unique symbol = Symbol("reader");

function onread(this: { [readerOf]?: BytesReader }, count: number): boolean {
  const view =
    count > MAX_KEPT_VIEW ? shared.subarray(0, count) : (views[count] ??= shared.subarray(0, count));
  const wantsMore = this[readerOf]?.received(view, true) ?? true;
  poison(view);
  return wantsMore;
}

/** The part of Node's handle that is used beyond its documentation. */
interface StreamHandle {
  useUserBuffer(buffer: Uint8Array): void;
}

/** Where a socket keeps the parts of its `onread` option: found on one that was made with it, as Node has no names for them. */
const places = findPlaces();

function findPlaces(): { readonly buffer: symbol; readonly callback: symbol } | undefined {
  const made = new Socket({
    onread: { buffer: shared, callback: onread } satisfies OnReadOpts,
  } as SocketConstructorOpts);
  const placeOf = (value: unknown): symbol | undefined =>
    Object.getOwnPropertySymbols(made).find((key) => Reflect.get(made, key) === value);
  const buffer = placeOf(shared);
  const callback = placeOf(onread);
  return buffer && callback && { buffer, callback };
}

/**
 * Lets a connected TCP or Unix socket read into the shared buffer, and hand that to its `readerOf`.
 *
 * @returns false if it cannot be done here; then the socket is as it was.
 */
export function readIntoSharedBuffer(socket: Duplex): boolean {
  if (isOff || places === undefined || !isPlain(socket)) return false;
  const handle: unknown = Reflect.get(socket, "_handle");
  if (!canReadIntoBuffer(handle) || !Reflect.has(socket, places.buffer)) return false;
  Reflect.set(socket, places.buffer, shared);
  Reflect.set(socket, places.callback, onread);
  handle.useUserBuffer(shared);
  return true;
}

/**
 * True if a socket that reads into the shared buffer is being read already: `resume` would only tell its stream, which has nothing to do with it, and that costs
 * a microsecond. As Node notes it on the handle; where it does not this is false.
 */
export function isBeingRead(socket: Duplex): boolean {
  const handle: unknown = Reflect.get(socket, "_handle");
  return typeof handle === "object" && handle !== null && Reflect.get(handle, "reading") === true;
}

/** Only sockets of Node's own kind, and only with nothing read that somebody has still to take. */
function isPlain(socket: Duplex): boolean {
  if (!(socket instanceof Socket) || Object.getPrototypeOf(socket) !== Socket.prototype) return false;
  return !socket.destroyed && !socket.connecting && socket.readableLength === 0;
}

function canReadIntoBuffer(handle: unknown): handle is StreamHandle {
  return typeof handle === "object" && handle !== null && "readStart" in handle && "useUserBuffer" in handle;
}
