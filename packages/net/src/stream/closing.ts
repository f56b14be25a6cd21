import type { Conn } from "../contracts/conn.ts";
import type { NetError } from "../contracts/error.ts";
import { closedError, type FailureSite, type Sited, timeoutError } from "../contracts/failures.ts";
import { netErrorFrom } from "../contracts/node-error.ts";
import type { Transport } from "../contracts/transport.ts";
import { startTimer } from "../flow/deadline.ts";
import { rejection, told } from "../flow/told.ts";
import { WriteWatch } from "../flow/watches.ts";
import type { ReadHalf } from "./read-half.ts";
import type { WriteHalf } from "./write-half.ts";

/**
 * How long a closed connection goes on throwing away what the peer sends, in milliseconds. To cut it at once
 * would, if anything still arrived, reset the connection and destroy what the peer has not yet read of our
 * last bytes.
 */
const LINGER_MS = 1000;

/** How long `close` waits for the peer to take what was written, unless told otherwise, in milliseconds. */
const DEFAULT_CLOSE_TIMEOUT_MS = 10_000;

/** Who keeps count of connections: a listener. */
export interface ConnOwner<C> {
  /** The connection is closed in order; what its peer still sends is thrown away. */
  leaving(conn: C): void;
  /** The connection is over. */
  ended(conn: C): void;
}

/** What takes the place of a connection. Its counts go on from those of the one before. */
export type Successor = Pick<Conn, "close" | "abort" | "bytesRead" | "bytesWritten">;

/** What is to be known of a connection that closes. */
export interface ClosingConn extends Sited, Pick<Conn, "close" | "closeWrite"> {
  readonly transport: Transport;
  readonly hasPeerEnded: boolean;
  /** How long `close` may wait for the peer, in milliseconds. Default 10 s. */
  readonly closeTimeoutMs: number | undefined;
  /** `close` or `abort` was called. */
  readonly isClosing: boolean;
  /** Cuts it; the handler's `close` is told the error. */
  abortWith(error: unknown): void;
  /** It is closed in order; what its peer still sends is thrown away. `false` if nobody keeps count of it. */
  leave(): boolean;
}

/** Makes the error of a call. */
type Failure = (site: FailureSite) => NetError;

/** How a connection ends: closed in order, cut, broken, or handed over. Until then it has none of this. */
export class Closing {
  /** The transport is gone. */
  isGone = false;
  /** What `close` gives; set once it, or `abort`, was called. */
  closed: Promise<void> | undefined;
  /**
   * Makes the error that says why it broke, or was aborted. Lazy: its stack trace costs as much as the rest
   * of an ordinary close.
   */
  why: (() => Error) | undefined;
  /** What has taken its place. */
  successor: Successor | undefined;
  readonly #conn: ClosingConn;
  #isAborted = false;
  /** All that was written has been taken, and the end too. */
  #isFlushed = false;
  /** Makes the error of what happened to the transport, if it broke. */
  #broken: Failure | undefined;
  #onGone: (() => void) | undefined;

  constructor(conn: ClosingConn) {
    this.#conn = conn;
  }

  /** See `Conn.close`. The first call closes, all get the same promise. */
  close(writes: WriteHalf): Promise<void> {
    return (this.closed ??= told(this.#closeInOrder(writes)));
  }

  /** See `Conn.abort`. */
  abort(reads: ReadHalf, writes: WriteHalf): void {
    if (this.successor) return this.successor.abort();
    if (this.#isFlushed) return; // A reset now could destroy what the peer has not yet read.
    this.#isAborted = true;
    reads.discard(closedError);
    writes.fail(closedError);
    this.closed ??= writes.hasLost
      ? rejection(closedError(this.#conn.failureSite("close")))
      : Promise.resolve();
    this.#conn.transport.reset();
  }

  /** Closes. If it broke, or was aborted, whoever leaves the block already knows. */
  async dispose(): Promise<void> {
    const isKnown = this.#broken !== undefined || this.#isAborted || this.successor !== undefined;
    try {
      await this.#conn.close();
    } catch (error) {
      if (!isKnown) throw error;
    }
  }

  /**
   * Nothing more can be written. Gives what makes the errors. A pipe tells this of every reset: if no write
   * was lost, and the peer had not ended, it was reading that broke.
   */
  writeFailed(error: unknown, writes: WriteHalf): Failure {
    const conn = this.#conn;
    const failure = failureFrom(error);
    this.#broken ??= failure;
    this.why ??= () => failure(conn.failureSite(writes.hasLost || conn.hasPeerEnded ? "write" : "read"));
    return this.#broken;
  }

  /** The transport is gone, with what the runtime said if it broke. Gives what makes the errors. */
  gone(error: unknown): Failure {
    this.isGone = true;
    const failure = failureFrom(error);
    if (error === undefined) return failure;
    this.#broken ??= failure;
    if (this.closed === undefined) this.why ??= () => failure(this.#conn.failureSite("read"));
    return failure;
  }

  /** The last of `gone`, when reads and writes know. */
  over(writes: WriteHalf, failure: Failure): void {
    // A foreign stream may go without a word.
    if (this.closed === undefined && writes.hasLost) {
      this.why ??= () => failure(this.#conn.failureSite("write"));
    }
    this.#onGone?.();
  }

  async #closeInOrder(writes: WriteHalf): Promise<void> {
    const conn = this.#conn;
    const { transport } = conn;
    const site = conn.failureSite("close");
    writes.close();
    if (writes.hasLost) this.#fail(this.#broken?.(site) ?? closedError(site));
    if (this.isGone) return;
    const isInTime = await new Promise<boolean>((resolve) => {
      const timer = startTimer(() => resolve(false), conn.closeTimeoutMs ?? DEFAULT_CLOSE_TIMEOUT_MS);
      this.#onGone = () => {
        clearTimeout(timer);
        resolve(true);
      };
      writes.end(this.#onGone);
    });
    this.#onGone = undefined;
    if (!isInTime) this.#fail(timeoutError(site));
    if (writes.hasLost) this.#fail(this.#broken?.(site) ?? closedError(site));
    if (this.isGone) return;
    if (this.#broken !== undefined) return transport.destroy();
    this.#isFlushed = true;
    if (conn.hasPeerEnded) return transport.destroy();
    // A client's process may exit now. A server's stays alive for this second, or its last bytes could be
    // lost.
    if (!conn.leave()) transport.unref();
    const timer = setTimeout(() => transport.destroy(), LINGER_MS).unref();
    this.#onGone = () => clearTimeout(timer);
  }

  /** Cuts the connection; the handler's `close` is told, too, as nobody may wait for the call. */
  #fail(error: NetError): never {
    this.why ??= () => error;
    this.#conn.transport.reset();
    throw error;
  }
}

/**
 * The peer has ended, and the handler has nothing to say to that: all that was written is sent, as slowly as
 * the peer takes it; then this side closes, too. A peer that takes nothing for as long as `close` may take is
 * cut off.
 *
 * @param isWaiting writes wait to be handed to the transport.
 */
export async function closeAfterEnd(conn: ClosingConn, isWaiting: boolean): Promise<void> {
  const { transport } = conn;
  let watch: WriteWatch | undefined;
  try {
    if (transport.bufferedBytes > 0 || isWaiting) {
      watch = new WriteWatch(
        {
          // Between two steps nothing is buffered, nor while the end itself (of TLS, or of a foreign stream)
          // has not left.
          get unsentBytes() {
            return Math.max(1, transport.bufferedBytes);
          },
          writeProgress: () => transport.progress(),
          unacknowledgedBytes: () => transport.unacknowledgedBytes(),
          writeTimedOut: () => conn.abortWith(timeoutError(conn.failureSite("close"))),
        },
        conn.closeTimeoutMs ?? DEFAULT_CLOSE_TIMEOUT_MS,
      );
      watch.start();
      await conn.closeWrite();
      watch.stop();
    }
    await conn.close();
  } catch (error) {
    watch?.stop();
    // The handler's `close` tells it, also where it was `close` that failed.
    if (!conn.isClosing) conn.abortWith(error);
  }
}

/** What makes the errors of a transport that broke with `error`, or was closed by this side. */
function failureFrom(error: unknown): Failure {
  return (site) => (error === undefined ? closedError(site) : netErrorFrom(error, site));
}
