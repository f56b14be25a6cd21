import type { CloseInfo } from "@zocalo/net";
import { CLOSE } from "./core/close-code.ts";
import { type CloseFrame, WebSocketError, type WebSocketErrorCode } from "./error.ts";

/** Both sides' Close frames, as far as there are any: a `Core`. */
export interface CloseFrames {
  readonly sentClose: CloseFrame | undefined;
  readonly receivedClose: CloseFrame | undefined;
}

/** What is known of a connection's end. Most connections are idle, and have none yet. */
export class Ending {
  /** This side called `close` or `abort` before the peer had closed. */
  wasClosedHere = false;
  /** The application has been told. */
  isOver = false;
  /** Ends the transport if the peer does not. */
  timer: NodeJS.Timeout | undefined;
  /** What Node said, if the socket broke. */
  socketError: Error | undefined;
  readonly #frames: CloseFrames;
  #error: WebSocketError | undefined;
  #code: number | undefined;
  #closed: Promise<void> | undefined;
  #settle: ((error: Error | undefined) => void) | undefined;

  constructor(frames: CloseFrames) {
    this.#frames = frames;
  }

  /** True if this side ended it with a code that says what is wrong. */
  get hasCode(): boolean {
    return this.#code !== undefined;
  }

  /**
   * The connection is broken, or breaks now. The first reason is the one that is told.
   *
   * @param closeCode what this side says to the peer, if it can still be told.
   */
  broken(code: WebSocketErrorCode, reason: string, cause?: unknown, closeCode?: number): void {
    this.#error ??= this.#make(code, reason, cause);
    this.#code ??= closeCode;
  }

  /** Settles with `settle`. */
  get closed(): Promise<void> {
    if (this.#closed === undefined) {
      this.#closed = new Promise((resolve, reject) => {
        this.#settle = (error) => (error === undefined ? resolve() : reject(error));
      });
      this.#closed.catch(ignore); // Who does not wait for `close` is told by the handler's, or by `receive`.
    }
    return this.#closed;
  }

  /** From now on it is over. Gives what the application is told; `settle` follows that. */
  over(): CloseInfo {
    this.isOver = true;
    const { receivedClose } = this.#frames;
    if (this.#code === undefined && receivedClose !== undefined && this.#error === undefined) {
      return { ...receivedClose, wasClean: true };
    }
    return new BrokenEnd(this.#code ?? CLOSE.abnormal, this);
  }

  /** Those who wait for the end go on. `error`: not all that was sent was taken. */
  settle(error?: WebSocketError): void {
    this.#settle?.(error);
  }

  /** Why the connection broke. */
  get error(): WebSocketError {
    this.broken("abnormal_closure", "the connection ended without a close handshake", this.socketError);
    return this.#error as WebSocketError;
  }

  /** For calls on a connection that is over. */
  get closedError(): WebSocketError {
    return this.#make("closed", "the connection is closed", this.#error ?? this.socketError);
  }

  /** For `close` of a connection that ended before all was taken. */
  get lostError(): WebSocketError {
    const reason = "the connection ended before the system had taken all that was sent";
    return this.#make("closed", reason, this.#error ?? this.socketError);
  }

  #make(code: WebSocketErrorCode, reason: string, cause: unknown): WebSocketError {
    const { sentClose: sent, receivedClose: received } = this.#frames;
    return new WebSocketError(code, reason, { sent, received, cause });
  }
}

/** How a connection broke. */
class BrokenEnd implements CloseInfo {
  readonly code: number;
  readonly reason = "";
  readonly wasClean = false;
  readonly #ending: Ending;

  constructor(code: number, ending: Ending) {
    this.code = code;
    this.#ending = ending;
  }

  /** Made when somebody asks: with its stack it costs more than the rest of an end, and peers just vanish all the time. */
  get error(): WebSocketError {
    return this.#ending.error;
  }
}

function ignore(): void {}
