import { onceAborted } from "@zocalo/net/transport";
import { canceled } from "../core/error.ts";

interface Waiter {
  /** It waits until so many bytes were taken. */
  readonly until: number;
  resolve(): void;
  reject(error: Error): void;
}

interface Entry {
  /** Bytes it will take of the send buffer; 0 if it takes none at once. */
  readonly byteLength: number;
  /** Its turn has come, or never will. */
  start(): void;
}

/**
 * Those who wait to send: for their turn, for room, or until the system has taken what they sent. Mostly
 * nobody does.
 */
export class Waiters {
  /**
   * Sends, streams and flushes for which there is no room yet, in the order of the calls. What is sent later
   * stands behind them.
   */
  readonly #line: Entry[] = [];
  readonly #forRoom: Waiter[] = [];
  /** In the order of their `until`. */
  readonly #untilTaken: Waiter[] = [];

  /** True if somebody stands in line. */
  get hasLine(): boolean {
    return this.#line.length > 0;
  }

  /**
   * Calls `send` when its turn comes, and settles as that does.
   *
   * @param onLeft Its signal has taken it out of the line: who stands behind it may have room.
   */
  inLine(
    byteLength: number,
    send: () => Promise<void>,
    signal: AbortSignal | undefined,
    onLeft: () => void,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#line.splice(this.#line.indexOf(entry), 1);
        if (signal !== undefined) reject(canceled(signal));
        onLeft();
      };
      const forget = signal && onceAborted(signal, onAbort);
      const entry: Entry = {
        byteLength,
        start() {
          forget?.();
          send().then(resolve, reject);
        },
      };
      this.#line.push(entry);
    });
  }

  /** Starts those at the head of the line for which `hasRoom` is true. */
  letIn(hasRoom: (byteLength: number) => boolean): void {
    for (let first = this.#line[0]; first !== undefined; first = this.#line[0]) {
      if (!hasRoom(first.byteLength)) return;
      this.#line.shift();
      first.start();
    }
  }

  /** Resolves with `tellRoom`. */
  forRoom(signal: AbortSignal | undefined): Promise<void> {
    return wait(this.#forRoom, 0, signal);
  }

  tellRoom(): void {
    for (const waiter of this.#forRoom.splice(0)) waiter.resolve();
  }

  /** Resolves once `tellTaken` has told that many bytes. */
  untilTaken(until: number, signal: AbortSignal | undefined): Promise<void> {
    return wait(this.#untilTaken, until, signal);
  }

  /** The system has taken so many bytes in all. */
  tellTaken(bytes: number): void {
    const waiters = this.#untilTaken;
    while (waiters[0] !== undefined && waiters[0].until <= bytes) waiters.shift()?.resolve();
  }

  /** Nothing can be sent any more. Those in line find that out when they are let in. */
  fail(error: Error): void {
    for (const waiter of this.#untilTaken.splice(0)) waiter.reject(error);
    for (const waiter of this.#forRoom.splice(0)) waiter.reject(error);
  }
}

/** A promise that one of `waiters` settles, or rejects with the signal. */
function wait(waiters: Waiter[], until: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const waiter: Waiter = { until, resolve, reject };
    if (signal !== undefined) {
      const onAbort = (): void => {
        waiters.splice(waiters.indexOf(waiter), 1);
        reject(canceled(signal));
      };
      const forget = onceAborted(signal, onAbort);
      waiter.resolve = () => (forget(), resolve());
      waiter.reject = (error) => (forget(), reject(error));
    }
    waiters.push(waiter);
  });
}
