import type { Addr } from "./addr.ts";

/** An absolute point in time: a `Date`, or milliseconds since the Unix epoch. `null` means none. */
export type Deadline = Date | number | null;

/** What every call that waits accepts. */
export interface WaitOptions {
  /** Cancels this call only. The connection stays usable and no byte is lost. */
  readonly signal?: AbortSignal;
}

/**
 * A reliable, ordered stream of bytes between two addresses: TCP, Unix domain socket, TLS or an in-memory pipe.
 *
 * All methods may be called at any time from several places. Simultaneous reads are served one after the
 * other in call order, and so are simultaneous writes; the bytes of one `write` are never mixed with another's.
 */
export interface Conn extends AsyncIterable<Uint8Array>, AsyncDisposable {
  readonly localAddr: Addr;
  readonly remoteAddr: Addr;

  /**
   * Waits for the next bytes, in whatever portions they arrive. The caller owns the array.
   * Returns `null` once the peer has ended its side. Not reading stops the peer: at most one read buffer is held.
   *
   * @throws NetError `timeout` past the read deadline, `closed` if this side closed, `reset` if the peer did.
   */
  read(options?: WaitOptions): Promise<Uint8Array | null>;

  /**
   * Writes all of `bytes`; resolves when there is room for more (backpressure). `bytes` must not be changed until then.
   *
   * @throws NetError with `bytesWritten`, how much was accepted, when a deadline or signal cut the write short.
   */
  write(bytes: Uint8Array, options?: WaitOptions): Promise<void>;

  /** Ends the writing side after what was written (TCP FIN). Reading goes on. */
  closeWrite(): Promise<void>;

  /** Flushes, closes both sides and unblocks pending operations, which reject with `closed`. A second call waits for the first. */
  close(): Promise<void>;

  /** Closes at once and drops what is not yet sent (TCP RST where the platform allows it). Never waits, never throws. */
  abort(): void;

  /** Sets both deadlines. Past it, pending and future operations reject with `timeout` until it is moved or cleared. */
  setDeadline(at: Deadline): void;
  setReadDeadline(at: Deadline): void;
  setWriteDeadline(at: Deadline): void;
}

/**
 * Accepts connections: of bytes (`Listener<Conn>`) or of messages (`Listener<MessageConn>`).
 * Iterating accepts one connection after the other, and ends quietly when the listener is closed.
 */
export interface Listener<C = Conn> extends AsyncIterable<C>, AsyncDisposable {
  /** Where it listens, with the port the system chose. */
  readonly addr: Addr;

  /**
   * Waits for the next connection.
   *
   * @throws NetError `closed` when the listener is or gets closed.
   */
  accept(options?: WaitOptions): Promise<C>;

  /** Stops accepting; connections already handed out live on. Those nobody has accepted are aborted. */
  close(): Promise<void>;

  /** Stops accepting and waits until all handed-out connections have ended; at the deadline the rest is aborted. */
  drain(deadline: Deadline): Promise<void>;

  /** Stops accepting and aborts every connection. */
  abort(): Promise<void>;
}
