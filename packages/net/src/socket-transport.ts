import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type Addr, unixAddr } from "./addr.ts";
import { type BufferReader, copyForWrite, hasPeer, isLentMemory, keepCopy, readerOf } from "./read-buffer.ts";
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

/** A transport over a socket of Node: TCP, Unix or TLS. */
export class SocketTransport implements Transport, BufferReader {
  prefersLent = false;
  #socket: OwnedSocket | undefined;
  #localAddr: Addr | undefined;
  #remoteAddr: Addr | undefined;
  /** What to reset, if it is not the socket itself: the TCP socket below TLS. */
  #resettable: Socket | undefined;
  #sink: TransportSink | undefined;
  #usesEvents = true;
  #isListening = false;
  #isReading = false;
  #isClosed = false;
  #error: unknown;
  /** Handed to the system past the stream of Node and not yet taken, in bytes: one write at most. */
  #leaving = 0;
  #isEnding = false;
  readonly #onWritten = (error?: Error | null): void => {
    if (error) {
      // What was not taken stays counted, so that its writer waits to be told how the connection ended.
      this.#socket?.destroy(error);
      return;
    }
    this.#leaving = 0; // Whatever was written after it is told after it.
    if (this.#isEnding) this.#socket?.end();
    this.#sink?.onWritten();
  };

  /** Where a socket made with `onreadOption` or `readIntoBuffer` delivers what it reads. */
  onRead(bytes: Uint8Array, isLent: boolean): boolean {
    if (this.#sink?.onBytes(bytes, isLent)) return true;
    this.#isReading = false;
    return false;
  }

  /** Takes a connected socket over. `readsIntoBuffer` if it delivers to `onRead`; `resettable` is the TCP socket below TLS. */
  use(
    { socket, localAddr, remoteAddr }: Omit<RawConnection, "socket"> & { socket: Duplex },
    readsIntoBuffer: boolean,
    resettable?: Socket,
  ): void {
    const owned: OwnedSocket = socket;
    this.#localAddr = localAddr;
    this.#remoteAddr = remoteAddr;
    this.#resettable = resettable;
    owned[readerOf] = this;
    this.#socket = owned;
    this.#usesEvents = !readsIntoBuffer;
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
    return this.#remoteAddr ?? unused;
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
    if (this.#usesEvents && !this.#isListening) {
      this.#isListening = true;
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
    if (this.#usesEvents || socket.writableLength > 0 || this.#leaving > 0) {
      socket.write(given, this.#onWritten);
    } else {
      // Past the queue of Node's stream, which is empty: what the system mostly takes at once need not be booked in and out of it, nor
      // wait for the next tick. That is a tenth of a small echo's cost (see `npm run bench -- tcp`).
      this.#leaving = given.length;
      // oxlint-disable-next-line no-underscore-dangle -- the name that Node gives what implements a stream
      socket._write(given, "buffer" as BufferEncoding, this.#onWritten);
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
      if (index === last) socket.write(given, this.#onWritten);
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
    const below = this.#resettable;
    if (below) {
      // What `resetAndDestroy` sets. To call that on the socket below would free it under TLS, and crash the process.
      Reflect.set(below, "resetAndClosing", true);
      socket.destroy();
      return;
    }
    try {
      if (socket instanceof Socket) socket.resetAndDestroy();
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
    const isTcp = this.#remoteAddr?.network === "tcp";
    if (isTcp && socket instanceof Socket && !socket.writableEnded && hasPeer(socket) === false) {
      this.#error ??= Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET", syscall: "read" });
      socket.destroy();
    } else {
      this.#sink?.onEnd();
    }
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
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#sink?.onClose(this.#error);
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
