import { type PipeAddr, pipeAddr } from "../contracts/addr.ts";
import type { Conn } from "../contracts/conn.ts";
import { unlent } from "../memory/lent-memory.ts";
import { checkNames, checkTime } from "../options/check-values.ts";
import type { ConnOwner } from "./closing.ts";
import { StreamConn } from "./stream-conn.ts";
import type { Transport, TransportSink, WriteProgress } from "../contracts/transport.ts";

/** Bytes each direction of a pipe holds for a reader that is behind, as a socket buffer does. */
const CAPACITY_BYTES = 64 * 1024;

/** Small writes are put together in pieces of this size, in bytes. */
const PIECE_BYTES = 4096;

/**
 * Two connected ends in memory: what is written to one is read from the other. They keep the whole `Conn`
 * contract, half-close, deadlines and backpressure (64 KiB in each direction) included, so that most tests
 * need no port.
 *
 * @param options `closeTimeoutMs`: how long `close` waits for the other end to take what was written. Default
 *   10 s; `Infinity`: for ever.
 * @throws NetError `invalid_argument`.
 * @example
 * const [a, b] = pipe();
 * await a.write(Buffer.from("hola"));
 * String(await b.read()); // "hola"
 */
export function pipe(
  options: { readonly closeTimeoutMs?: number | undefined } = {},
): [Conn<PipeAddr>, Conn<PipeAddr>] {
  checkNames("set", "a pipe", options, { closeTimeoutMs: 1 });
  const { closeTimeoutMs } = options;
  if (closeTimeoutMs !== undefined) checkTime("set", "closeTimeoutMs", closeTimeoutMs);
  return pipeOwnedBy(undefined, closeTimeoutMs);
}

/** A pipe whose second end has an owner. */
export function pipeOwnedBy(
  owner: ConnOwner<StreamConn> | undefined,
  closeTimeoutMs?: number,
): [StreamConn & Conn<PipeAddr>, StreamConn & Conn<PipeAddr>] {
  const a = new PipeEnd();
  const b = new PipeEnd();
  a.connect(b);
  b.connect(a);
  const options = { network: "pipe", closeTimeoutMs };
  const ends = [new StreamConn(a, options), new StreamConn(b, { ...options, owner })];
  return ends as [StreamConn & Conn<PipeAddr>, StreamConn & Conn<PipeAddr>];
}

/**
 * One end. Events reach the receiver in a later turn of the event loop, as from a socket: no write ever calls
 * a reader.
 */
class PipeEnd implements Transport {
  readonly localAddr = pipeAddr;
  readonly remoteAddr = pipeAddr;
  readonly releasesMemory = true;
  bufferedBytes = 0;

  /** Itself, until it is connected. */
  #peer: PipeEnd = this;
  #sink: TransportSink | undefined;
  /** Arrived here, owned, not yet delivered. */
  #inbox: Piece[] = [];
  #inboxBytes = 0;
  /** What is left of the write under way: it waits for room on the other end. */
  #outbox: Uint8Array[] = [];
  /** Bytes of that write which the other end has. */
  #taken = 0;
  /** Bytes ever moved to the other end. */
  #moved = 0;
  #isReading = false;
  #isScheduled = false;
  #hasEnded = false;
  #hasPeerEnded = false;
  #isEndDelivered = false;
  #isFinished = false;
  /** Why nothing more can be written. */
  #writeError: Error | undefined;
  /** The other end has cut the connection: once what it wrote is read, this end breaks. */
  #isReset = false;
  #isClosed = false;

  connect(peer: PipeEnd): void {
    this.#peer = peer;
  }

  get takenBytes(): number {
    return this.#taken;
  }

  get bytesRead(): number {
    return this.#peer.#moved;
  }

  get bytesWritten(): number {
    return this.#moved;
  }

  progress(): WriteProgress {
    return { complete: this.#moved, left: this.bufferedBytes - this.#taken };
  }

  /** Nothing is in flight: what was taken is in the other end's inbox. */
  unacknowledgedBytes(): Promise<number | undefined> {
    return Promise.resolve(undefined);
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
    this.#outbox = [...parts];
    this.bufferedBytes = parts.reduce((length, part) => length + part.length, 0);
    this.#move();
    // Here lent bytes would begin to wait.
    this.#outbox = this.#outbox.map(unlent);
  }

  end(): void {
    this.#hasEnded = true;
    this.#move();
  }

  unref(): void {
    // Memory does not keep a process alive.
  }

  ref(): void {
    // Nor can it be made to.
  }

  noDelay(): void {
    // Nothing is collected.
  }

  keepAlive(): void {
    // Nothing can be lost between the two ends.
  }

  destroy(): void {
    // An end comes after all that was accepted.
    if (this.#outbox.length > 0) return this.reset();
    this.#close(undefined);
    this.#peer.#hasPeerEnded = true;
    this.#peer.#schedule();
  }

  reset(): void {
    this.#close(undefined);
    const peer = this.#peer;
    if (peer.#isClosed) return;
    // What has arrived there is still to be read, as from a socket.
    peer.#isReset = !peer.#hasPeerEnded;
    peer.#failWrites(peer.#isReset ? "ECONNRESET" : "EPIPE");
    if (peer.#isReset && peer.#inbox.length === 0) peer.#close(peer.#writeError);
  }

  /** The other end takes nothing more. */
  #failWrites(code: "EPIPE" | "ECONNRESET"): void {
    if (this.#writeError !== undefined) return;
    this.#writeError = pipeError(code);
    this.#outbox = [];
    this.#sink?.onWriteFailed(this.#writeError);
    if (this.#isEndDelivered) this.#close(this.#writeError);
  }

  /** Moves what there is room for to the other end. */
  #move(): void {
    const peer = this.#peer;
    if (this.#isClosed) return; // What was written stays counted: it was not taken.
    for (;;) {
      const [first] = this.#outbox;
      if (first === undefined) break;
      if (peer.#isClosed) return this.#failWrites("EPIPE");
      const room = CAPACITY_BYTES - peer.#inboxBytes;
      if (room <= 0) break;
      const moved = first.subarray(0, room);
      peer.#take(moved);
      this.#taken += moved.length;
      this.#moved += moved.length;
      if (moved.length < first.length) {
        this.#outbox[0] = first.subarray(moved.length);
      } else {
        this.#outbox.shift();
        if (this.#outbox.length === 0) this.#written();
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

  #written(): void {
    this.bufferedBytes = 0;
    this.#taken = 0;
    this.#sink?.onWritten();
  }

  #take(bytes: Uint8Array): void {
    const last = this.#inbox.at(-1);
    if (last !== undefined && last.memory.length - last.length >= bytes.length) {
      last.memory.set(bytes, last.length);
      last.length += bytes.length;
    } else {
      const memory = Buffer.allocUnsafeSlow(Math.max(bytes.length, PIECE_BYTES));
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
    if (this.#isClosed || this.#inbox.length > 0) return;
    if (this.#isReset) return this.#close(this.#writeError);
    if (this.#isEndDelivered || !this.#isReading || !this.#hasPeerEnded) return;
    this.#isEndDelivered = true;
    this.#sink?.onEnd();
    if (this.#writeError !== undefined) this.#close(this.#writeError);
    else this.#closeIfOver();
  }

  #closeIfOver(): void {
    if (this.#isEndDelivered && this.#isFinished) this.#close(undefined);
  }

  /** `error` is what a socket would have met. */
  #close(error: Error | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#inbox = [];
    this.#outbox = [];
    this.#peer.#schedule();
    setImmediate(() => {
      this.#sink?.onClose(error);
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
