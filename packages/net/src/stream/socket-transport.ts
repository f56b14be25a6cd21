import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type Addr, type PackedAddr, packed, unixAddr, unpacked } from "../contracts/addr.ts";
import { isLentMemory, unlent } from "../memory/lent-memory.ts";
import { type BufferReader, isBeingRead, readIntoStream } from "../node/read-buffer.ts";
import { readerOf } from "../node/socket-classes.ts";
import { resetBehindEnd, resetSocket } from "../node/reset.ts";
import { copyForWrite, freeCopy, keepCopy } from "../node/reused-memory.ts";
import { endWriting } from "../node/tls-end.ts";
import { writePastQueue } from "../node/write-past-queue.ts";
import { owned } from "../memory/own-memory.ts";
import { localAddrOf, type RawConnection } from "../node/socket-ends.ts";
import type { Transport, TransportSink, WriteProgress } from "../contracts/transport.ts";
import { unacknowledgedBytes } from "../node/unacknowledged.ts";
import { completionFor, writeByStream, type Writer, type Written } from "./write-completion.ts";
import { writeProgress } from "../node/write-progress.ts";

/**
 * As `RawConnection`, of any stream. Without a `localAddr` it is asked for when somebody wants to know, while
 * it is open: that is a system call.
 */
interface RawStream {
  readonly socket: Duplex;
  readonly localAddr: Addr | undefined;
  readonly remoteAddr: Addr;
}

/** The addresses of a transport that has no socket yet; nobody sees them. */
const unused = unixAddr("");

/** Leads from a socket to its transport, so that the listeners below need no closure per connection. */
type OwnedSocket = Duplex & { [readerOf]?: SocketTransport };

/**
 * A transport over a socket of Node: TCP, Unix or TLS.
 *
 * Each idle connection has one, so its fields are few and its addresses packed. Guarded by
 * `npm run bench -- idle-memory`.
 */
export class SocketTransport implements Transport, BufferReader, Writer {
  prefersLent = false;
  #socket: OwnedSocket | undefined;
  #localAddr: Addr | undefined;
  #remoteAddr: Addr | PackedAddr | undefined;
  /** Gone once it has been told of the close. */
  #sink: TransportSink | undefined;
  #delivers: "into a buffer" | "by events" | "by events, listened for" = "by events";
  #isReading = false;
  #isEnding = false;
  #hasEnded = false;
  #error: unknown;
  /** Why nothing more can be written. */
  #writeError: Error | undefined;
  /**
   * What Node had read when the socket broke; empty if the end came while it was paused. While it is set,
   * `closed` waits for the reader.
   */
  #unread: Uint8Array[] | undefined;
  /** Node has told of the close. */
  #isClosed = false;
  /** This side has cut it. */
  #isCut = false;
  /** Bytes of the write under way. */
  #leaving = 0;

  writeOver(error: Error | null | undefined): void {
    const socket = this.#socket;
    // Node reports success for a write that was under way when the socket was destroyed. It stays counted,
    // like a failed one: `onClose` tells its writer.
    if (!socket || socket.destroyed) return;
    if (error) {
      this.#writeError ??= error;
      this.#sink?.onWriteFailed(error);
      if (this.#hasEnded) this.broke(error);
      return;
    }
    this.taken(this.#leaving);
    this.#leaving = 0;
    if (this.#isEnding) endWriting(socket);
    this.#sink?.onWritten();
  }

  /** Where a socket given to `readIntoBuffer` delivers what it reads. */
  onRead(bytes: Uint8Array, isLent: boolean): boolean {
    if (this.#sink?.onBytes(bytes, isLent)) return true;
    this.#isReading = false;
    return false;
  }

  /** Takes a connected stream over. `readsIntoBuffer` if it delivers to `onRead`. */
  use({ socket, localAddr, remoteAddr }: RawStream, readsIntoBuffer: boolean): void {
    const owned: OwnedSocket = socket;
    this.#localAddr = localAddr;
    this.#remoteAddr = packed(remoteAddr) ?? remoteAddr;
    owned[readerOf] = this;
    this.#socket = owned;
    if (readsIntoBuffer) this.#delivers = "into a buffer";
    owned.on("end", onEnd);
    owned.on("finish", onFinish);
    owned.on("error", onError);
    owned.on("close", onClose);
    if (owned.readableEnded) queueMicrotask(() => this.ended());
  }

  /** The socket below, for what only it can do. */
  get socket(): Duplex | undefined {
    return this.#socket;
  }

  /** Bytes that Node has read and nobody has taken. */
  get unreadBytes(): number {
    return (this.#unread ?? []).reduce((sum, { length }) => sum + length, this.#socket?.readableLength ?? 0);
  }

  /**
   * Gives a socket of Node's away; from then on nothing happens here any more. What it reads goes to its own
   * stream, and who takes it listens for `error`.
   *
   * @returns `undefined` for another stream, and for a socket that is over.
   */
  release(): RawConnection | undefined {
    const socket = this.#socket;
    if (!(socket instanceof Socket) || socket.destroyed || this.#unread !== undefined) return undefined;
    const { localAddr, remoteAddr } = this;
    this.#localAddr = localAddr;
    const listeners = { data: onData, end: onEnd, finish: onFinish, error: onError, close: onClose };
    for (const [event, listener] of Object.entries(listeners)) socket.off(event, listener);
    readIntoStream(socket);
    this.#socket = undefined;
    this.#sink = undefined;
    return { socket, localAddr, remoteAddr };
  }

  get localAddr(): Addr {
    const socket = this.#socket;
    return (this.#localAddr ??= socket instanceof Socket ? (localAddrOf(socket) ?? unused) : unused);
  }

  get remoteAddr(): Addr {
    const addr = this.#remoteAddr;
    return typeof addr === "number" ? unpacked(addr) : (addr ?? unused);
  }

  get releasesMemory(): boolean {
    return this.#delivers === "into a buffer";
  }

  get bufferedBytes(): number {
    return this.#leaving;
  }

  get takenBytes(): number {
    // What TLS and other streams have made of it is not known.
    const left =
      this.#delivers === "into a buffer" && !this.#writeError ? this.progress().left : this.#leaving;
    return Math.max(0, this.#leaving - left);
  }

  get bytesRead(): number {
    return this.#socket instanceof Socket ? (this.#socket.bytesRead ?? 0) : 0;
  }

  get bytesWritten(): number {
    if (!(this.#socket instanceof Socket)) return 0;
    return Math.max(0, (this.#socket.bytesWritten ?? 0) - this.#leaving + this.takenBytes);
  }

  progress(): WriteProgress {
    return this.#socket === undefined
      ? { complete: undefined, left: 0 }
      : writeProgress(this.#socket, this.#leaving);
  }

  unacknowledgedBytes(): Promise<number | undefined> {
    return unacknowledgedBytes(this.#socket instanceof Socket ? this.#socket : {});
  }

  attach(sink: TransportSink): void {
    this.#sink = sink;
  }

  resume(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    const socket = this.#socket;
    if (!socket) return;
    if (this.#unread !== undefined) {
      queueMicrotask(() => this.#deliverUnread());
      return;
    }
    if (this.#delivers === "by events") {
      this.#delivers = "by events, listened for";
      socket.on("data", onData);
    } else if (this.#delivers === "into a buffer") {
      // Its stream has nothing to do with what is read, and need not be told, which takes a turn.
      if (!isBeingRead(socket)) socket.read(0);
      return;
    }
    socket.resume();
  }

  pause(): void {
    if (!this.#isReading) return;
    this.#isReading = false;
    this.#socket?.pause();
  }

  write(bytes: Uint8Array): void {
    const socket = this.#socket;
    if (!socket) return;
    const isLent = isLentMemory(bytes);
    // What another stream than a plain socket does with memory, and until when, nobody knows.
    const isPlain = this.#delivers === "into a buffer";
    const given = isLent ? (isPlain ? copyForWrite(bytes) : Buffer.from(bytes)) : bytes;
    this.#leaving = given.length;
    const written = completionFor(this);
    // What the system mostly takes at once need not be booked in and out of the queue of Node's stream. That
    // is a tenth of a small echo's cost (see `npm run bench -- tcp`).
    if (!writePastQueue(socket, given, written)) this.writeTo(socket, [given], written);
    if (!isLent || !isPlain) return;
    if (this.#leaving === 0) freeCopy(given);
    else keepCopy(given);
  }

  writev(parts: readonly Uint8Array[]): void {
    const socket = this.#socket;
    if (!socket) return;
    const given = parts.map(unlent);
    this.#leaving = given.reduce((length, part) => length + part.length, 0);
    const written = completionFor(this);
    if (!writePastQueue(socket, given, written)) this.writeTo(socket, given, written);
  }

  /** Where there is no way past the stream. */
  protected writeTo(stream: Duplex, parts: readonly Uint8Array[], written: Written): void {
    writeByStream(stream, parts, written);
  }

  end(): void {
    this.#isEnding = true;
    // Wait for the write that bypassed Node's queue: Node does not know of it, and a socket that is shutting
    // down cannot be reset.
    if (this.#leaving === 0 && this.#socket) endWriting(this.#socket);
  }

  destroy(): void {
    this.#cut((socket) => void socket.destroy());
  }

  unref(): void {
    if (this.#socket instanceof Socket) this.#socket.unref();
  }

  ref(): void {
    if (this.#socket instanceof Socket) this.#socket.ref();
  }

  keepAlive(delayMs: number | undefined): void {
    this.carrier?.setKeepAlive(delayMs !== undefined, delayMs);
  }

  noDelay(isOn: boolean): void {
    this.carrier?.setNoDelay(isOn);
  }

  /** The socket that TCP's own options are for. */
  protected get carrier(): Socket | undefined {
    return this.#socket instanceof Socket ? this.#socket : undefined;
  }

  reset(): void {
    this.#cut(resetSocket);
  }

  #cut(end: (socket: Duplex) => void): void {
    this.#isCut = true;
    this.#leaving -= this.takenBytes; // Afterwards nobody knows how much of it was taken.
    if (this.#socket) end(this.#socket);
    this.#dropUnread();
  }

  data(bytes: Uint8Array): void {
    if (this.#sink?.onBytes(this.own(bytes), false)) return;
    this.#isReading = false;
    this.#socket?.pause();
  }

  ended(): void {
    // A socket of Node's tells an end also while it is paused. Whoever has paused it is still busy with what
    // came before.
    if (!this.#isReading && this.#delivers === "by events, listened for") {
      this.#unread ??= [];
      return;
    }
    // Linux tells a reset once. Had the peer ended before, the write would have met a broken pipe.
    const failure = this.#writeError;
    const wasReset = failure !== undefined && "code" in failure && failure.code === "ECONNRESET";
    const reset = wasReset ? failure : this.resetBehindEnd();
    if (reset) return this.broke(reset);
    this.#hasEnded = true;
    this.#sink?.onEnd();
    if (failure) this.broke(failure);
  }

  /** What broke the connection, if what was told as an end is none, as far as that can be known. */
  protected resetBehindEnd(): Error | undefined {
    const socket = this.#socket;
    const addr = this.#remoteAddr;
    const isTcp = typeof addr === "number" || addr?.network === "tcp";
    return isTcp && socket instanceof Socket ? resetBehindEnd(socket) : undefined;
  }

  finished(): void {
    this.#sink?.onFinish();
  }

  /** What has arrived by then is still to be read. */
  broke(error: unknown): void {
    const socket = this.#socket;
    if (!this.#isCut) this.#error ??= error;
    if (!socket) return;
    this.#takeUnread(socket);
    // TLS goes on to tell an end where it broke.
    socket.destroy();
  }

  closed(): void {
    this.#isClosed = true;
    if (this.#socket) this.#takeUnread(this.#socket);
    if (this.#unread !== undefined) {
      const error = this.#error ?? this.#writeError;
      const isInOrder = error === undefined && this.#socket?.writableFinished === true;
      if (!isInOrder) this.#sink?.onWriteFailed(error);
      if (this.#isReading) this.#deliverUnread();
      return;
    }
    const sink = this.#sink;
    this.#sink = undefined;
    sink?.onClose(this.#error);
  }

  /** Takes what Node has read and nobody has taken. */
  #takeUnread(socket: Duplex): void {
    if (this.#isCut) return;
    while (socket.readableLength > 0) {
      socket.off("data", onData); // It would be told there, too.
      const bytes = socket.read() as Uint8Array | null;
      if (bytes === null) return;
      (this.#unread ??= []).push(this.own(bytes));
    }
  }

  /** What a socket of Node's has read is ours. */
  protected own(bytes: Uint8Array): Uint8Array {
    return owned(bytes);
  }

  /** So much of what was written has been taken. Node's sockets count by themselves. */
  protected taken(_count: number): void {}

  #deliverUnread(): void {
    const unread = this.#unread;
    while (this.#isReading && unread?.[0] !== undefined) {
      const bytes = unread.shift();
      if (bytes && !this.#sink?.onBytes(bytes, false)) this.#isReading = false;
    }
    if (unread?.length !== 0) return;
    const isEndDue = this.#socket?.readableEnded === true && !this.#hasEnded && !this.#error;
    if (isEndDue && !this.#isReading) return; // Whoever asked has gone again: the end is for who asks next.
    this.#unread = undefined;
    if (isEndDue) this.ended();
    this.#dropUnread();
  }

  #dropUnread(): void {
    this.#unread = undefined;
    if (this.#isClosed) this.closed();
  }
}

function onData(this: OwnedSocket, bytes: Uint8Array): void {
  this[readerOf]?.data(bytes);
}

function onEnd(this: OwnedSocket): void {
  this[readerOf]?.ended();
}

function onFinish(this: OwnedSocket): void {
  this[readerOf]?.finished();
}

function onError(this: OwnedSocket, error: unknown): void {
  this[readerOf]?.broke(error);
}

function onClose(this: OwnedSocket): void {
  this[readerOf]?.closed();
}
