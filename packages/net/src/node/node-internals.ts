import { readSync } from "node:fs";
import { type OnReadOpts, Socket, type SocketConstructorOpts } from "node:net";
import { type Duplex, Readable } from "node:stream";
import { TLSSocket } from "node:tls";
import { poison } from "../memory/poison.ts";

/**
 * All that knows more of Node's stream sockets than is documented. Each piece is tried out at start-up, on sockets that connect nothing, or looked for
 * when it is used; where this Node cannot do it, everything works without, at the cost that is said here.
 *
 * | what | without it |
 * | --- | --- |
 * | one read buffer for all sockets (`readIntoBuffer`) | `data` events: a small read costs a quarter to a half more |
 * | writes past the queue of Node's stream (`writePastQueue`) | `socket.write`: an echo of a small message costs a tenth more |
 * | the peer's name, uncached (`remoteEnd`, `localEnd`) | the documented properties: 90 bytes more for each connection |
 * | no listener that does nothing (`dropIdleListener`) | it stays: 64 bytes more for each connection |
 * | whether there still is a peer, and if not, one more read (`resetBehindEnd`) | a reset after unread bytes may be told as an ordinary end |
 * | whether TLS has ended before TCP did (`watchEnd`) | a connection that was cut (RFC 8446 §6.1) is told as an ordinary end |
 * | why a certificate is refused, before Node cuts (`verifyErrorOf`) | the peer sees an end in place of the alert that says it |
 * | a reset below TLS (`resetOnDestroy`) | the peer sees an ordinary end |
 * | the socket below TLS (`resetSocket`) | the peer sees an ordinary end |
 */

/*
 * The read buffer. One for all sockets of this process, in place of one that Node allocates for each read, saves a fifth to a third of
 * a small read's cost (see `bench/`). Node documents the `onread` option for sockets that connect; one that a server accepted gets it
 * here afterwards.
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

const space = new Space(Buffer.allocUnsafeSlow(LENT_BUFFER_BYTES));
const shared = space.memory.subarray(0, READ_BUFFER_BYTES);
let copies = new Space(Buffer.allocUnsafeSlow(READ_BUFFER_BYTES));
let isEnabled = process.env["ZOCALO_NO_READ_BUFFER"] === undefined;

/**
 * Copies lent bytes so that a plain socket can write them. A write is mostly over at once, so the memory of the copy is used again, unless
 * `keepCopy` follows. What goes to another stream is not copied here: when that is done with bytes nobody knows.
 */
export function copyForWrite(lent: Uint8Array): Uint8Array {
  if (copies.room < lent.length) {
    copies = new Space(Buffer.allocUnsafeSlow(Math.max(READ_BUFFER_BYTES, lent.length)));
  }
  const copy = copies.view(lent.length);
  copy.set(lent);
  return copy;
}

/** The system has taken the copy: its memory is used again. */
export function freeCopy(copy: Uint8Array): void {
  poison(copy);
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
  const isShared = buffer === shared || buffer === space.memory;
  const isFull = count >= READ_BUFFER_BYTES;
  const bytes = isShared ? space.view(count) : asBuffer(buffer, count);
  const goesOn = reader.onRead(bytes, isShared || !isFull);
  if (isShared) poison(bytes);
  if (isFull && !reader.prefersLent) following = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  return goesOn;
}

const onread: OnReadOpts = { buffer: nextBuffer, callback: received };

/**
 * Sockets without a connection, to look at and to try things on. They are few, and have the property that ours get: V8 takes its
 * measure for the size of all sockets from the first seven.
 */
const fixed = new Socket({ onread: { ...onread, buffer: shared } } as SocketConstructorOpts);
const asking = new Socket({ onread } as SocketConstructorOpts);
for (const probe of [fixed, asking]) Reflect.set(probe, readerOf, undefined);

/** Where a socket keeps the parts of its `onread` option, as Node has no names for them. */
const places = findPlaces();

function findPlaces(): { buffer: symbol; source: symbol; callback: symbol } | undefined {
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
 * Lets a connected socket, of whose bytes nobody has still to take any, deliver to its `readerOf` what it reads, by way of the shared buffer.
 * `false` means that this cannot be done here: use `data` events.
 *
 * @param isLent all of it will be lent, also where it comes in bulk.
 */
export function readIntoBuffer(socket: Duplex, isLent = false): boolean {
  if (!isEnabled || !places || !isPlainSocket(socket) || !Reflect.has(socket, places.buffer)) return false;
  const handle = handleOf(socket);
  if (!handle || socket.destroyed || socket.connecting || socket.readableLength > 0) return false;
  const buffer = isLent ? space.memory : shared;
  Reflect.set(socket, places.buffer, buffer);
  // Node asks for a buffer before each read if there is somebody to ask.
  if (!isLent) Reflect.set(socket, places.source, nextBuffer);
  Reflect.set(socket, places.callback, received);
  handle.useUserBuffer(buffer);
  return true;
}

/** Undoes `readIntoBuffer`: what a socket reads goes to its own stream, as a copy. Whoever takes its handle over (TLS) reads as if nobody had. */
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
 * True if a socket that reads into the shared buffer is being read already: `resume` would only tell its stream, which has nothing to do with it, and that
 * costs a microsecond. As Node notes it on the handle; where it does not this is false.
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

/*
 * Writing. `_write` is what Node's stream calls itself when its queue is empty. To call it saves the booking in and out of that queue,
 * and the wait for the next tick.
 */

type WriteCallback = (error?: Error | null) => void;

/** What a handle answers that cannot write: EPIPE, as libuv counts. */
const REFUSED = -32;

let canWritePast = handsOverAtOnce(asking);

/**
 * Tries it on a socket without a connection, whose handle refuses all writes: do `_write` and `_writev` give the handle exactly these bytes, tell the
 * outcome once and before they return, and leave the queue alone? Exported for tests.
 */
export function handsOverAtOnce(probe: Socket): boolean {
  const bytes = Buffer.from("probe");
  const given: unknown[] = [];
  const outcomes: unknown[] = [];
  const handle = {
    writeBuffer(_request: unknown, data: unknown): number {
      given.push(data);
      return REFUSED;
    },
    writev(_request: unknown, parts: readonly unknown[], areAllBytes: unknown): number {
      given.push(areAllBytes, ...parts);
      return REFUSED;
    },
  };
  try {
    Reflect.set(probe, "_handle", handle);
    writeNow(probe, bytes, (error) => outcomes.push(error));
    writeAllNow(probe, [bytes, bytes], (error) => outcomes.push(error));
    Reflect.set(probe, "_handle", null);
  } catch {
    return false;
  }
  const isGiven = given.length === 4 && given.every((each, at) => each === (at === 1 ? true : bytes));
  const areRefused = outcomes.length === 2 && outcomes.every((outcome) => outcome instanceof Error);
  return isGiven && areRefused && probe.writableLength === 0;
}

/** For tests and measurements: `false` makes `writePastQueue` refuse. Node must be able to for `true` to mean anything. */
export function enableWritePastQueue(enabled: boolean): void {
  canWritePast = enabled && handsOverAtOnce(new Socket());
}

/**
 * Hands bytes to the system past the queue of Node's stream; `written` is called once, mostly before this returns. `false` means that
 * nothing was done: write to the socket.
 *
 * A write that fails here does not destroy the socket, as one by its stream would: what has arrived can still be read.
 *
 * @param socket A socket without queued writes, and without an earlier call that has not called `written` yet.
 */
export function writePastQueue(
  socket: Duplex,
  bytes: Uint8Array | readonly Uint8Array[],
  written: WriteCallback,
): boolean {
  if (!canWritePast || !(socket instanceof Socket) || socket.connecting || socket.destroyed) return false;
  if (socket.writableLength > 0 || !writesAsNode(socket)) return false;
  if (bytes instanceof Uint8Array) writeNow(socket, bytes, written);
  else writeAllNow(socket, bytes, written);
  return true;
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
  // oxlint-disable-next-line no-underscore-dangle -- the name that Node gives what implements a stream
  socket._writev?.(Object.assign(chunks, { allBuffers: true }), written);
}

function writeNow(socket: Socket, bytes: Uint8Array, written: WriteCallback): void {
  // oxlint-disable-next-line no-underscore-dangle -- the name that Node gives what implements a stream
  socket._write(bytes, "buffer" as BufferEncoding, written);
}

/*
 * What a socket is connected to. Node's properties keep an object and a string for each socket that was ever asked.
 */

/** One end of a TCP connection, with an IP address as the system prints it. */
export interface SocketEnd {
  readonly host: string;
  readonly port: number;
}

/** The peer of a TCP socket; `undefined` if there is none any more. */
export function remoteEnd(socket: Socket): SocketEnd | undefined {
  const name = nameFrom(socket, "getpeername");
  if (name === NOT_KNOWN) return endOf(socket.remoteAddress, socket.remotePort);
  return name && endOf(name.address, name.port);
}

/** This side of a TCP socket; `undefined` if it is closed. */
export function localEnd(socket: Socket): SocketEnd | undefined {
  const name = nameFrom(socket, "getsockname");
  if (name === NOT_KNOWN) return endOf(socket.localAddress, socket.localPort);
  return name && endOf(name.address, name.port);
}

/** Whether the system still knows a peer; `undefined` if it cannot be known here. */
export function hasPeer(socket: Socket): boolean | undefined {
  const name = nameFrom(socket, "getpeername");
  return name === NOT_KNOWN ? undefined : name !== undefined;
}

const oneByte = Buffer.alloc(1);

/**
 * Tells a reset from an end; `undefined` for an end. After a reset with unread bytes libuv reports an end. If the socket has no peer, one more read
 * tells: Linux answers with the reset if it has not been reported, else with 0. Where the descriptor cannot be read, the lack of a peer counts as a
 * reset as long as this side has not ended.
 */
export function resetBehindEnd(socket: Socket): Error | undefined {
  if (hasPeer(socket) !== false) return undefined;
  const descriptor: unknown = Reflect.get(Reflect.get(socket, "_handle") as object, "fd");
  if (typeof descriptor !== "number" || descriptor < 0) return socket.writableEnded ? undefined : readReset();
  try {
    readSync(descriptor, oneByte, 0, 1, null);
    return undefined;
  } catch (error) {
    return Object.assign(readReset(), { cause: error });
  }
}

/** What a read meets that finds the connection reset. */
export function readReset(): Error {
  return Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET", syscall: "read" });
}

const NOT_KNOWN = Symbol("the handle cannot tell");

interface EndName {
  readonly address?: unknown;
  readonly port?: unknown;
}

/** `undefined` if the system has no such name. */
function nameFrom(
  socket: Socket,
  ask: "getpeername" | "getsockname",
): EndName | typeof NOT_KNOWN | undefined {
  const handle: unknown = Reflect.get(socket, "_handle");
  if (typeof handle !== "object" || handle === null) return NOT_KNOWN;
  const getName: unknown = Reflect.get(handle, ask);
  if (typeof getName !== "function") return NOT_KNOWN;
  const name: EndName = {};
  return Reflect.apply(getName, handle, [name]) === 0 ? name : undefined;
}

function endOf(address: unknown, port: unknown): SocketEnd | undefined {
  return typeof address === "string" && typeof port === "number" ? { host: address, port } : undefined;
}

/*
 * Small things.
 */

/** What Node itself listens with for the end of each socket, by name: it does something only where half-open is not allowed. */
const IDLE_LISTENER = fixed.listeners("end").map(({ name }) => name);

/** Removes Node's own listener for the end of a half-open socket, which has nothing to do there: with it, ours needs an array. */
export function dropIdleListener(socket: Socket): void {
  if (!socket.allowHalfOpen || IDLE_LISTENER.length !== 1 || IDLE_LISTENER[0] !== "onReadableStreamEnd")
    return;
  const [first, second] = socket.listeners("end");
  // Not `removeAllListeners`, which would turn the table of listeners into a larger one.
  if (first?.name === IDLE_LISTENER[0] && second === undefined) socket.off("end", first as () => void);
}

/**
 * True while the system is being told of this side's end. libuv does not reset a socket then, and Node, which does not look whether it did,
 * would leave the descriptor open for ever. All that was written has left by then, so that an ordinary end is the truth.
 */
function isShuttingDown(socket: Duplex): boolean {
  return socket.writableEnded && !socket.writableFinished && socket.writableLength === 0;
}

/*
 * The end of TLS. Node tells the end of the records (`close_notify`) and that of the connection below in the same way. Both come from within a read of
 * the socket below: libuv has stopped reading that if it is its end, and not if it is an alert.
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
  // Where Node has stopped reading because nobody takes it, only what had been read already can tell an end: a record.
  if (Reflect.get(secured, "reading") !== true) return false;
  // EALREADY: it is being read.
  if (handle.readStart() !== 0) return false;
  handle.readStop();
  return true;
}

function isReadHandle(handle: unknown): handle is Pick<StreamHandle, "readStart" | "readStop"> {
  return (
    typeof handle === "object" &&
    handle !== null &&
    typeof Reflect.get(handle, "readStart") === "function" &&
    typeof Reflect.get(handle, "readStop") === "function"
  );
}

/** What OpenSSL says of the certificate of a TLS socket's peer, from when it has been seen; `undefined` if nothing is wrong with it. */
export function verifyErrorOf(socket: TLSSocket): Error | undefined {
  const handle: unknown = Reflect.get(socket, "_handle");
  if (typeof handle !== "object" || handle === null) return undefined;
  const verifyError: unknown = Reflect.get(handle, "verifyError");
  if (typeof verifyError !== "function") return undefined;
  const error: unknown = Reflect.apply(verifyError, handle, []);
  return error instanceof Error ? error : undefined;
}

/** Makes the end of a socket below TLS a reset, as `resetAndDestroy` does. To call that here would free it under TLS, and crash the process. */
function resetOnDestroy(below: Socket): void {
  Reflect.set(below, "resetAndClosing", true);
}

/**
 * Cuts a socket of Node's at once, so that its peer is told by a reset. A TLS socket is cut below TLS. Where there is no
 * reset (Unix, an end that the system is being told of already) the socket is destroyed. Another stream learns by an error that it is cut, and not closed.
 */
export function resetSocket(socket: Duplex): void {
  if (!(socket instanceof Socket)) return void socket.destroy(new Error("the connection was aborted"));
  if (!socket.destroyed && !isShuttingDown(socket)) {
    const below = belowTls(socket);
    if (below === socket) {
      if (isTcp(socket)) return void socket.resetAndDestroy();
    } else if (isTcp(below)) {
      resetOnDestroy(below);
    }
  }
  socket.destroy();
}

/** The TCP socket below a TLS socket; `undefined` if there is none, and for any other stream. */
export function tcpBelowTls(socket: Duplex): Socket | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  const below = belowTls(socket);
  return below !== socket && isTcp(below) ? below : undefined;
}

/** The socket that carries a TLS socket, which keeps it under this name; in a tunnel there may be TLS below TLS. Any other socket is its own. */
function belowTls(socket: Socket): Socket {
  let below = socket;
  for (;;) {
    const next: unknown = Reflect.get(below, "_parent");
    if (!(below instanceof TLSSocket) || !(next instanceof Socket)) return below;
    below = next;
  }
}

function isTcp(socket: Socket): boolean {
  const handle: unknown = Reflect.get(socket, "_handle");
  return typeof handle === "object" && handle !== null && handle.constructor.name === "TCP";
}
