import type { PeerCertificate } from "node:tls";
import type { Addr } from "./addr.ts";

/** An absolute point in time: a `Date`, or milliseconds since the Unix epoch. `null` means none. */
export type Deadline = Date | number | null;

/** What every call that waits accepts. */
export interface WaitOptions {
  /** Cancels this call only. The connection stays usable and no byte is lost. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Receives the bytes of a connection without a promise per portion. See `Conn.serve`.
 *
 * What `data` or `end` throws, or rejects with, aborts the connection and comes to `close`.
 */
export interface ConnHandler {
  /**
   * Called for each portion in order. `bytes` is lent: its memory is used again as soon as this function
   * returns (an `async` one returns at its first `await`). Copy what is needed later. To write or send the
   * bytes on, on any connection, needs no copy: what the system does not take at once is copied there.
   *
   * While a returned promise is pending nothing more is received and the peer is held back. Return what
   * `write` returned, or a peer that sends and does not read makes what waits for it grow without bound.
   */
  data(bytes: Uint8Array): void | Promise<void>;
  /**
   * The peer has ended its side. Without this function the connection is closed once everything that was
   * written has been taken, however slowly the peer takes it. One that takes nothing for `closeTimeoutMs`
   * (10 s) is cut off, and `close` is told.
   *
   * On Linux, over TCP and TLS, each byte that the peer's system acknowledges counts as taken. Elsewhere one
   * that leaves this process does, and a system asks for more only when a good part of its send buffer is
   * free: a peer that takes a whole buffer in that time surely survives, with 4 MiB and 10 s at 420 kB/s. For
   * slower ones raise `closeTimeoutMs`.
   */
  end?(): void | Promise<void>;
  /**
   * Called exactly once, last, after a promise that `data` returned has settled; with an error unless both
   * sides ended in order or this side closed. A write or `close` that failed and that nobody waited for is
   * told here. What it throws nobody catches: it must not.
   */
  close?(error?: Error): void;
}

/**
 * A reliable, ordered stream of bytes between two addresses: TCP, Unix domain socket, TLS or an in-memory
 * pipe.
 *
 * All methods may be called at any time from several places. Simultaneous reads are served one after the
 * other in call order, and so are simultaneous writes; the bytes of one `write` are never mixed with
 * another's.
 *
 * **Memory.** What `read`, `readFull` and iteration give belongs to the caller: it may be kept, changed and
 * transferred. What `ConnHandler.data` is given is lent until it returns. What is written is read until the
 * promise of the call settles, and not after; `write` says the one exception.
 *
 * **Written** means that the system has taken it, which is not yet the peer. What had arrived before a
 * failure is read first, then the failure (streams that are not Node's sockets: see `fromNodeStream`).
 *
 * **Failures.** A call that nobody waits for and that fails ends no process: the calls after it fail too, and
 * a handler is told by `close(error)`.
 *
 * `A` is what its addresses are, where the network is known: an `IpAddr` after `dial("tcp", …)`.
 */
export interface Conn<A extends Addr = Addr> extends AsyncIterable<Uint8Array>, AsyncDisposable {
  readonly localAddr: A;
  readonly remoteAddr: A;
  /**
   * What the TLS handshake has agreed on; `undefined` on other networks. To be read before the connection is
   * closed.
   */
  readonly tls?: TlsState | undefined;

  /**
   * Bytes that have arrived so far: read, or waiting to be. Of TLS what it carries; what a proxy said before
   * it (`DialOptions.proxy`, `proxyProtocol`) counts, too. To be read at any time, also when the connection
   * is closed. Costs nothing while nobody reads it: a socket of Node counts by itself.
   */
  readonly bytesRead: number;
  /**
   * Bytes that the system has taken so far; what is said of `bytesRead` holds here, too. When the peer has
   * broken the connection, as `bytesWritten` of an error: the step that was under way does not count.
   */
  readonly bytesWritten: number;

  /**
   * Waits for the next bytes, in whatever portions they arrive. The caller owns the array (on Node it is a
   * `Buffer`). Returns `null` once the peer has ended its side. Not reading stops the peer: at most one read
   * buffer is held.
   *
   * @throws NetError `timeout` past the read deadline, `closed` if this side closed, `reset` if the peer did.
   */
  read(options?: WaitOptions): Promise<Uint8Array | null>;

  /**
   * Waits for exactly `length` bytes; `null` if the peer ended before the first of them. A call that is
   * cancelled or times out takes nothing: what had arrived is read by the next call.
   *
   * @throws NetError `end_of_stream` if the peer ended in between (`read` still gives what came), and as
   *   `read` does.
   */
  readFull(length: number, options?: WaitOptions): Promise<Uint8Array | null>;

  /**
   * Hands all bytes, those already received first, to `handler`: the way for hot paths. May be called once,
   * and excludes `read` and iteration. A read deadline that passes aborts the connection with `timeout`.
   *
   * @throws NetError `invalid_argument` if the connection is already being read or served.
   */
  serve(handler: ConnHandler): void;

  /**
   * Writes all of `bytes`; resolves when the operating system has taken them (backpressure; of a `pipe()` the
   * other end, of a foreign stream its callback). `bytes` must not be changed until the promise settles.
   *
   * @throws NetError with `bytesWritten`. After a failure (`reset`, `broken_pipe`, `closed` by `abort`) it is
   * what the system has certainly taken: exact after `abort` over TCP, Unix and `pipe()`; else counted in
   * steps of 64 KiB, of which it may have taken a part more. When `close` cut the write short, it has been
   * taken. When a deadline or a signal did, it is where to go on: it counts the step that was under way,
   * which is still sent in its turn. The memory of that step (at most 64 KiB) is read until it is sent or the
   * connection closes.
   */
  write(bytes: Uint8Array, options?: WaitOptions): Promise<void>;

  /** Writes `parts` one after the other as a single `write`, without joining them. */
  writev(parts: readonly Uint8Array[], options?: WaitOptions): Promise<void>;

  /**
   * Ends the writing side after what was written (TCP FIN). Reading goes on, later writes reject with
   * `closed`.
   *
   * @throws NetError `timeout` past the write deadline, `canceled` by the signal: at once and without an
   * effect if that has come already; if it comes meanwhile the end still follows what was written.
   */
  closeWrite(options?: WaitOptions): Promise<void>;

  /**
   * Stops receiving: waiting and later reads give `null`, and what still arrives is thrown away, so that the
   * peer is never held back by it. Writing goes on.
   */
  closeRead(): void;

  /**
   * Flushes and closes both sides; resolves when the system has taken all accepted bytes and the end of the
   * stream. Unblocks pending operations: reads reject with `closed` at once, and so do writes beyond the
   * first 64 KiB that wait, once those were taken (`bytesWritten` says how much). A second call waits for the
   * first. To send everything first, wait for the writes, or for `closeWrite`. Afterwards what the peer still
   * sends is thrown away until it ends too, for at most one second; then the connection is cut.
   *
   * `await using` closes, too; a failure from before, which some call has told, is not told again there.
   *
   * @throws NetError `timeout` if the peer does not take what was written within `closeTimeoutMs`; the
   * connection is then aborted. `reset`, `broken_pipe`, `truncated` or `closed` if bytes that were accepted
   * have not certainly been taken, now or before. `canceled` by the signal, which ends the waiting alone:
   * closing goes on.
   */
  close(options?: WaitOptions): Promise<void>;

  /**
   * Closes at once and drops what is not yet sent (TCP RST where the platform allows it). Never waits, never
   * throws. After `close` has resolved it does nothing.
   */
  abort(): void;

  /**
   * Lets the process end although this connection is open, as `unref` of Node's sockets does: for a
   * connection in the background. A deadline that a call waits for holds the process nevertheless. Memory and
   * foreign streams hold no process.
   */
  unref(): void;
  /** Takes `unref` back. */
  ref(): void;

  /**
   * Sends small writes at once, or lets the system collect them, from now on (TCP_NODELAY;
   * `SocketOptions.noDelay`). Without effect where there is no TCP, and when it is closed.
   *
   * @throws NetError `invalid_argument`
   */
  setNoDelay(isOn: boolean): void;
  /**
   * Has the system find out about a dead peer, or not, from now on (SO_KEEPALIVE; `SocketOptions.keepAlive`).
   * Without effect where there is no TCP, and when it is closed.
   *
   * @param idleMs idle time before the first probe, in milliseconds, from 1,000, rounded down to seconds.
   * Default 15 s.
   * @throws NetError `invalid_argument`
   */
  setKeepAlive(isOn: boolean, idleMs?: number): void;

  /**
   * Sets both deadlines. Past it, pending and future operations reject with `timeout` until it is moved or
   * cleared. `close` has a limit of its own: once it was called deadlines mean nothing. A deadline keeps the
   * process alive only while a call waits that it will end.
   */
  setDeadline(at: Deadline): void;
  /** The same for reading alone. */
  setReadDeadline(at: Deadline): void;
  /** The same for writing alone. */
  setWriteDeadline(at: Deadline): void;
}

/**
 * Accepts connections: of bytes (`Listener<Conn>`) or of messages (`Listener<MessageConn>`).
 * Iterating accepts one connection after the other, and ends quietly when the listener is closed.
 *
 * `A` is what its address is, where the network is known.
 */
export interface Listener<C = Conn, A extends Addr = Addr> extends AsyncIterable<C>, AsyncDisposable {
  /** Where it listens, with the port the system chose. */
  readonly addr: A;

  /**
   * Waits for the next connection.
   *
   * @throws NetError `closed` when the listener is or gets closed.
   */
  accept(options?: WaitOptions): Promise<C>;

  /** Stops accepting; connections already handed out live on. Those nobody has accepted are aborted. */
  close(): Promise<void>;

  /**
   * Stops accepting and waits until all handed-out connections have ended, or are closed and flushed; at the
   * deadline the rest is aborted. A closed connection whose peer has not ended yet keeps the process alive
   * for its last second, see `Conn.close`.
   *
   * @throws NetError `canceled` by the signal, which ends the waiting alone: nothing is accepted any more,
   *   and the deadline still holds.
   */
  drain(deadline: Deadline, options?: WaitOptions): Promise<void>;

  /** Stops accepting and aborts every connection. */
  abort(): Promise<void>;

  /**
   * Lets the process end although it listens. Its connections hold the process by themselves, see
   * `Conn.unref`; so does one that is not a connection yet, as long as it may take: for a TLS handshake, a
   * PROXY header, the request for a WebSocket. Without effect where nothing does: in memory, and on a server
   * that is somebody else's.
   */
  unref(): void;
  /** Takes `unref` back. */
  ref(): void;
}

/** What a listener of byte streams has done since it began. */
export interface ListenerTotals {
  /** Connections that were let in. Those that wait for `accept` count, and those that are over. */
  readonly accepted: number;
  /** Connections that were dropped before the application saw them, see `onRefuse`. */
  readonly refused: number;
  /** Connections that are open now, those included that are closed and whose peer has not ended yet. */
  readonly open: number;
  /** Bytes that arrived on all of its connections, past and present. See `Conn.bytesRead`. */
  readonly bytesRead: number;
  /** Bytes that the system took on all of its connections. */
  readonly bytesWritten: number;
}

/** What `listen` gives. */
export interface StreamListener<A extends Addr = Addr> extends Listener<Conn<A>, A> {
  /** Its totals at this moment. Goes through the open connections: once a second is often enough. */
  totals(): ListenerTotals;
}

/** What the handshake has agreed on. */
export interface TlsState {
  /** `"TLSv1.3"`, … */
  readonly version: string;
  readonly cipher: string;
  /** The application protocol (ALPN), if one was agreed on. */
  readonly alpnProtocol: string | undefined;
  /** The name the client asked for (SNI), if it did: as A-labels, in lower case. */
  readonly serverName: string | undefined;
  /** True if a session was resumed: no certificates were sent, those of before hold. */
  readonly isResumed: boolean;
  /** True if the peer showed a certificate that is valid. */
  readonly isAuthorized: boolean;
  /** The peer's certificate, if it showed one. */
  readonly peerCertificate: PeerCertificate | undefined;
}
