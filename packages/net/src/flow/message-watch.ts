import { Watch } from "./rounds.ts";

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
 * Ends a connection whose peer begins a message and does not complete it in time. Keepalive does not: a peer that sends a byte now and then is alive. It
 * is at work only while a message is partway.
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
