import type { IpAddr } from "./addr.ts";
import type { Deadline, WaitOptions } from "./conn.ts";
import type { NetError } from "./error.ts";

/** Receives datagrams without a promise for each. */
export interface DatagramSocketHandler<T> {
  /**
   * Called for each in order. While a returned promise is pending, datagrams queue, and past the limit are
   * dropped and counted.
   */
  message(datagram: T): void | Promise<void>;
  /**
   * The network reported something about what was sent (ICMP), such as `refused`: nobody listens there.
   * Nothing ends by it. Systems tell this of connected sockets only.
   */
  error?(error: NetError): void;
  /** Called exactly once, last; with an error if the socket broke or the handler threw. */
  close?(error?: Error): void;
}

/**
 * What all datagram sockets have in common. A datagram is a `Packet` where there are many peers, and bytes
 * where there is one; one that is sent (`S`) may be text, too, which leaves as UTF-8.
 */
export interface DatagramSocket<T, S = T> extends AsyncIterable<T>, AsyncDisposable {
  /** Where it is bound, with the port the system chose. */
  readonly localAddr: IpAddr;
  /**
   * Datagrams that were thrown away because the application was behind. Those the kernel drops are not in it.
   */
  readonly dropped: number;
  /**
   * Bytes of datagrams that wait in this process, because the system is behind. Those that wait for a host's
   * name are not in it.
   */
  readonly bufferedAmount: number;

  /**
   * Waits for the next datagram.
   *
   * @throws NetError `timeout` past the read deadline, `canceled` by the signal (no datagram is lost),
   * `closed` when this side closed; on a connected socket also what the network reports, once each, after
   * which receiving goes on: `refused`, `host_unreachable`, …
   */
  receive(options?: WaitOptions): Promise<T>;

  /**
   * Hands all datagrams, including those already received, to `handler`. May be called once, and instead of
   * `receive`.
   */
  serve(handler: DatagramSocketHandler<T>): void;

  /**
   * Sends many datagrams with one call, in order; resolves when the system has taken the last. The list must
   * not be changed until then. Two batches at once may be interleaved.
   *
   * @throws NetError as `send` does, of the first that the system has not taken, and with `datagramsSent`:
   * how many before it were. Those behind it were not tried. After `timeout`, `canceled` and `closed` that
   * first one may still leave.
   */
  sendBatch(datagrams: readonly S[], options?: WaitOptions): Promise<void>;

  /**
   * Sends as many as there is room for, in order, without waiting: `trySend` for each until one is not
   * accepted.
   *
   * @returns how many were accepted. The rest was not touched: send it later, or by `sendBatch` to learn why
   *   it did not go.
   */
  trySendBatch(datagrams: readonly S[]): number;

  /**
   * Waits until none of the datagrams that were accepted waits in this process, because the system is behind.
   * One that it refuses meanwhile is lost, as others are on their way.
   *
   * @throws NetError `closed` when the socket is, or gets, closed while some of them wait, `canceled` by the
   *   signal.
   */
  flush(options?: WaitOptions): Promise<void>;

  /**
   * Closes and unblocks pending operations, which reject with `closed`; iteration ends quietly. At once:
   * datagrams that still wait in this process are dropped, also those of which `trySend` has said `sent`.
   * Where that matters, wait for `flush` before.
   */
  close(): Promise<void>;

  /**
   * Lets the process end although the socket is open. A deadline that a call waits for holds the process
   * nevertheless, and so does a datagram that waits to leave.
   */
  unref(): void;
  /** Takes `unref` back. */
  ref(): void;

  /**
   * Sets both deadlines. Past it, pending and future operations reject with `timeout` until it is moved or
   * cleared.
   */
  setDeadline(at: Deadline): void;
  /** The same for reading alone. */
  setReadDeadline(at: Deadline): void;
  /** The same for writing alone. */
  setWriteDeadline(at: Deadline): void;
}
