import { pipeAddr } from "./addr.ts";
import type { Conn } from "./conn.ts";
import { StreamConn, type StreamConnOptions } from "./stream-conn.ts";
import type { Transport, TransportSink } from "./transport.ts";

/** Bytes each direction of a pipe holds for a reader that is behind, as a socket buffer does. */
const CAPACITY_BYTES = 64 * 1024;

/** Small writes are put together in pieces of this size, in bytes. */
const PIECE_BYTES = 4096;

/**
 * Two connected ends in memory: what is written to one is read from the other. They keep the whole `Conn` contract, half-close,
 * deadlines and backpressure (64 KiB in each direction) included, so that most tests need no port.
 *
 * @param options `closeTimeoutMs`: how long `close` waits for the other end to take what was written. Default 10 s.
 * @example
 * const [a, b] = pipe();
 * await a.write(Buffer.from("hola"));
 * String(await b.read()); // "hola"
 */
export function pipe(options?: Pick<StreamConnOptions, "closeTimeoutMs">): [Conn, Conn] {
  const a = new PipeEnd();
  const b = new PipeEnd();
  a.connect(b);
  b.connect(a);
  const connOptions = { network: "pipe", closeTimeoutMs: options?.closeTimeoutMs };
  return [new StreamConn(a, connOptions), new StreamConn(b, connOptions)];
}

/** One end. Events reach the receiver in a later turn of the event loop, as from a socket: no write ever calls a reader. */
class PipeEnd implements Transport {
  readonly localAddr = pipeAddr;
  readonly remoteAddr = pipeAddr;
  bufferedBytes = 0;

  /** Itself, until it is connected. */
  #peer: PipeEnd = this;
  #sink: TransportSink | undefined;
  /** Arrived here, owned, not yet delivered. */
  #inbox: Piece[] = [];
  #inboxBytes = 0;
  /** Written here, waiting for room on the other end. */
  #outbox: Uint8Array[] = [];
  /** For each pending write, oldest first, how many of its parts are still in the outbox. */
  #outboxWrites: number[] = [];
  #isReading = false;
  #isScheduled = false;
  #hasEnded = false;
  #hasPeerEnded = false;
  #isEndDelivered = false;
  #isFinished = false;
  #isClosed = false;

  connect(peer: PipeEnd): void {
    this.#peer = peer;
  }

  attach(sink: TransportSink): void {
    this.#sink = sink;
  }

  resume(): void {
    this.#isReading = true;
    this.#schedule();
  }

  pause(): void {
    this.#isReading = false;
  }

  write(bytes: Uint8Array): void {
    this.writev([bytes]);
  }

  writev(parts: readonly Uint8Array[]): void {
    if (this.#isClosed) return;
    if (this.#peer.#isClosed) return this.#close("EPIPE");
    for (const part of parts) {
      this.#outbox.push(part);
      this.bufferedBytes += part.length;
    }
    this.#outboxWrites.push(parts.length);
    this.#move();
  }

  end(): void {
    this.#hasEnded = true;
    this.#move();
  }

  unref(): void {
    // Memory does not keep a process alive.
  }

  destroy(): void {
    this.#close(undefined);
    this.#peer.#hasPeerEnded = true;
    this.#peer.#schedule();
  }

  reset(): void {
    this.#close(undefined);
    this.#peer.#close("ECONNRESET");
  }

  /** Moves what there is room for to the other end. */
  #move(): void {
    const peer = this.#peer;
    if (this.#isClosed) return;
    for (;;) {
      const [first] = this.#outbox;
      if (first === undefined) break;
      if (peer.#isClosed) return this.#close("EPIPE");
      const room = CAPACITY_BYTES - peer.#inboxBytes;
      if (room <= 0) break;
      const moved = first.subarray(0, room);
      peer.#take(moved);
      this.bufferedBytes -= moved.length;
      if (moved.length < first.length) {
        this.#outbox[0] = first.subarray(moved.length);
      } else {
        this.#outbox.shift();
        this.#partMoved();
      }
    }
    if (this.#hasEnded && this.#outbox.length === 0 && !peer.#hasPeerEnded) {
      peer.#hasPeerEnded = true;
      peer.#schedule();
      setImmediate(() => {
        this.#isFinished = true;
        if (!this.#isClosed) this.#sink?.onFinish();
        this.#closeIfOver();
      });
    }
  }

  #partMoved(): void {
    const left = this.#outboxWrites[0];
    if (left === undefined) return;
    if (left > 1) {
      this.#outboxWrites[0] = left - 1;
      return;
    }
    this.#outboxWrites.shift();
    this.#sink?.onWritten();
  }

  #take(bytes: Uint8Array): void {
    const last = this.#inbox.at(-1);
    if (last !== undefined && last.memory.length - last.length >= bytes.length) {
      last.memory.set(bytes, last.length);
      last.length += bytes.length;
    } else {
      const memory = Buffer.allocUnsafe(Math.max(bytes.length, PIECE_BYTES));
      memory.set(bytes);
      this.#inbox.push({ memory, length: bytes.length });
    }
    this.#inboxBytes += bytes.length;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isClosed) return;
    if (!this.#isReading || (this.#inbox.length === 0 && !this.#hasPeerEnded)) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#deliver();
    });
  }

  #deliver(): void {
    while (this.#isReading && !this.#isClosed) {
      const piece = this.#inbox.shift();
      if (piece === undefined) break;
      const bytes = piece.memory.subarray(0, piece.length);
      this.#inboxBytes -= bytes.length;
      if (!this.#sink?.onBytes(bytes, false)) this.#isReading = false;
      this.#peer.#move();
    }
    if (this.#isClosed || this.#isEndDelivered || !this.#isReading) return;
    if (this.#inbox.length > 0 || !this.#hasPeerEnded) return;
    this.#isEndDelivered = true;
    this.#sink?.onEnd();
    this.#closeIfOver();
  }

  #closeIfOver(): void {
    if (this.#isEndDelivered && this.#isFinished) this.#close(undefined);
  }

  /** `code` is what a socket would have met. */
  #close(code: "EPIPE" | "ECONNRESET" | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#inbox = [];
    this.#outbox = [];
    this.bufferedBytes = 0;
    this.#peer.#schedule();
    setImmediate(() => {
      this.#sink?.onClose(code === undefined ? undefined : pipeError(code));
      this.#peer.#move();
    });
  }
}

/** Bytes that are on their way, in memory that may have room for more. */
interface Piece {
  readonly memory: Uint8Array;
  length: number;
}

function pipeError(code: "EPIPE" | "ECONNRESET"): Error {
  return Object.assign(new Error(`pipe ${code}`), { code });
}
