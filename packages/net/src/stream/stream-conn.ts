import type { Addr } from "../contracts/addr.ts";
import type { Conn, ConnHandler, Deadline, WaitOptions, TlsState } from "../contracts/conn.ts";
import { NetError } from "../contracts/error.ts";
import {
  argumentError,
  asError,
  canceledError,
  closedError,
  type FailureSite,
} from "../contracts/failures.ts";
import { checkKind, checkSystemTime } from "../options/check-values.ts";
import { DEFAULT_KEEP_ALIVE_IDLE_MS } from "../options/socket-options.ts";
import { lend } from "../memory/lent-memory.ts";
import { Closing, closeAfterEnd, type ClosingConn, type ConnOwner, type Successor } from "./closing.ts";
import { type DataReceiver, ReadHalf } from "./read-half.ts";
import type { Transport, TransportSink } from "../contracts/transport.ts";
import { told } from "../flow/told.ts";
import { connClose, traceClosed } from "../flow/trace.ts";
import { untilCanceled } from "../flow/abort-listeners.ts";
import { asItIs } from "../flow/waiters.ts";
import { BURST, DONE, nextTurn, STEP_BYTES, WriteHalf } from "./write-half.ts";

/** What a `StreamConn` may be told. */
export interface StreamConnOptions {
  /** The network as the user named it. */
  readonly network: string;
  readonly owner?: ConnOwner<StreamConn> | undefined;
  /**
   * How long `close` waits for the peer to take what was written, in milliseconds. Default 10 s; `Infinity`:
   * for ever.
   */
  readonly closeTimeoutMs?: number | undefined;
  /** What the TLS handshake has agreed on. */
  readonly tls?: (() => TlsState) | undefined;
  /** Its peer is watched until the first byte. */
  readonly isWatched?: boolean | undefined;
}

/**
 * The one implementation of `Conn`: promises, order, deadlines and closing, over any `Transport`. While idle
 * it keeps little; guarded by `npm run bench -- idle-memory`.
 */
export class StreamConn implements Conn, TransportSink, DataReceiver, ClosingConn {
  /** Its place in its listener. */
  slot = -1;
  hasPeerEnded = false;
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
  #closing: Closing | undefined;

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
    return (this.#closing?.successor ?? this.#transport).bytesRead;
  }

  get bytesWritten(): number {
    return (this.#closing?.successor ?? this.#transport).bytesWritten;
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
    checkSystemTime("set", "idleMs", idleMs, 1000);
    this.#transport.keepAlive(isOn ? idleMs : undefined);
  }

  read(options?: WaitOptions): Promise<Uint8Array | null> {
    return this.#reading().read(options, asItIs);
  }

  readFull(length: number, options?: WaitOptions): Promise<Uint8Array | null> {
    return this.#reading().readFull(length, options);
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return this.#reading();
  }

  serve(handler: ConnHandler): void {
    if (this.#handler) throw argumentError("read", "the connection is already being served");
    if (typeof handler.data !== "function") throw argumentError("read", 'the handler has no function "data"');
    if (this.#closing?.successor) throw closedError(this.failureSite("read"));
    this.#transport.prefersLent = true;
    this.#handler = handler;
    try {
      if (this.#reads === undefined) this.#transport.resume();
      else this.#reads.serve(this);
    } catch (error) {
      this.#handler = undefined;
      throw error;
    }
    const hasEnded = this.hasPeerEnded;
    const isGone = this.#isGone();
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
        return isTaken ? this.#afterBurst() : this.#writing().waitUntilTaken(length, undefined);
      }
    }
    return this.#writing().write(bytes, options);
  }

  writev(parts: readonly Uint8Array[], options?: WaitOptions): Promise<void> {
    return this.#writing().writev(parts, options);
  }

  closeWrite(options?: WaitOptions): Promise<void> {
    return this.#writing().closeWrite(options);
  }

  closeRead(): void {
    if (!this.isClosing) this.#reading().discard(null);
  }

  close({ signal }: WaitOptions = {}): Promise<void> {
    const closing = this.#ending();
    if (closing.successor) return closing.successor.close(signal && { signal });
    if (!this.isClosing) this.#reading().discard(closedError);
    const closed = closing.close(this.#writing());
    return told(untilCanceled(closed, signal, (by) => canceledError(this.failureSite("close"), by)));
  }

  abort(): void {
    this.#ending().abort(this.#reading(), this.#writing());
  }

  setDeadline(at: Deadline): void {
    this.setReadDeadline(at);
    this.setWriteDeadline(at);
  }

  setReadDeadline(at: Deadline): void {
    if (!this.#isGone()) this.#reading().setDeadline(at);
  }

  setWriteDeadline(at: Deadline): void {
    if (!this.#isGone()) this.#writing().setDeadline(at);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return told(this.#ending().dispose());
  }

  /**
   * Stops reading, so that another connection can be made of what carries this one (STARTTLS).
   *
   * @throws NetError `closed`; `end_of_stream` if the peer has ended; `invalid_argument` if it is being read,
   * served or written, or bytes are unread.
   */
  holdStill(op: FailureSite["op"]): void {
    if (this.#closing !== undefined) throw closedError(this.failureSite(op));
    const isServed = this.#handler !== undefined;
    const why = isServed ? "it is being served" : (this.#reads?.busyWith ?? this.#writing().busyWith);
    const site = this.failureSite(op);
    if (why !== undefined) throw new NetError({ ...site, code: "invalid_argument", reason: why });
    if (this.#writing().hasEnded) throw closedError(site);
    const reason = "the peer has ended its side";
    if (this.hasPeerEnded) throw new NetError({ ...site, code: "end_of_stream", reason });
    this.#transport.pause();
  }

  /**
   * Is out of use from now on: `close`, `abort` and the counts are those of `successor`, all else is
   * `closed`.
   *
   * @returns options for the successor, who keeps this one's place in its listener.
   */
  handOver(successor: Successor): StreamConnOptions {
    const { owner, closeTimeoutMs, network } = this.#options;
    const closing = this.#ending();
    closing.successor = successor;
    closing.isGone = true;
    this.#reading().discard(closedError);
    this.#writing().fail(closedError);
    const place = owner && { leaving: () => owner.leaving(this), ended: () => owner.ended(this) };
    return { network, closeTimeoutMs, owner: place };
  }

  /** Nobody has used it, and nothing was told to it: another may still receive what its transport tells. */
  static isUnused(conn: Conn): conn is StreamConn {
    if (!(#reads in conn)) return false; // A proxy of one, too: past it, what it does would be left out.
    const isUsed = conn.#reads ?? conn.#writes ?? conn.#handler ?? conn.#closing;
    return isUsed === undefined && conn.#options.isWatched !== true;
  }

  /** Called once, by who has received in its place what its transport told, after `onClose`. */
  over(): void {
    this.#options.owner?.ended(this);
  }

  onBytes(bytes: Uint8Array, isLent: boolean): boolean {
    if (this.#reads !== undefined || this.#handler === undefined)
      return this.#reading().accept(bytes, isLent);
    const busy = this.onData(bytes);
    if (busy === undefined) return true;
    void this.#resumeAfter(busy);
    return false;
  }

  onEnd(): void {
    this.hasPeerEnded = true;
    this.#reading().end(null);
    this.#tellEnd();
  }

  onWritten(): void {
    this.#writes?.onWritten();
  }

  onWriteFailed(error: unknown): void {
    const writes = this.#writing();
    writes.fail(this.#ending().writeFailed(error, writes));
  }

  onFinish(): void {
    this.#writing().onFinish();
  }

  onClose(error: unknown): void {
    if (this.#isGone()) return;
    const closing = this.#ending();
    const failure = closing.gone(error);
    this.#reading().end(failure);
    this.#reading().release();
    this.#writing().fail(failure);
    closing.over(this.#writing(), failure);
    this.#options.owner?.ended(this);
    if (connClose.hasSubscribers) traceClosed(this, closing.why?.());
    if (this.#handler) void this.#handleClose();
  }

  #isGone(): boolean {
    return this.#closing?.isGone === true;
  }

  get isClosing(): boolean {
    return this.#closing?.closed !== undefined;
  }

  get closeTimeoutMs(): number | undefined {
    return this.#options.closeTimeoutMs;
  }

  leave(): boolean {
    const { owner } = this.#options;
    owner?.leaving(this);
    return owner !== undefined;
  }

  onData(bytes: Uint8Array): void | Promise<void> {
    try {
      const handler = this.#handler;
      const busy = handler && lend(bytes, handler);
      if (busy === undefined || busy === DONE) return undefined;
      this.#busy = this.#settle(busy);
      return this.#busy;
    } catch (error) {
      this.abortWith(error);
      return undefined;
    }
  }

  onDataTimeout(error: NetError): void {
    this.abortWith(error);
  }

  async #settle(busy: Promise<void>): Promise<void> {
    try {
      await busy;
    } catch (error) {
      this.abortWith(error);
    }
    this.#busy = undefined;
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
      if (handler.end === undefined) {
        if (!this.isClosing) void closeAfterEnd(this, this.#writes?.isWaiting === true);
        return;
      }
      const busy = handler.end();
      if (busy !== undefined) Promise.resolve(busy).catch((error: unknown) => this.abortWith(error));
    } catch (error) {
      this.abortWith(error);
    }
  }

  async #handleClose(): Promise<void> {
    const handler = this.#handler;
    await this.#busy;
    // `?.` also spares the error, and its stack, where there is no `close`.
    handler?.close?.(this.#closing?.why?.());
  }

  abortWith(error: unknown): void {
    this.#ending().why ??= () => asError(error);
    this.abort();
  }

  async #resumeAfter(busy: Promise<void>): Promise<void> {
    await busy;
    if (!this.hasPeerEnded) this.#transport.resume();
  }

  #reading(): ReadHalf {
    return (this.#reads ??= new ReadHalf(this.#transport, this, this.#handler && this));
  }

  #writing(): WriteHalf {
    return (this.#writes ??= new WriteHalf(this.#transport, this));
  }

  /** For a write that has left at once. */
  #afterBurst(): Promise<void> {
    this.#burst++;
    if (this.#burst < BURST) return DONE;
    this.#burst = 0;
    return nextTurn();
  }

  /** From now on it has an end. */
  #ending(): Closing {
    return (this.#closing ??= new Closing(this));
  }

  /** Names this connection in an error. */
  failureSite(op: FailureSite["op"]): FailureSite {
    const { localAddr, remoteAddr } = this.#transport;
    return { op, network: this.#options.network, localAddr, remoteAddr };
  }
}
