import { checkPeriodMs, type Monitored, monitor, unmonitor } from "./keepalive.ts";
import { hasProgressed, type WriteProgress } from "./write-progress.ts";

/** The connection, as its write watch sees it. */
export interface WriteWatchHost {
  /** Bytes that the operating system has not taken. */
  readonly unsentBytes: number;
  writeProgress(): WriteProgress;
  /** Nothing of what waits was taken for too long. */
  writeTimedOut(): void;
}

/**
 * Ends a connection whose peer takes nothing of what waits for it. Keepalive does not: a peer that does not read, but sends, is alive. It is at work only
 * while something waits.
 */
export class WriteWatch implements Monitored {
  seat = -1;
  readonly #host: WriteWatchHost;
  readonly #timeoutMs: number;
  #isWatching = false;
  #last: WriteProgress | undefined;
  #since = 0;

  constructor(host: WriteWatchHost, timeoutMs: number) {
    this.#host = host;
    this.#timeoutMs = timeoutMs;
  }

  /** Something waits to be sent. May be called again. */
  start(): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    this.#last = undefined;
    monitor(this, checkPeriodMs(this.#timeoutMs, this.#timeoutMs));
  }

  stop(): void {
    if (!this.#isWatching) return;
    this.#isWatching = false;
    unmonitor(this, checkPeriodMs(this.#timeoutMs, this.#timeoutMs));
  }

  checkPeer(now: number): void {
    if (this.#host.unsentBytes === 0) {
      this.stop();
      return;
    }
    const progress = this.#host.writeProgress();
    if (this.#last === undefined || hasProgressed(this.#last, progress)) {
      this.#since = now;
    } else if (now - this.#since >= this.#timeoutMs) {
      this.stop();
      this.#host.writeTimedOut();
    }
    this.#last = progress;
  }
}
