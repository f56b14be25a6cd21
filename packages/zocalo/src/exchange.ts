import type { Format } from "./standard-streams.ts";
import { readInput, writeOutput } from "./standard-streams.ts";
import type { Traffic } from "./traffic.ts";

/** What happens to what is received, and where that which is sent comes from. */
export interface ExchangeOptions {
  readonly format: Format;
  /** Send everything back instead of reading standard input and writing standard output. */
  readonly isEcho: boolean;
  /** Nothing received for this long ends it, in milliseconds; absent: never. */
  readonly idleMs?: number | undefined;
}

/** A WebSocket has no half-close: at the end of the input it is closed once nothing has come for this long, in milliseconds. */
const LINGER_MS = 1_000;

/** How an exchange ended: the peer ended in order, or nothing came in time. */
export type ExchangeEnd = "ended" | "idle";

/**
 * Joins one connection with standard input and output until the peer ends.
 *
 * @throws what the connection throws when it breaks.
 */
export async function exchange(traffic: Traffic, options: ExchangeOptions): Promise<ExchangeEnd> {
  const { format, isEcho } = options;
  if (isEcho) return receiveAll(traffic, options.idleMs, (message) => traffic.send(message));
  let inputFailure: unknown;
  const linger = new Linger();
  const outgoing = sendInput(traffic, format, linger).catch((error: unknown) => {
    inputFailure = error;
    traffic.abort();
  });
  try {
    return await receiveAll(traffic, options.idleMs, (message) =>
      writeOutput(process.stdout, message, format),
    );
  } catch (error) {
    throw inputFailure ?? error;
  } finally {
    linger.end();
    process.stdin.destroy();
    await outgoing;
  }
}

/** Receives until the peer ends, one piece after the other. */
export async function receiveAll(
  traffic: Traffic,
  idleMs: number | undefined,
  take: (message: string | Uint8Array) => Promise<void>,
): Promise<ExchangeEnd> {
  let isIdle = false;
  const timer =
    idleMs === undefined
      ? undefined
      : setTimeout(() => {
          isIdle = true;
          traffic.abort();
        }, idleMs);
  try {
    for (let message = await traffic.receive(); message !== null; message = await traffic.receive()) {
      timer?.refresh();
      await take(message);
      timer?.refresh();
    }
    if (isIdle) return "idle";
    await traffic.close();
    return "ended";
  } catch (error) {
    if (isIdle) return "idle";
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Waits until nothing has come for a while. */
class Linger {
  #timer: NodeJS.Timeout | undefined;
  #isOver: () => void = () => undefined;
  #hasEnded = false;

  untilQuiet(): Promise<void> {
    return new Promise((resolve) => {
      this.#isOver = resolve;
      if (this.#hasEnded) resolve();
      else this.#timer = setTimeout(resolve, LINGER_MS);
    });
  }

  refresh(): void {
    this.#timer?.refresh();
  }

  end(): void {
    this.#hasEnded = true;
    clearTimeout(this.#timer);
    this.#isOver();
  }
}

async function sendInput(traffic: Traffic, format: Format, linger: Linger): Promise<void> {
  try {
    for await (const message of readInput(process.stdin, format)) await traffic.send(message);
    if (traffic.closeWrite) {
      await traffic.closeWrite();
    } else {
      await linger.untilQuiet();
      await traffic.close();
    }
  } catch (error) {
    // The other side has ended, and with it this side's input; what it was is told by whoever receives.
    if (!process.stdin.destroyed) throw error;
  }
}
