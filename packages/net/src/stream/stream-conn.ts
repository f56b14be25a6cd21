import type { Addr } from "../contracts/addr.ts";
import type { Conn, ConnHandler, Deadline, WaitOptions, TlsState } from "../contracts/conn.ts";
import { MAX_DELAY_MS } from "../flow/deadline.ts";
import { NetError } from "../contracts/error.ts";
import {
  argumentError,
  asError,
  canceledError,
  closedError,
  type FailureSite,
  type Sited,
  timeoutError,
} from "../contracts/failures.ts";
import { checkDuration, checkKind } from "../options/check-values.ts";
import { DEFAULT_KEEP_ALIVE_IDLE_MS } from "../options/socket-options.ts";
import { lend } from "../memory/lent-memory.ts";
import { netErrorFrom } from "../contracts/node-error.ts";
import { type DataReceiver, ReadHalf } from "./read-half.ts";
import type { Transport, TransportSink } from "../contracts/transport.ts";
import { rejection, told } from "../flow/told.ts";
import { untilCanceled } from "../flow/abort-listeners.ts";
import { WriteWatch } from "../flow/write-watch.ts";
import { BURST, DONE, nextTurn, STEP_BYTES, WriteHalf } from "./write-half.ts";

/** How long `close` waits for the peer to take what was written, unless told otherwise, in milliseconds. */
export const DEFAULT_CLOSE_TIMEOUT_MS = 10_000;

/**
 * How long a closed connection goes on throwing away what the peer sends, in milliseconds. To cut it at once would, if anything
 * still arrived, reset the connection and destroy what the peer has not yet read of our last bytes.
 */
const LINGER_MS = 1000;

/** Who keeps count of connections: a listener. */
export interface StreamConnOwner {
  /** The connection is closed in order; what its peer still sends is thrown away. */
  leaving(conn: StreamConn): void;
  /** The connection is over. */
  ended(conn: StreamConn): void;
}

/** What a `StreamConn` may be told. */
export interface StreamConnOptions {
  /** The network as the user named it. */
  readonly network: string;
  readonly owner?: StreamConnOwner | undefined;
  /** How long `close` waits for the peer to take what was written, in milliseconds. Default 10 s. */
  readonly closeTimeoutMs?: number | undefined;
  /** What the TLS handshake has agreed on. */
  readonly tls?: (() => TlsState) | undefined;
  /** Its peer is watched until the first byte. */
  readonly isWatched?: boolean | undefined;
}

/** What takes the place of a connection. Its counts go on from those of the one before. */
export type Successor = Pick<Conn, "close" | "abort" | "bytesRead" | "bytesWritten">;

/** How a connection ends. Until it does it has none of this. */
interface Parting {
  closing: Promise<void> | undefined;
  isAborted: boolean;
  isFlushed: boolean;
  onGone: (() => void) | undefined;
  /** Makes the error of what happened to the transport, if it broke. */
  broken: ((site: FailureSite) => NetError) | undefined;
  /** What has taken its place. */
  successor: Successor | undefined;
  /** Makes the error that says why it broke, or was aborted. Lazy: its stack trace costs as much as the rest of an ordinary close. */
  failure: (() => Error) | undefined;
}

/**
 * The one implementation of `Conn`: promises, order, deadlines and closing, over any `Transport`. While idle it keeps little; guarded by
 * `npm run bench -- idle-memory`.
 */
export class StreamConn implements Conn, TransportSink, DataReceiver, Sited {
  /** Its place in its listener. */
  seat = -1;
  readonly #transport: Transport;
  readonly #options: StreamConnOptions;
  /** Made for the first read, and for whatever else it is needed. A handler gets its bytes without. */
  #reads: ReadHalf | undefined;
  /** Made for the first write that does not leave at once, and for whatever else it is needed. */
  #writes: WriteHalf | undefined;
  /** As long as there are no `#writes`: those that left at once since one waited for the event loop. */
  #burst = 0;
  #handler: ConnHandler | undefined;
  /** Work of the handler's latest `data` call. */
  #busy: Promise<void> | undefined;
  #hasPeerEnded = false;
  #isGone = false;
  #parting: Parting | undefined;

  constructor(transport: Transport, options: StreamConnOptions) {
    this.#transport = transport;
    this.#options = options;
    transport.attach(this);
  }

  get localAddr(): Addr {
    return this.#transport.localAddr;
  }

  get remoteAddr(): Addr {
    return this.#transport.remoteAddr;
  }

  get tls(): TlsState | undefined {
    return this.#options.tls?.();
  }

  /** The network as the user named it. */
  get network(): string {
    return this.#options.network;
  }

  /** What carries the bytes. */
  get transport(): Transport {
    return this.#transport;
  }

  get bytesRead(): number {
    return (this.#parting?.successor ?? this.#transport).bytesRead;
  }

  get bytesWritten(): number {
    return (this.#parting?.successor ?? this.#transport).bytesWritten;
  }

  unref(): void {
    this.#transport.unref();
  }

  ref(): void {
    this.#transport.ref();
  }

  setNoDelay(isOn: boolean): void {
    checkKind("set", "noDelay", isOn ?? null, "boolean");
    this.#transport.noDelay(isOn);
  }

  setKeepAlive(isOn: boolean, idleMs: number = DEFAULT_KEEP_ALIVE_IDLE_MS): void {
    checkKind("set", "keepAlive", isOn ?? null, "boolean");
    checkDuration("idleMs", idleMs, 1000, "set");
    this.#transport.keepAlive(isOn ? idleMs : undefined);
  }

  read(options?: WaitOptions): Promise<Uint8Array | null> {
    return this.#reading.read(options, asIs);
  }

  readFull(length: number, options?: WaitOptions): Promise<Uint8Array | null> {
    return this.#reading.readFull(length, options);
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return this.#reading;
  }

  serve(handler: ConnHandler): void {
    if (this.#handler) throw argumentError("read", "the connection is already being served");
    if (this.#parting?.successor) throw closedError(this.failureSite("read"));
    this.#transport.prefersLent = true;
    this.#handler = handler;
    try {
      if (this.#reads === undefined) this.#transport.resume();
      else this.#reads.serve(this);
    } catch (error) {
      this.#handler = undefined;
      throw error;
    }
    const hasEnded = this.#hasPeerEnded;
    const isGone = this.#isGone;
    if (!hasEnded && !isGone) return;
    queueMicrotask(() => {
      if (hasEnded) this.#tellEnd();
      if (isGone) void this.#handleClose();
    });
  }

  write(bytes: Uint8Array, options?: WaitOptions): Promise<void> {
    if (this.#writes === undefined && options === undefined && bytes instanceof Uint8Array) {
      const { length } = bytes;
      const transport = this.#transport;
      if (length > 0 && length <= STEP_BYTES && transport.bufferedBytes === 0) {
        transport.write(bytes);
        // It may have failed meanwhile.
        const isTaken = transport.bufferedBytes === 0 && this.#writes === undefined;
        return isTaken ? this.#afterBurst() : this.#writing.waitUntilTaken(length, undefined);
      }
    }
    return this.#writing.write(bytes, options);
  }

  writev(parts: readonly Uint8Array[], options?: WaitOptions): Promise<void> {
    return this.#writing.writev(parts, options);
  }

  closeWrite(options?: WaitOptions): Promise<void> {
    return this.#writing.closeWrite(options);
  }

  closeRead(): void {
    if (this.#parting?.closing === undefined) this.#reading.discard(null);
  }

  close({ signal }: WaitOptions = {}): Promise<void> {
    const parting = this.#part();
    if (parting.successor) return parting.successor.close(signal && { signal });
    parting.closing ??= told(this.#closeInOrder(parting));
    return told(untilCanceled(parting.closing, signal, (by) => canceledError(this.failureSite("close"), by)));
  }

  abort(): void {
    const parting = this.#part();
    if (parting.successor) return parting.successor.abort();
    if (parting.isFlushed) return; // Closed: a reset now could destroy what the peer has not yet read.
    parting.isAborted = true;
    this.#reading.discard(closedError);
    this.#writing.fail(closedError);
    parting.closing ??= this.#writing.hasLost
      ? rejection(closedError(this.failureSite("close")))
      : Promise.resolve();
    this.#transport.reset();
  }

  setDeadline(at: Deadline): void {
    this.setReadDeadline(at);
    this.setWriteDeadline(at);
  }

  setReadDeadline(at: Deadline): void {
    if (!this.#isGone) this.#reading.setDeadline(at);
  }

  setWriteDeadline(at: Deadline): void {
    if (!this.#isGone) this.#writing.setDeadline(at);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return told(this.#dispose());
  }

  async #dispose(): Promise<void> {
    // If the connection broke, or was aborted, whoever leaves the block already knows.
    const { broken, isAborted, successor } = this.#part();
    const isKnown = broken !== undefined || isAborted || successor !== undefined;
    try {
      await this.close();
    } catch (error) {
      if (!isKnown) throw error;
    }
  }

  /**
   * Stops reading, so that another connection can be made of what carries this one (STARTTLS).
   *
   * @throws NetError `closed`; `end_of_stream` if the peer has ended; `invalid_argument` if it is being read,
   * served or written, or bytes are unread.
   */
  holdStill(op: FailureSite["op"]): void {
    if (this.#isGone || this.#parting !== undefined) throw closedError(this.failureSite(op));
    const busy =
      this.#handler === undefined ? (this.#reads?.busyWith ?? this.#writes?.busyWith) : "it is being served";
    const isWriting = this.#transport.bufferedBytes > 0;
    const why = busy ?? (isWriting ? "something is still being written" : undefined);
    const site = this.failureSite(op);
    if (why !== undefined) throw new NetError({ ...site, code: "invalid_argument", reason: why });
    if (this.#writes?.hasEnded) throw closedError(site);
    const reason = "the peer has ended its side";
    if (this.#hasPeerEnded) throw new NetError({ ...site, code: "end_of_stream", reason });
    this.#transport.pause();
  }

  /**
   * Is out of use from now on: `close`, `abort` and the counts are those of `successor`, all else is `closed`.
   *
   * @returns options for the successor, who keeps this one's place in its listener.
   */
  handOver(successor: Successor): StreamConnOptions {
    const { owner, closeTimeoutMs, network } = this.#options;
    this.#part().successor = successor;
    this.#isGone = true;
    this.#reading.discard(closedError);
    this.#writing.fail(closedError);
    const place = owner && { leaving: () => owner.leaving(this), ended: () => owner.ended(this) };
    return { network, closeTimeoutMs, owner: place };
  }

  /** Nobody has used it, and nothing was told to it: another may still receive what its transport tells. */
  get isUnused(): boolean {
    const isUsed = this.#reads ?? this.#writes ?? this.#handler ?? this.#parting;
    return isUsed === undefined && this.#options.isWatched !== true;
  }

  /** Called once, by who has received in its place what its transport told, after `onClose`. */
  over(): void {
    this.#options.owner?.ended(this);
  }

  onBytes(bytes: Uint8Array, isLent: boolean): boolean {
    if (this.#reads !== undefined || this.#handler === undefined) return this.#reading.accept(bytes, isLent);
    const busy = this.onData(bytes);
    if (busy === undefined) return true;
    void this.#resumeAfter(busy);
    return false;
  }

  onEnd(): void {
    this.#hasPeerEnded = true;
    this.#reading.end(null);
    this.#tellEnd();
  }

  onWritten(): void {
    this.#writes?.onWritten();
  }

  onWriteFailed(error: unknown): void {
    const parting = this.#part();
    parting.broken ??= failureFrom(error);
    parting.failure ??= () => failureFrom(error)(this.failureSite("write"));
    this.#writing.fail(parting.broken);
  }

  onFinish(): void {
    this.#writing.onFinish();
  }

  onClose(error: unknown): void {
    if (this.#isGone) return;
    this.#isGone = true;
    const failure = failureFrom(error);
    const parting = this.#part();
    if (error !== undefined) parting.broken ??= failure;
    if (error !== undefined && parting.closing === undefined) {
      parting.failure ??= () => failure(this.failureSite("read"));
    }
    this.#reading.end(failure);
    this.#reading.release();
    this.#writing.fail(failure);
    // A foreign stream may go without a word.
    if (parting.closing === undefined && this.#writing.hasLost) {
      parting.failure ??= () => failure(this.failureSite("write"));
    }
    parting.onGone?.();
    this.#options.owner?.ended(this);
    if (this.#handler) void this.#handleClose();
  }

  async #closeInOrder(parting: Parting): Promise<void> {
    this.#reading.discard(closedError);
    const writes = this.#writing;
    const site = this.failureSite("close");
    writes.close();
    if (writes.hasLost) this.#failToClose(parting, parting.broken?.(site) ?? closedError(site));
    if (this.#isGone) return;
    const isInTime = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), Math.min(this.#closeTimeoutMs, MAX_DELAY_MS));
      parting.onGone = () => {
        clearTimeout(timer);
        resolve(true);
      };
      writes.end(parting.onGone);
    });
    parting.onGone = undefined;
    if (!isInTime) this.#failToClose(parting, timeoutError(site));
    if (writes.hasLost) this.#failToClose(parting, parting.broken?.(site) ?? closedError(site));
    if (this.#isGone) return;
    if (parting.broken !== undefined) return this.#transport.destroy();
    parting.isFlushed = true;
    if (this.#hasPeerEnded) return this.#transport.destroy();
    // A client's process may exit now. A server's stays alive for this second, or its last bytes could be lost.
    const { owner } = this.#options;
    if (owner) owner.leaving(this);
    else this.#transport.unref();
    const timer = setTimeout(() => this.#transport.destroy(), LINGER_MS).unref();
    parting.onGone = () => clearTimeout(timer);
  }

  /** Cuts the connection; the handler's `close` is told, too, as nobody may wait for the call. */
  #failToClose(parting: Parting, error: NetError): never {
    parting.failure ??= () => error;
    this.#transport.reset();
    throw error;
  }

  get #closeTimeoutMs(): number {
    return this.#options.closeTimeoutMs ?? DEFAULT_CLOSE_TIMEOUT_MS;
  }

  onData(bytes: Uint8Array): void | Promise<void> {
    try {
      const handler = this.#handler;
      const busy = handler && lend(bytes, handler);
      if (busy === undefined || busy === DONE) return undefined;
      this.#busy = this.#settle(busy);
      return this.#busy;
    } catch (error) {
      this.#abortWith(error);
      return undefined;
    }
  }

  onDataTimeout(error: NetError): void {
    this.#abortWith(error);
  }

  async #settle(busy: Promise<void>): Promise<void> {
    try {
      await busy;
    } catch (error) {
      this.#abortWith(error);
    }
    this.#busy = undefined;
  }

  async #abortIfRejected(busy: Promise<void>): Promise<void> {
    try {
      await busy;
    } catch (error) {
      this.#abortWith(error);
    }
  }

  /** A stream of Node's may tell its end while the handler is busy with what came before. */
  #tellEnd(): void {
    if (this.#busy === undefined) this.#handleEnd();
    else void this.#busy.then(() => this.#handleEnd());
  }

  #handleEnd(): void {
    const handler = this.#handler;
    if (!handler) return;
    try {
      if (handler.end === undefined) return void this.#closeAfterEnd();
      const busy = handler.end();
      if (busy !== undefined) void this.#abortIfRejected(busy);
    } catch (error) {
      this.#abortWith(error);
    }
  }

  /**
   * The peer has ended, and the handler has nothing to say to that: all that was written is sent, as slowly as the peer takes it; then this side
   * closes, too. A peer that takes nothing for as long as `close` may take is cut off.
   */
  async #closeAfterEnd(): Promise<void> {
    if (this.#parting?.closing !== undefined) return;
    const transport = this.#transport;
    let watch: WriteWatch | undefined;
    try {
      if (transport.bufferedBytes > 0 || this.#writes?.isWaiting) {
        // Between two steps nothing is buffered, nor while the end itself (of TLS, or of a foreign stream) has not left.
        watch = new WriteWatch(
          {
            get unsentBytes() {
              return Math.max(1, transport.bufferedBytes);
            },
            writeProgress: () => transport.progress(),
            unacknowledgedBytes: () => transport.unacknowledgedBytes(),
            writeTimedOut: () => this.#abortWith(timeoutError(this.failureSite("close"))),
          },
          this.#closeTimeoutMs,
        );
        watch.start();
        await this.closeWrite();
        watch.stop();
      }
      await this.close();
    } catch (error) {
      watch?.stop();
      // The handler's `close` tells it, also where it was `close` that failed.
      if (this.#parting?.closing === undefined) this.#abortWith(error);
    }
  }

  async #handleClose(): Promise<void> {
    const handler = this.#handler;
    await this.#busy;
    const failure = this.#parting?.failure;
    // `?.` also spares the error, and its stack, where there is no `close`.
    if (failure) handler?.close?.(failure());
    else handler?.close?.();
  }

  #abortWith(error: unknown): void {
    this.#part().failure ??= () => asError(error);
    this.abort();
  }

  async #resumeAfter(busy: Promise<void>): Promise<void> {
    await busy;
    if (!this.#hasPeerEnded) this.#transport.resume();
  }

  get #reading(): ReadHalf {
    return (this.#reads ??= new ReadHalf(this.#transport, this, this.#handler && this));
  }

  get #writing(): WriteHalf {
    return (this.#writes ??= new WriteHalf(this.#transport, this));
  }

  /** For a write that has left at once. */
  #afterBurst(): Promise<void> {
    this.#burst++;
    if (this.#burst < BURST) return DONE;
    this.#burst = 0;
    return nextTurn();
  }

  #part(): Parting {
    return (this.#parting ??= {
      closing: undefined,
      isAborted: false,
      isFlushed: false,
      broken: undefined,
      onGone: undefined,
      failure: undefined,
      successor: undefined,
    });
  }

  /** Names this connection in an error. */
  failureSite(op: FailureSite["op"]): FailureSite {
    const { localAddr, remoteAddr } = this.#transport;
    return { op, network: this.#options.network, localAddr, remoteAddr };
  }
}

function asIs(bytes: Uint8Array | null): Uint8Array | null {
  return bytes;
}

/** What makes the errors of a transport that broke with `error`, or was closed by this side. */
function failureFrom(error: unknown): (site: FailureSite) => NetError {
  return (site) => (error === undefined ? closedError(site) : netErrorFrom(error, site));
}
