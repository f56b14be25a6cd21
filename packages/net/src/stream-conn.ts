import type { Addr } from "./addr.ts";
import type { Conn, ConnHandler, Deadline, WaitOptions } from "./conn.ts";
import { NetError } from "./error.ts";
import { argumentError, closedError, type FailureSite, type Sited, timeoutError } from "./failures.ts";
import { netErrorFrom } from "./node-error.ts";
import { type DataReceiver, ReadHalf } from "./read-half.ts";
import type { Transport, TransportSink } from "./transport.ts";
import type { TlsState } from "./tls-options.ts";
import { DONE, WriteHalf } from "./write-half.ts";

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
}

/** The one implementation of `Conn`: promises, order, deadlines and closing, over any `Transport`. */
export class StreamConn implements Conn, TransportSink, DataReceiver, Sited {
  readonly #transport: Transport;
  readonly #options: StreamConnOptions;
  readonly #reads: ReadHalf;
  readonly #writes: WriteHalf;
  #handler: ConnHandler | undefined;
  /** Work of the handler's latest `data` call. */
  #busy: Promise<void> | undefined;
  #hasPeerEnded = false;
  #closing: Promise<void> | undefined;
  #isFlushed = false;
  #onGone: (() => void) | undefined;
  #isGone = false;
  /** Why the connection broke or was aborted by this side. */
  #failure: Error | undefined;

  constructor(transport: Transport, options: StreamConnOptions) {
    this.#transport = transport;
    this.#options = options;
    this.#reads = new ReadHalf(transport, this);
    this.#writes = new WriteHalf(transport, this);
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

  read(options?: WaitOptions): Promise<Uint8Array | null> {
    return this.#reads.read(options, asIs);
  }

  readFull(length: number, options?: WaitOptions): Promise<Uint8Array | null> {
    return this.#reads.readFull(length, options);
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return this.#reads;
  }

  serve(handler: ConnHandler): void {
    if (this.#handler) throw argumentError("read", "the connection is already being served");
    this.#transport.prefersLent = true;
    this.#handler = handler;
    try {
      this.#reads.serve(this);
    } catch (error) {
      this.#handler = undefined;
      throw error;
    }
    queueMicrotask(() => {
      if (this.#hasPeerEnded) this.#handleEnd();
      if (this.#isGone) void this.#handleClose();
    });
  }

  write(bytes: Uint8Array, options?: WaitOptions): Promise<void> {
    return this.#writes.write(bytes, options);
  }

  writev(parts: readonly Uint8Array[], options?: WaitOptions): Promise<void> {
    return this.#writes.writev(parts, options);
  }

  closeWrite(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#writes.end((error) => {
        if (error) reject(error);
        else resolve();
      });
    });
  }

  closeRead(): void {
    if (this.#closing === undefined) this.#reads.discard(null);
  }

  close(): Promise<void> {
    this.#closing ??= this.#closeInOrder();
    return this.#closing;
  }

  abort(): void {
    if (this.#isFlushed) return; // Closed: a reset now could destroy what the peer has not yet read.
    this.#closing ??= Promise.resolve();
    const closed = closedError(this.failureSite("read"));
    this.#reads.discard(closed);
    this.#writes.fail(closedError);
    this.#transport.reset();
  }

  setDeadline(at: Deadline): void {
    this.setReadDeadline(at);
    this.setWriteDeadline(at);
  }

  setReadDeadline(at: Deadline): void {
    if (!this.#isGone) this.#reads.setDeadline(at);
  }

  setWriteDeadline(at: Deadline): void {
    if (!this.#isGone) this.#writes.setDeadline(at);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  onBytes(bytes: Uint8Array, isLent: boolean): boolean {
    return this.#reads.accept(bytes, isLent);
  }

  onEnd(): void {
    this.#hasPeerEnded = true;
    this.#reads.end(null);
    this.#handleEnd();
  }

  onWritten(): void {
    this.#writes.onWritten();
  }

  onFinish(): void {
    this.#writes.onFinish();
  }

  onClose(error: unknown): void {
    if (this.#isGone) return;
    this.#isGone = true;
    const failure = (site: FailureSite): NetError =>
      error === undefined ? closedError(site) : netErrorFrom(error, site);
    const broken = failure(this.failureSite("read"));
    if (error !== undefined && this.#closing === undefined) this.#failure ??= broken;
    this.#reads.end(broken);
    this.#reads.release();
    this.#writes.fail(failure);
    this.#onGone?.();
    this.#options.owner?.ended(this);
    if (this.#handler) void this.#handleClose();
  }

  async #closeInOrder(): Promise<void> {
    this.#reads.discard(closedError(this.failureSite("read")));
    this.#writes.close();
    if (this.#isGone) return;
    const timeoutMs = this.#options.closeTimeoutMs ?? DEFAULT_CLOSE_TIMEOUT_MS;
    const isFlushed = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), timeoutMs);
      this.#onGone = () => {
        clearTimeout(timer);
        resolve(true);
      };
      this.#writes.end(() => {
        clearTimeout(timer);
        resolve(true);
      });
    });
    this.#onGone = undefined;
    if (!isFlushed) {
      const timeout = timeoutError(this.failureSite("close"));
      this.#transport.reset();
      throw timeout;
    }
    if (this.#isGone) return;
    this.#isFlushed = true;
    if (this.#hasPeerEnded) return this.#transport.destroy();
    // Somebody who dialed may leave. A server's last second keeps the process alive, or else its last words could be lost with it.
    const { owner } = this.#options;
    if (owner) owner.leaving(this);
    else this.#transport.unref();
    const timer = setTimeout(() => this.#transport.destroy(), LINGER_MS).unref();
    this.#onGone = () => clearTimeout(timer);
  }

  onData(bytes: Uint8Array): void | Promise<void> {
    try {
      const busy = this.#handler?.data(bytes);
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

  #handleEnd(): void {
    const handler = this.#handler;
    if (!handler) return;
    try {
      if (handler.end) handler.end();
      else if (this.#closing === undefined) this.close().catch(ignore);
    } catch (error) {
      this.#abortWith(error);
    }
  }

  async #handleClose(): Promise<void> {
    const handler = this.#handler;
    await this.#busy;
    if (this.#failure) handler?.close?.(this.#failure);
    else handler?.close?.();
  }

  #abortWith(error: unknown): void {
    this.#failure ??= asError(error);
    this.abort();
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

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function ignore(): void {
  // A connection that could not be flushed is aborted, and its handler told.
}
