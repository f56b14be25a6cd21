import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type Addr, type PackedAddr, packed, unixAddr, unpacked } from "./addr.ts";
import {
  type BufferReader,
  copyForWrite,
  dropIdleListener,
  hasPeer,
  isLentMemory,
  isShuttingDown,
  keepCopy,
  readerOf,
  resetOnDestroy,
  writePastQueue,
} from "./node-internals.ts";
import type { Transport, TransportSink } from "./transport.ts";

/** A connected socket with its two addresses, which it forgets when it is closed. */
export interface RawConnection {
  readonly socket: Socket;
  readonly localAddr: Addr;
  readonly remoteAddr: Addr;
}

/** The addresses of a transport that has no socket yet; nobody sees them. */
const unused = unixAddr("");

/** Leads from a socket to its transport, so that the listeners below need no closure per connection either. */
type OwnedSocket = Duplex & { [readerOf]?: SocketTransport };

/**
 * A transport over a socket of Node: TCP, Unix or TLS.
 *
 * Each idle connection has one, so its fields are few and its addresses packed. Guarded by `npm run bench -- idle-memory`.
 */
export class SocketTransport implements Transport, BufferReader {
  prefersLent = false;
  #socket: OwnedSocket | undefined;
  #localAddr: Addr | undefined;
  #remoteAddr: Addr | PackedAddr | undefined;
  /** Gone once it has been told of the close. */
  #sink: TransportSink | undefined;
  #delivers: "into a buffer" | "by events" | "by events, listened for" = "by events";
  #isReading = false;
  #isEnding = false;
  #error: unknown;
  /** Handed to the system past the stream of Node and not yet taken, in bytes: one write at most. */
  #leaving = 0;

  /** Told by the `Departure` of each write. */
  departed(error: Error | null | undefined): void {
    if (error) {
      // What was not taken stays counted, so that its writer waits to be told how the connection ended.
      this.#socket?.destroy(error);
      return;
    }
    this.#leaving = 0; // Whatever was written after it is told after it.
    if (this.#isEnding) this.#socket?.end();
    this.#sink?.onWritten();
  }

  /** Where a socket made with `onreadOption` or `readIntoBuffer` delivers what it reads. */
  onRead(bytes: Uint8Array, isLent: boolean): boolean {
    if (this.#sink?.onBytes(bytes, isLent)) return true;
    this.#isReading = false;
    return false;
  }

  /** Takes a connected socket over. `readsIntoBuffer` if it delivers to `onRead`. */
  use(
    { socket, localAddr, remoteAddr }: Omit<RawConnection, "socket"> & { socket: Duplex },
    readsIntoBuffer: boolean,
  ): void {
    const owned: OwnedSocket = socket;
    this.#localAddr = localAddr;
    this.#remoteAddr = packed(remoteAddr) ?? remoteAddr;
    owned[readerOf] = this;
    this.#socket = owned;
    if (readsIntoBuffer) this.#delivers = "into a buffer";
    if (socket instanceof Socket) dropIdleListener(socket);
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

  get localAddr(): Addr {
    return this.#localAddr ?? unused;
  }

  get remoteAddr(): Addr {
    const addr = this.#remoteAddr;
    return typeof addr === "number" ? unpacked(addr) : (addr ?? unused);
  }

  get bufferedBytes(): number {
    return (this.#socket?.writableLength ?? 0) + this.#leaving;
  }

  attach(sink: TransportSink): void {
    this.#sink = sink;
  }

  resume(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    const socket = this.#socket;
    if (!socket) return;
    if (this.#delivers === "by events") {
      this.#delivers = "by events, listened for";
      socket.on("data", onData);
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
    const given = isLentMemory(bytes) ? copyForWrite(bytes) : bytes;
    const written = departure(this);
    if (this.#delivers === "into a buffer" && socket.writableLength === 0 && this.#leaving === 0) {
      // What the system mostly takes at once need not be booked in and out of the queue of Node's stream. That is a tenth of a small
      // echo's cost (see `npm run bench -- tcp`).
      this.#leaving = given.length;
      if (!writePastQueue(socket, given, written)) {
        this.#leaving = 0;
        socket.write(given, written);
      }
    } else {
      socket.write(given, written);
    }
    if (given !== bytes && this.bufferedBytes > 0) keepCopy(given);
  }

  writev(parts: readonly Uint8Array[]): void {
    const socket = this.#socket;
    if (!socket) return;
    socket.cork();
    const last = parts.length - 1;
    parts.forEach((part, index) => {
      const given = isLentMemory(part) ? Buffer.from(part) : part;
      if (index === last) socket.write(given, departure(this));
      else socket.write(given);
    });
    socket.uncork();
  }

  end(): void {
    this.#isEnding = true;
    // Not before what Node's stream does not know of is gone: a socket that is being shut down can no more be reset.
    if (this.#leaving === 0) this.#socket?.end();
  }

  destroy(): void {
    this.#socket?.destroy();
  }

  unref(): void {
    if (this.#socket instanceof Socket) this.#socket.unref();
  }

  reset(): void {
    const socket = this.#socket;
    if (!socket || socket.destroyed) return;
    try {
      if (socket instanceof Socket && !isShuttingDown(socket)) socket.resetAndDestroy();
    } catch {
      // Not a TCP socket: there is no reset.
    }
    socket.destroy();
  }

  data(bytes: Uint8Array): void {
    if (this.#sink?.onBytes(bytes, false)) return;
    this.#isReading = false;
    this.#socket?.pause();
  }

  ended(): void {
    const socket = this.#socket;
    if (socket && !socket.writableEnded && this.hasLostPeer()) {
      this.#error ??= Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET", syscall: "read" });
      socket.destroy();
    } else {
      this.#sink?.onEnd();
    }
  }

  /** True if what was told as an end is a reset, as far as that can be known. */
  protected hasLostPeer(): boolean {
    const socket = this.#socket;
    const addr = this.#remoteAddr;
    const isTcp = typeof addr === "number" || addr?.network === "tcp";
    return isTcp && socket instanceof Socket && hasPeer(socket) === false;
  }

  finished(): void {
    this.#sink?.onFinish();
  }

  broke(error: unknown): void {
    this.#error ??= error;
    // TLS goes on to tell an end where it broke.
    this.#socket?.destroy();
  }

  closed(): void {
    const sink = this.#sink;
    this.#sink = undefined;
    sink?.onClose(this.#error);
  }
}

/** The same for TLS, where it is the socket below that can be reset. */
export class SecuredTransport extends SocketTransport {
  readonly #below: Socket;

  constructor(below: Socket) {
    super();
    this.#below = below;
  }

  override reset(): void {
    const { socket } = this;
    if (socket && !socket.destroyed && !isShuttingDown(socket)) resetOnDestroy(this.#below);
    this.destroy();
  }

  protected override hasLostPeer(): boolean {
    return hasPeer(this.#below) === false;
  }
}

/**
 * Knows whose write it is that a socket tells to be over. A function of each connection's own would last as long as it; these last as
 * long as a write, and as nearly all are over at once, nearly always the same one does.
 */
class Departure {
  transport: SocketTransport | undefined;
  readonly written = (error?: Error | null): void => {
    const { transport } = this;
    this.transport = undefined;
    keepSpare(this);
    transport?.departed(error);
  };
}

let spare: Departure | undefined;

function keepSpare(departure: Departure): void {
  spare = departure;
}

/** What to call, once, when a write of this transport is over. */
function departure(transport: SocketTransport): Departure["written"] {
  const found = spare ?? new Departure();
  spare = undefined;
  found.transport = transport;
  return found.written;
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
