import { type OnReadOpts, Socket, type SocketConstructorOpts } from "node:net";
import type { Duplex } from "node:stream";
import { poison } from "../memory/poison.ts";
import { type Attempt, goesBothWays, type SocketPair } from "./loopback.ts";
import { ReusedMemory } from "./reused-memory.ts";
import { readerOf } from "./socket-classes.ts";

/*
 * The read buffer. One for all sockets of this process, in place of one that Node allocates for each read,
 * saves a fifth to a third of a small read's cost (see `bench/`). Node documents the `onread` option for
 * sockets that connect; a socket that is there already gets it here.
 *
 * Without: `data` events, and a small read costs a quarter to a half more.
 */

/** What one read can bring to a connection that keeps what it reads, in bytes. */
const READ_BUFFER_BYTES = 64 * 1024;
/** And to one that is only lent it: a message of 64 KiB and its header should come in one read. */
export const LENT_BUFFER_BYTES = 128 * 1024;

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
}

const reused = new ReusedMemory(Buffer.allocUnsafeSlow(LENT_BUFFER_BYTES));
const shared = reused.memory.subarray(0, READ_BUFFER_BYTES);
let isEnabled = process.env["ZOCALO_NO_READ_BUFFER"] === undefined;

/** Where a socket keeps the parts of its `onread` option, as Node has no names for them. */
export interface Places {
  readonly buffer: symbol;
  readonly source: symbol;
  readonly callback: symbol;
}

/** Known once the trial has shown that they are right. */
let places: Places | undefined;

/**
 * For tests and measurements: `false` makes all sockets made from now on use `data` events. The environment
 * variable `ZOCALO_NO_READ_BUFFER` does the same.
 */
export function enableReadBuffer(enabled: boolean): void {
  isEnabled = enabled;
}

/** Where the next read goes of the socket that was read last. */
let following = shared;

/** Node asks at first, and after each callback. */
function nextBuffer(): Buffer {
  const given = following;
  following = shared;
  return given;
}

/**
 * A read that fills the buffer is a sign of more to come. From then on, until one does not, the connection
 * has a buffer of its own, which goes to the reader as it is: to copy that much costs more than new memory,
 * unless the reader `prefersLent`.
 *
 * `this` is the socket, which Node does not document; Bun calls it without one.
 */
function received(
  this: { [readerOf]?: BufferReader } | undefined,
  count: number,
  buffer: Uint8Array,
): boolean {
  const reader = this?.[readerOf];
  if (!reader) return false;
  const isShared = buffer === shared || buffer === reused.memory;
  const isFull = count >= READ_BUFFER_BYTES;
  const bytes = isShared ? reused.view(count) : asBuffer(buffer, count);
  const goesOn = reader.onRead(bytes, isShared || !isFull);
  if (isShared) poison(bytes);
  if (isFull && !reader.prefersLent) following = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  return goesOn;
}

function asBuffer(bytes: Uint8Array, length: number): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, length);
}

/**
 * Looks at two sockets without a connection. They have the property that ours get: V8 takes its measure for
 * the size of all sockets from the first seven.
 */
function findPlaces(): Places | undefined {
  const onread: OnReadOpts = { buffer: nextBuffer, callback: received };
  const fixed = new Socket({ onread: { ...onread, buffer: shared } } as SocketConstructorOpts);
  const asking = new Socket({ onread } as SocketConstructorOpts);
  for (const probe of [fixed, asking]) Reflect.set(probe, readerOf, undefined);
  const buffer = placeOf(shared, fixed);
  const source = placeOf(nextBuffer, asking);
  const callback = placeOf(received, fixed);
  return buffer && source && callback && { buffer, source, callback };
}

function placeOf(value: unknown, socket: Socket): symbol | undefined {
  return Object.getOwnPropertySymbols(socket).find((key) => Reflect.get(socket, key) === value);
}

/** The trial, which allows `readIntoBuffer` where it works. */
export async function tryReadBuffer(pair: SocketPair): Promise<void> {
  places = await placesThatWork(pair);
}

/**
 * The places, if both ends of a connection read into the buffer what the other has written, in both ways to
 * have it, stop when they are told, and go on. Exported for tests.
 *
 * @returns a promise that never settles where nothing is read.
 */
export async function placesThatWork({ accepted, connected }: SocketPair): Promise<Places | undefined> {
  const found = findPlaces();
  if (found === undefined) return undefined;
  const [asking, lent] = [new Trial(accepted), new Trial(connected)];
  if (!(useBuffer(accepted, found, false) && useBuffer(connected, found, true))) return undefined;
  return (await goesBothWays(asking, lent)) ? found : undefined;
}

/** One end of that connection. */
class Trial implements Attempt, BufferReader {
  readonly prefersLent = true;
  readonly socket: Socket;
  readonly read: Buffer[] = [];
  onPart: (() => void) | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    Reflect.set(socket, readerOf, this);
  }

  /** Whatever is wrong is no part, so that the trial never ends well. Each part stops the reading. */
  onRead(bytes: Uint8Array, isLent: boolean): boolean {
    if (!isLent || bytes.buffer !== reused.memory.buffer) return false;
    this.read.push(Buffer.from(bytes));
    this.onPart?.();
    return false;
  }
}

/**
 * Lets a connected socket, of whose bytes nobody has still to take any, deliver to its `readerOf` what it
 * reads, by way of the shared buffer. `false` means that this cannot be done here, or is not known to work
 * yet: use `data` events.
 *
 * @param isLent all of it will be lent, also where it comes in bulk.
 */
export function readIntoBuffer(socket: Duplex, isLent = false): boolean {
  if (!isEnabled || places === undefined || !isPlainSocket(socket)) return false;
  if (socket.destroyed || socket.connecting || socket.readableLength > 0) return false;
  return useBuffer(socket, places, isLent);
}

function useBuffer(socket: Socket, { buffer, source, callback }: Places, isLent: boolean): boolean {
  const handle = handleOf(socket);
  if (handle === undefined || !(buffer in socket)) return false;
  const memory = isLent ? reused.memory : shared;
  // Not by `Reflect.set`, which looks each up anew (bench: websocket, upgrades).
  const parts = socket as Socket & Record<symbol, unknown>;
  parts[buffer] = memory;
  // Node asks for a buffer before each read if there is somebody to ask.
  if (!isLent) parts[source] = nextBuffer;
  parts[callback] = received;
  handle.useUserBuffer(memory);
  return true;
}

/**
 * Undoes `readIntoBuffer`: what a socket reads goes to its own stream, as a copy. Whoever takes its handle
 * over (TLS) reads as if nobody had.
 */
export function readIntoStream(socket: Socket): void {
  const reader: BufferReader = { prefersLent: false, onRead: (bytes) => socket.push(Buffer.from(bytes)) };
  Reflect.set(socket, readerOf, reader);
  // Its stream still waits for what went into the buffer, and would not ask for more by itself.
  socket.read(0);
}

/** A TCP or Unix socket just as Node makes it. */
function isPlainSocket(socket: Duplex): socket is Socket {
  return socket instanceof Socket && Object.getPrototypeOf(socket) === Socket.prototype;
}

/**
 * True if a socket that reads into the shared buffer is being read already: `resume` would only tell its
 * stream, which has nothing to do with it, and that costs a microsecond. As Node notes it on the handle;
 * where it does not this is false.
 */
export function isBeingRead(socket: Duplex): boolean {
  const handle: unknown = Reflect.get(socket, "_handle");
  return typeof handle === "object" && handle !== null && Reflect.get(handle, "reading") === true;
}

/** The handle, if it is of a kind that can read into a given buffer. */
function handleOf(socket: Socket): StreamHandle | undefined {
  const handle: unknown = Reflect.get(socket, "_handle");
  return isReadable(handle) ? handle : undefined;
}

/** Handles of one kind have the same functions, so that each kind is looked at once. */
const readableKinds = new WeakMap<object, boolean>();

function isReadable(handle: unknown): handle is StreamHandle {
  if (typeof handle !== "object" || handle === null) return false;
  const kind: unknown = Object.getPrototypeOf(handle);
  if (typeof kind !== "object" || kind === null) return false;
  let isKnown = readableKinds.get(kind);
  if (isKnown === undefined) {
    const hasAll = ["useUserBuffer", "readStart", "readStop"].every(
      (name) => typeof Reflect.get(handle, name) === "function",
    );
    // A TLS handle has the functions too, but its owner does more than read.
    isKnown = hasAll && ["TCP", "Pipe"].includes(handle.constructor.name);
    readableKinds.set(kind, isKnown);
  }
  return isKnown;
}
