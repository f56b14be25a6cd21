import { onceAborted } from "@zocalo/net/transport";
import { canceled, type WebSocketError } from "../core/error.ts";

interface Waiter {
  resolve(): void;
  reject(error: Error): void;
}

/** Those who wait until there is room to send. */
export class RoomWaiters {
  #waiters: Waiter[] = [];

  /** Resolves with `resolveAll`; rejects with `rejectAll` or the signal. */
  wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { resolve, reject };
      if (signal !== undefined) {
        const onAbort = () => {
          this.#waiters = this.#waiters.filter((other) => other !== waiter);
          reject(canceled(signal));
        };
        const forget = onceAborted(signal, onAbort);
        waiter.resolve = () => (forget(), resolve());
        waiter.reject = (error) => (forget(), reject(error));
      }
      this.#waiters.push(waiter);
    });
  }

  resolveAll(): void {
    for (const waiter of this.#taken()) waiter.resolve();
  }

  rejectAll(error: WebSocketError): void {
    for (const waiter of this.#taken()) waiter.reject(error);
  }

  #taken(): Waiter[] {
    const waiters = this.#waiters;
    this.#waiters = [];
    return waiters;
  }
}
