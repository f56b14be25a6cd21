import { type OnReadOpts, Socket, type SocketConstructorOpts } from "node:net";

/**
 * All that needs more of Node than it documents, each with a way to go on without.
 *
 * One read buffer for all sockets of this process, in place of one that Node allocates for each read. That saves a fifth to a third
 * of a small read's cost (see `bench/`).
 *
 * Node documents the `onread` option for sockets that connect. One that a server accepted gets it here afterwards, which is not
 * documented; so this file alone knows how, looks first whether this Node can do it, and everything else works without (`data` events).
 */

/** libuv asks for this much on each read, in bytes. */
const READ_BUFFER_BYTES = 64 * 1024;

/** Receives what was read. */
export interface BufferReader {
  /** True if lent bytes are as good as owned ones. */
  readonly prefersLent: boolean;
  /** Lent bytes are the reader's until it returns. `false` stops reading until `socket.resume()`. */
  onRead(bytes: Uint8Array, isLent: boolean): boolean;
}

/** The part of Node's stream handle that is used here. */
interface StreamHandle {
  useUserBuffer(buffer: Uint8Array): void;
  readStart(): number;
  readStop(): number;
}

/** Views of up to so many bytes are kept. */
const MAX_KEPT_VIEW = 512;

/**
 * Memory that is used from its beginning, again and again. To make a view costs about as much as all else that is done here for a
 * small read, so those of small ones are kept. Guarded by `npm run bench -- tcp`.
 */
class Space {
  readonly memory: Buffer;
  readonly #views: (Buffer | undefined)[] = [];

  constructor(memory: Buffer) {
    this.memory = memory;
  }

  get room(): number {
    return this.memory.length;
  }

  /** The first `length` bytes. */
  view(length: number): Buffer {
    if (length > MAX_KEPT_VIEW) return this.memory.subarray(0, length);
    return (this.#views[length] ??= this.memory.subarray(0, length));
  }

  begins(bytes: Uint8Array): boolean {
    return bytes.buffer === this.memory.buffer && bytes.byteOffset === this.memory.byteOffset;
  }

  /** What is left behind the first `length` bytes. */
  after(length: number): Space {
    return new Space(this.memory.subarray(length));
  }
}

const space = new Space(Buffer.allocUnsafeSlow(READ_BUFFER_BYTES));
const shared = space.memory;
let copies = new Space(Buffer.allocUnsafeSlow(READ_BUFFER_BYTES));
let isEnabled = process.env["ZOCALO_NO_READ_BUFFER"] === undefined;

/** True if these bytes lie in the shared buffer, and so are overwritten by the next read of any socket. */
export function isLentMemory(bytes: Uint8Array): boolean {
  return bytes.buffer === shared.buffer;
}

/**
 * Copies lent bytes so that they can be written. A write is mostly over at once, so the memory of the copy is used again, unless
 * `keepCopy` follows.
 */
export function copyForWrite(lent: Uint8Array): Uint8Array {
  if (copies.room < lent.length) copies = new Space(Buffer.allocUnsafeSlow(READ_BUFFER_BYTES));
  const copy = copies.view(lent.length);
  copy.set(lent);
  return copy;
}

/** The system has not taken the copy yet: its memory stays with the write, and the next copy goes behind it. */
export function keepCopy(copy: Uint8Array): void {
  if (copies.begins(copy)) copies = copies.after(copy.length);
}

/** For tests and measurements: `false` makes all sockets made from now on use `data` events. The environment variable `ZOCALO_NO_READ_BUFFER` does the same. */
export function enableReadBuffer(enabled: boolean): void {
  isEnabled = enabled;
}

/** Leads from a socket to who receives what it reads. One function then serves all sockets, where each would need closures of its own. */
export const readerOf: unique symbol = Symbol("reader");

/** Where the next read goes of the socket that was read last. */
let following = shared;

/** Node asks at first, and after each callback. */
function nextBuffer(): Buffer {
  const given = following;
  following = shared;
  return given;
}

/**
 * A read that fills the buffer is a sign of more to come. From then on, until one does not, the connection has a buffer of its own, which
 * goes to the reader as it is: to copy that much costs more than new memory, unless the reader `prefersLent`.
 */
function received(this: { [readerOf]?: BufferReader }, count: number, buffer: Uint8Array): boolean {
  const reader = this[readerOf];
  if (!reader) return false;
  const isShared = buffer === shared;
  const isFull = count === READ_BUFFER_BYTES;
  const goesOn = reader.onRead(isShared ? space.view(count) : asBuffer(buffer, count), isShared || !isFull);
  if (isFull && !reader.prefersLent) following = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  return goesOn;
}

const onread: OnReadOpts = { buffer: nextBuffer, callback: received };

/** Where a socket keeps the parts of its `onread` option: found on one that was made with it, as Node has no names for them. */
const places = findPlaces();

function findPlaces(): { buffer: symbol; source: symbol; callback: symbol } | undefined {
  const fixed = new Socket({ onread: { ...onread, buffer: shared } } as SocketConstructorOpts);
  const asking = new Socket({ onread } as SocketConstructorOpts);
  const buffer = placeOf(shared, fixed);
  const source = placeOf(nextBuffer, asking);
  const callback = placeOf(received, fixed);
  return buffer && source && callback && { buffer, source, callback };
}

function placeOf(value: unknown, socket: Socket): symbol | undefined {
  return Object.getOwnPropertySymbols(socket).find((key) => Reflect.get(socket, key) === value);
}

/** The `onread` option for `connect()`, or `undefined` when the shared buffer is off. What is read goes to the socket's `readerOf`. */
export function onreadOption(): OnReadOpts | undefined {
  return isEnabled ? onread : undefined;
}

function asBuffer(bytes: Uint8Array, length: number): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, length);
}

/**
 * Lets a socket that has not been read deliver to its `readerOf` what it reads, by way of the shared buffer.
 * `false` means that this cannot be done here: use `data` events.
 */
export function readIntoBuffer(socket: Socket): boolean {
  const handle = handleOf(socket);
  if (!isEnabled || !places || !handle || socket.destroyed || socket.readableLength > 0) return false;
  Reflect.set(socket, places.buffer, shared);
  Reflect.set(socket, places.source, nextBuffer);
  Reflect.set(socket, places.callback, received);
  handle.useUserBuffer(shared);
  return true;
}

/**
 * Whether the system still knows a peer. When a connection was reset after bytes that were still unread, libuv tells only an ordinary end;
 * as long as this side has not ended, the lack of a peer gives it away. `undefined` if it cannot be known here.
 */
export function hasPeer(socket: Socket): boolean | undefined {
  const handle: unknown = Reflect.get(socket, "_handle");
  if (typeof handle !== "object" || handle === null) return undefined;
  const getpeername: unknown = Reflect.get(handle, "getpeername");
  if (typeof getpeername !== "function") return undefined;
  return Reflect.apply(getpeername, handle, [{}]) === 0;
}

/** The handle, if it is of a kind that can read into a given buffer. */
function handleOf(socket: Socket): StreamHandle | undefined {
  const handle: unknown = Reflect.get(socket, "_handle");
  if (typeof handle !== "object" || handle === null) return undefined;
  for (const name of ["useUserBuffer", "readStart", "readStop"]) {
    if (typeof Reflect.get(handle, name) !== "function") return undefined;
  }
  // A TLS handle has the functions too, but its owner does more than read.
  return handle.constructor.name === "TCP" || handle.constructor.name === "Pipe"
    ? (handle as StreamHandle)
    : undefined;
}
