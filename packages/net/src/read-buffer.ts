import { type OnReadOpts, Socket, type SocketConstructorOpts } from "node:net";

/**
 * All that needs more of Node than it documents, each with a way to go on without.
 *
 * One read buffer for all sockets of this process, in place of one that Node allocates for each read. That saves a fifth to a third
 * of a small read's cost (see `bench/`).
 *
 * Node documents the `onread` option for sockets that connect. One that a server accepted gets it here by moving its
 * handle to a new `Socket`, which is not documented; so this file alone knows how, looks first whether this Node
 * can do it, and everything else works without (`data` events).
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
  reading?: boolean;
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

/**
 * The `onread` option for `new Socket()`, or `undefined` when the shared buffer is off.
 *
 * A read that fills the buffer is a sign of more to come. From then on, until one does not, the connection has a buffer of its own, which
 * goes to the reader as it is: to copy that much costs more than new memory, unless the reader `prefersLent`.
 */
export function onreadOption(reader: BufferReader): OnReadOpts | undefined {
  if (!isEnabled) return undefined;
  let own: Buffer | undefined;
  return {
    // Node asks after each callback where the next read shall go.
    buffer: () => own ?? shared,
    callback(count, buffer) {
      const isFull = count === READ_BUFFER_BYTES;
      const isGivenAway = isFull && buffer !== shared;
      own = isFull && !reader.prefersLent ? Buffer.allocUnsafeSlow(READ_BUFFER_BYTES) : undefined;
      return reader.onRead(buffer === shared ? space.view(count) : asBuffer(buffer, count), !isGivenAway);
    },
  };
}

function asBuffer(bytes: Uint8Array, length: number): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, length);
}

/**
 * Moves the connection of a socket that has not been read to a new one which reads into the shared buffer.
 * The old socket is then of no use. `undefined` means that this cannot be done here: use the old one.
 * The new one reads when `resume()` is called first.
 */
export function moveToReadBuffer(socket: Socket, reader: BufferReader): Socket | undefined {
  const onread = onreadOption(reader);
  const handle = handleOf(socket);
  if (!onread || !handle || socket.destroyed || socket.readableLength > 0) return undefined;
  const moved = new Socket({
    handle,
    onread,
    allowHalfOpen: true,
    pauseOnCreate: true,
  } as SocketConstructorOpts);
  if (handleOf(moved) !== handle) throw new Error("this Node has taken the handle and lost it"); // Never seen; nothing could be saved.
  Reflect.set(socket, "_handle", null);
  socket.destroy(); // Without its handle that only tells its server that it is gone.
  return moved;
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

/** The handle, if it is of the kind that can be moved. */
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
