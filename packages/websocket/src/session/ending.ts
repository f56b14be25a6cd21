import type { CloseInfo, NetErrorCode, NetOp } from "@zocalo/net";
import { MAX_DELAY_MS, startTimer, told, WriteWatch, type WriteWatchHost } from "@zocalo/net/transport";
import { CLOSE, type CloseFrame } from "../core/close-frame.ts";
import { WebSocketNetError } from "../core/error.ts";

/** The connection, as its end sees it: a `Session`. */
export interface EndingHost extends Omit<WriteWatchHost, "writeTimedOut"> {
  /** Both sides' Close frames, as far as there are any. */
  readonly core: {
    readonly sentClose: CloseFrame | undefined;
    readonly receivedClose: CloseFrame | undefined;
  };
  readonly settings: { readonly closeTimeoutMs: number };
  /** Bytes accepted that the system has not taken. */
  readonly bufferedAmount: number;
  /** Nothing is read just now. */
  readonly isHeldBack: boolean;
  /** From now on `isSilent` is true until something arrives. */
  expectSilence(): void;
  readonly isSilent: boolean;
  cutTransport(): void;
}

const LOST = "the connection ended before the system had taken all that was sent";

/**
 * What is known of a connection's end, and what sees to it that it comes. Most connections are idle, and have
 * none yet.
 */
export class Ending {
  /** This side called `close` or `abort` before the peer had closed. */
  wasClosedHere = false;
  /** The application has been told. */
  isOver = false;
  /** The transport told its end while what came before was still to be received. */
  hasEndedUnread = false;
  /** What the runtime said, if the transport broke. */
  transportError: unknown;
  readonly #host: EndingHost;
  /** Ends the transport if the peer does not. */
  #timer: NodeJS.Timeout | undefined;
  /** Looks whether a peer that has closed still takes what was sent before. */
  #watch: WriteWatch | undefined;
  #error: WebSocketNetError | undefined;
  #code: number | undefined;
  #closed: Promise<void> | undefined;
  #settle: ((error: Error | undefined) => void) | undefined;

  constructor(host: EndingHost) {
    this.#host = host;
  }

  /** Cuts the transport unless it closes within `closeTimeoutMs`. */
  startTimer(): void {
    const { closeTimeoutMs } = this.#host.settings;
    this.#timer ??= startTimer(() => {
      if (this.owesPeer) {
        this.#timer?.refresh();
        return;
      }
      if (this.#host.core.receivedClose === undefined) {
        const reason = `the peer did not close within ${closeTimeoutMs} ms`;
        this.broken("timeout", reason, undefined, undefined, "close");
      }
      this.#host.cutTransport();
    }, closeTimeoutMs);
  }

  /**
   * Some systems do not report the end after a failed write: cuts the transport once nothing has arrived for
   * `closeTimeoutMs`.
   */
  cutOnceReadOut(): void {
    const host = this.#host;
    let wasReading = false;
    this.#timer ??= setInterval(
      () => {
        const isReading = !host.isHeldBack;
        if (isReading && wasReading && host.isSilent) host.cutTransport();
        wasReading = isReading;
        host.expectSilence();
      },
      Math.min(host.settings.closeTimeoutMs, MAX_DELAY_MS),
    );
  }

  /** The peer has closed, and some of what was sent before is still in this process. */
  get owesPeer(): boolean {
    const { core, bufferedAmount } = this.#host;
    return core.receivedClose !== undefined && !this.wasClosedHere && bufferedAmount > 0;
  }

  /**
   * The peer gets what was sent before it closed, as slowly as it takes it. One that takes nothing for
   * `closeTimeoutMs` is cut off.
   */
  watchLastWrites(): void {
    const host = this.#host;
    const { closeTimeoutMs } = host.settings;
    const watched: WriteWatchHost = {
      get unsentBytes() {
        return host.unsentBytes;
      },
      writeProgress: () => host.writeProgress(),
      unacknowledgedBytes: () => host.unacknowledgedBytes(),
      writeTimedOut: () => {
        const reason = `the peer closed, and then took nothing for ${closeTimeoutMs} ms`;
        this.broken("timeout", reason, undefined, undefined, "close");
        host.cutTransport();
      },
    };
    this.#watch = new WriteWatch(watched, closeTimeoutMs);
    this.#watch.start();
  }

  /** The transport has closed: nothing has to see to that any more. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#watch?.stop();
  }

  /** True if this side ended it with a code that says what is wrong. */
  get hasCode(): boolean {
    return this.#code !== undefined;
  }

  /**
   * The connection is broken, or breaks now. The first reason is the one that is told.
   *
   * @param op what it was that failed.
   * @param closeCode what this side says to the peer, if it can still be told.
   */
  broken(code: NetErrorCode, reason: string, cause?: unknown, closeCode?: number, op: NetOp = "read"): void {
    this.#error ??= this.#make(code, reason, cause, op);
    this.#code ??= closeCode;
  }

  /** Settles with `settle`. */
  get closed(): Promise<void> {
    if (this.#closed === undefined) {
      // Who does not wait for `close` is told by the handler's, or by `receive`.
      this.#closed = told(
        new Promise((resolve, reject) => {
          this.#settle = (error) => (error === undefined ? resolve() : reject(error));
        }),
      );
    }
    return this.#closed;
  }

  /**
   * From now on it is over. Gives what the application is told; `settle` follows that.
   *
   * @param hasLost not all that was sent was taken. Then the end is not clean, Close frames or not; code and
   *   reason are still the peer's (RFC 6455 §7.1.5).
   */
  over(hasLost: boolean): CloseInfo {
    this.isOver = true;
    const { receivedClose } = this.#host.core;
    const wasClean = this.#code === undefined && receivedClose !== undefined && this.#error === undefined;
    if (wasClean && !hasLost) return { ...receivedClose, wasClean };
    if (!wasClean) return new BrokenEnd(this.#code ?? CLOSE.abnormal, "", this);
    this.broken("abnormal_closure", LOST, this.transportError);
    return new BrokenEnd(receivedClose.code, receivedClose.reason, this);
  }

  /**
   * What the application is told of a connection that has broken and is not over yet. That is the reason from
   * now on.
   */
  get abnormal(): CloseInfo {
    return { code: CLOSE.abnormal, reason: "", wasClean: false, error: this.error };
  }

  /** Those who wait for the end go on. `error`: not all that was sent was taken. */
  settle(error?: WebSocketNetError): void {
    this.#settle?.(error);
  }

  /** Why the connection broke. */
  get error(): WebSocketNetError {
    this.broken("abnormal_closure", "the connection ended without a close handshake", this.transportError);
    return this.#error as WebSocketNetError;
  }

  /** For calls on a connection that is over. */
  get closedError(): WebSocketNetError {
    return this.#make("closed", "the connection is closed", this.#error ?? this.transportError);
  }

  /** For `close` of a connection that ended before all was taken. */
  get lostError(): WebSocketNetError {
    return this.#make("closed", LOST, this.#error ?? this.transportError);
  }

  #make(code: NetErrorCode, reason: string, cause: unknown, op?: NetOp): WebSocketNetError {
    const { sentClose: sent, receivedClose: received } = this.#host.core;
    return new WebSocketNetError(code, reason, { op, sent, received, cause });
  }
}

/** How a connection broke. */
class BrokenEnd implements CloseInfo {
  readonly code: number;
  readonly reason: string;
  readonly wasClean = false;
  readonly #ending: Ending;

  constructor(code: number, reason: string, ending: Ending) {
    this.code = code;
    this.reason = reason;
    this.#ending = ending;
  }

  /**
   * Made when somebody asks: with its stack it costs more than the rest of an end, and peers just vanish all
   * the time.
   */
  get error(): WebSocketNetError {
    return this.#ending.error;
  }
}
