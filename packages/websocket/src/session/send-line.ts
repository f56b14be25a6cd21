import { onceAborted } from "@zocalo/net/transport";
import { canceled } from "../core/error.ts";

interface Entry {
  /** Bytes it will take of the send buffer; 0 if it takes none at once. */
  readonly byteLength: number;
  /** Its turn has come, or never will. */
  start(): void;
}

/**
 * Sends, streams and flushes for which there is no room yet, in the order of the calls. What is sent later
 * stands behind them.
 */
export class SendLine {
  readonly #entries: Entry[] = [];

  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  /**
   * Calls `send` when its turn comes, and settles as that does.
   *
   * @param onLeft Its signal has taken it out of the line: who stands behind it may have room.
   */
  wait(
    byteLength: number,
    send: () => Promise<void>,
    signal: AbortSignal | undefined,
    onLeft: () => void,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#entries.splice(this.#entries.indexOf(entry), 1);
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
      this.#entries.push(entry);
    });
  }

  /** Starts those at its head for which `hasRoom` is true. */
  letIn(hasRoom: (byteLength: number) => boolean): void {
    for (let first = this.#entries[0]; first !== undefined; first = this.#entries[0]) {
      if (!hasRoom(first.byteLength)) return;
      this.#entries.shift();
      first.start();
    }
  }
}
