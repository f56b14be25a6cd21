import { checkPeriodMs, monitor, type Monitored, unmonitor } from "./rounds.ts";
import type { WriteProgress } from "../contracts/transport.ts";

/**
 * A watch over one peer, at work from `start` to `stop`, which may both be called again. It is on the rounds
 * that fit its time.
 */
export abstract class Watch implements Monitored {
  slot = -1;
  protected readonly timeoutMs: number;

  constructor(timeoutMs: number) {
    this.timeoutMs = timeoutMs;
  }

  protected get isWatching(): boolean {
    return this.slot !== -1;
  }

  /** Looks at the peer from now on. */
  start(): void {
    if (this.isWatching) return;
    this.began();
    monitor(this, checkPeriodMs(this.timeoutMs));
  }

  /** Looks no more. */
  stop(): void {
    if (this.isWatching) unmonitor(this, checkPeriodMs(this.timeoutMs));
  }

  /** What was seen before does not count any more. */
  protected abstract began(): void;
  /** See `Monitored`. */
  abstract checkPeer(now: number): void;
}

/** The connection, as its message watch sees it. */
export interface MessageWatchHost {
  /** More is due of a message or frame that has begun to arrive. */
  readonly isPartway: boolean;
  /** The application has left so much unread that nothing is read: the peer is not to blame. */
  readonly isHeldBack: boolean;
  /** Changes whenever a message is complete. */
  readonly messageNumber: number;
  /** A message was begun and not completed for too long. */
  messageTimedOut(): void;
}

/**
 * Ends a connection whose peer begins a message and does not complete it in time. Keepalive does not: a peer
 * that sends a byte now and then is alive. It is at work only while a message is partway.
 */
export class MessageWatch extends Watch {
  readonly #host: MessageWatchHost;
  #messageNumber = 0;
  #since = 0;

  constructor(host: MessageWatchHost, timeoutMs: number) {
    super(timeoutMs);
    this.#host = host;
  }

  /** A message is partway. */
  protected began(): void {
    this.#messageNumber = -1;
  }

  /** See `Monitored`. */
  checkPeer(now: number): void {
    if (!this.#host.isPartway) {
      this.stop();
    } else if (this.#host.isHeldBack || this.#host.messageNumber !== this.#messageNumber) {
      this.#messageNumber = this.#host.messageNumber;
      this.#since = now;
    } else if (now - this.#since >= this.timeoutMs) {
      this.stop();
      this.#host.messageTimedOut();
    }
  }
}

/** The connection, as its write watch sees it. */
export interface WriteWatchHost {
  /** Bytes that wait in this process: the operating system has not taken them. */
  readonly unsentBytes: number;
  /** How far the system has come with what it was given. */
  writeProgress(): WriteProgress;
  /**
   * Bytes that the system has taken and the peer's has not acknowledged; `undefined` if that cannot be known.
   * Asked only while the system takes nothing. Never rejects.
   */
  unacknowledgedBytes(): Promise<number | undefined>;
  /** Nothing of what waits was taken for too long. */
  writeTimedOut(): void;
}

/**
 * Ends a connection whose peer takes nothing of what waits for it. A peer that sends but does not read is cut
 * off, too. It is at work only while something waits.
 *
 * A peer that takes bytes out of the system's buffer is alive, although none leave this process meanwhile:
 * the system asks for more only when a good part of its buffer is free. So the peer's acknowledgements are
 * looked at (see `unacknowledgedBytes`) before it is given up.
 */
export class WriteWatch extends Watch {
  readonly #host: WriteWatchHost;
  #last: WriteProgress | undefined;
  /** What was unacknowledged at the last look, since which the system has taken nothing more. */
  #lastUnacknowledged: number | undefined;
  #isLooking = false;
  #since = 0;

  constructor(host: WriteWatchHost, timeoutMs: number) {
    super(timeoutMs);
    this.#host = host;
  }

  /** Something waits to be sent. */
  protected began(): void {
    this.#last = undefined;
    this.#since = Number.POSITIVE_INFINITY; // From the first check on; a look that began before this is late.
    this.#lastUnacknowledged = undefined;
  }

  /** See `Monitored`. */
  checkPeer(now: number): void {
    if (this.#host.unsentBytes === 0) {
      this.stop();
      return;
    }
    const progress = this.#host.writeProgress();
    const last = this.#last;
    this.#last = progress;
    if (last === undefined || hasProgressed(last, progress)) this.#sawProgress(now);
    else if (!this.#isLooking) void this.#look(now, progress);
  }

  #sawProgress(now: number): void {
    this.#since = now;
    this.#lastUnacknowledged = undefined;
  }

  /** The system has taken nothing since the last check. Has the peer? */
  async #look(now: number, progress: WriteProgress): Promise<void> {
    this.#isLooking = true;
    const before = this.#lastUnacknowledged;
    const unacknowledged = await this.#host.unacknowledgedBytes();
    this.#isLooking = false;
    // What was seen is of use only if the system has still taken nothing.
    if (!this.isWatching || this.#host.unsentBytes === 0) return;
    if (hasProgressed(progress, this.#host.writeProgress())) return this.#sawProgress(now);
    this.#lastUnacknowledged = unacknowledged;
    if (before !== undefined && unacknowledged !== undefined && unacknowledged < before) this.#since = now;
    // Two numbers are needed to see progress. Where only one look gave one, the next decides.
    if ((before === undefined) !== (unacknowledged === undefined)) return;
    if (now - this.#since < this.timeoutMs) return;
    this.stop();
    this.#host.writeTimedOut();
  }
}

/** True if anything was taken between the two. More may have been written meanwhile. */
export function hasProgressed(from: WriteProgress, to: WriteProgress): boolean {
  if (from.complete === undefined || to.complete === undefined) return from.left !== to.left;
  // Within one write what is left only shrinks.
  return to.complete > from.complete || to.left < from.left;
}
