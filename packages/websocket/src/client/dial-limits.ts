import type { TcpDialOptions } from "@zocalo/net";
import {
  deadlineToMs,
  type DialLimits as NetDialLimits,
  type DialTracer,
  onceAborted,
  startTimer,
} from "@zocalo/net/transport";
import type { Duplex } from "node:stream";
import { WebSocketNetError } from "../core/error.ts";

/** How one wait ends by its own events. */
export interface Outcome<T> {
  readonly done: (value: T) => void;
  readonly failed: (error: WebSocketNetError) => void;
}

/**
 * What bounds one `dial`, from the call to the open connection: its timeout and deadline
 * and the caller's signal, as one
 * signal whose reason is the error to throw.
 */
export class DialLimits implements NetDialLimits {
  /** Who is told of it; `undefined`: nobody. */
  readonly tracer: DialTracer | undefined;
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #endsAt: number;
  /** Takes back what waits for the caller's signal. */
  readonly #forget: (() => void) | undefined;
  /** What has not happened yet, for the message of a timeout. */
  #missing = "";

  /** @param host for messages. */
  constructor(
    host: string,
    timeoutMs: number,
    { signal, deadline = null }: Pick<TcpDialOptions, "signal" | "deadline">,
    tracer?: DialTracer,
  ) {
    this.tracer = tracer;
    const untilDeadlineMs = deadlineToMs(deadline) - Date.now();
    const isDeadline = untilDeadlineMs < timeoutMs;
    const delayMs = Math.max(0, isDeadline ? untilDeadlineMs : timeoutMs);
    const when = isDeadline ? "before the deadline" : `within ${timeoutMs} ms`;
    this.#endsAt = performance.now() + delayMs;
    const onTimeout = (): void => {
      this.#controller.abort(new WebSocketNetError("timeout", `${this.#missing} ${when}`, { op: "dial" }));
    };
    this.#timer = delayMs > 0 ? startTimer(onTimeout, delayMs) : undefined;
    if (delayMs === 0) {
      this.#missing = `dialing ${host} was not over`;
      onTimeout();
    }
    const onAbort = (): void => {
      const message = `dialing ${host} was canceled`;
      this.#controller.abort(
        new WebSocketNetError("canceled", message, { op: "dial", cause: signal?.reason }),
      );
    };
    if (signal?.aborted) onAbort();
    this.#forget = signal && onceAborted(signal, onAbort);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get remainingMs(): number {
    return Math.max(0, this.#endsAt - performance.now());
  }

  /** The dial is over: nothing cuts it any more. */
  end(): void {
    clearTimeout(this.#timer);
    this.#forget?.();
  }

  /**
   * Names what happens next.
   *
   * @param missing what a timeout says of it: "example.org did not answer".
   * @throws WebSocketNetError `timeout`, `canceled`
   */
  begin(missing: string): void {
    this.#missing = missing;
    this.signal.throwIfAborted();
  }

  /**
   * Waits for what comes of one step.
   *
   * @param missing as for `begin`.
   * @param socket is destroyed when the step fails or is cut.
   * @param start begins the step and is given the functions that end it; returns what to clean up if the step
   *   fails.
   * @throws WebSocketNetError what the step fails with; `timeout`, `canceled`.
   */
  wait<T>(missing: string, socket: Duplex, start: (outcome: Outcome<T>) => (() => void) | void): Promise<T> {
    return new Promise((resolve, reject) => {
      const { signal } = this;
      let drop: (() => void) | void;
      let isOver = false;
      const settle = (): boolean => {
        if (isOver) return false;
        isOver = true;
        signal.removeEventListener("abort", onAbort);
        return true;
      };
      const failed = (error: unknown): void => {
        if (!settle()) return;
        reject(error);
        drop?.();
        socket.destroy();
      };
      const onAbort = (): void => failed(signal.reason);
      this.#missing = missing;
      if (signal.aborted) return onAbort();
      signal.addEventListener("abort", onAbort);
      const done = (value: T): void => {
        if (settle()) resolve(value);
      };
      drop = start({ done, failed });
    });
  }
}
