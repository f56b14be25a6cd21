import {
  checkPeriodMs,
  hasProgressed,
  MessageWatch,
  type MessageWatchHost,
  type Monitored,
  monitor,
  rejection,
  type Transport,
  unmonitor,
  type WriteProgress,
  WriteWatch,
  type WriteWatchHost,
} from "@zocalo/net/transport";
import type { Core } from "../core/core.ts";
import type { WebSocketNetError } from "../core/error.ts";
import { Heartbeat, type HeartbeatHost } from "./heartbeat.ts";
import type { ConnSettings } from "./options.ts";
import { SendWaiters } from "./send-waiters.ts";

const RESOLVED = Promise.resolve();

/**
 * Looks after the peer of a session: what it takes of the bytes that it is sent, who waits for that, and
 * whether it is there at all. The first of three classes that are one object, which is the smallest for an
 * idle connection: `SendHalf` goes on from here, and `Session` from that.
 */
export abstract class PeerWatch implements HeartbeatHost, MessageWatchHost, Monitored, WriteWatchHost {
  abstract readonly core: Core;
  readonly transport: Transport;
  readonly settings: ConnSettings;
  protected isTransportClosed = false;
  /** A write has failed: nothing more is written, but what has arrived is still read. */
  protected isWriteBroken = false;
  /** This side has ended, or was cut: nothing more is handed over. */
  protected hasEnded = false;
  /** Bytes handed to the transport so far, frames and all. */
  protected handedBytes = 0;
  /** As many of them the system has taken. */
  takenBytes = 0;
  /** As many were accepted from the application, counted to the end of its last frame. */
  protected promisedBytes = 0;
  /** Some of what was accepted was not taken, and never will be. */
  protected isLost = false;
  /** Made for the first call that waits. */
  protected waiters: SendWaiters | undefined;
  /**
   * Keepalive asked for the peer then, and has heard nothing since; 0 if it has been heard. So the hot path
   * needs no clock.
   */
  protected silentSince = 0;
  messageNumber = 0;
  slot = -1;
  #heartbeat: Heartbeat | undefined;
  #messageWatch: MessageWatch | undefined;
  #writeWatch: WriteWatch | undefined;
  /** While keepalive looks at a silent peer for which something waits. */
  #lastProgress: WriteProgress | undefined;

  constructor(transport: Transport, settings: ConnSettings) {
    this.transport = transport;
    this.settings = settings;
  }

  /** For calls on a connection that is over. */
  abstract closedError(): WebSocketNetError;
  /** The application is behind, or others have their turn: nothing is read. */
  abstract readonly isHeldBack: boolean;
  abstract messageTimedOut(): void;
  abstract flushLater(): void;
  /** Cuts the connection: the peer has not done in time what was due. */
  protected abstract timedOut(reason: string, op: "read" | "write"): void;

  get isOpen(): boolean {
    return this.core.isOpen;
  }

  /** Bytes that the system has not taken. */
  get unsentBytes(): number {
    return this.transport.bufferedBytes;
  }

  /**
   * True if the system has taken all that was accepted. Does not change any more once the transport has
   * closed.
   */
  protected get hasTakenAll(): boolean {
    return this.takenBytes >= this.promisedBytes;
  }

  /** True if some of what was accepted was not taken, and never will be. */
  get hasLost(): boolean {
    return this.isLost || (this.isTransportClosed && !this.hasTakenAll);
  }

  /**
   * Resolves when the system has taken so many bytes in all; rejects when it never will, or with the signal.
   */
  protected untilTaken(until: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.hasLost) return Promise.reject(this.closedError());
    if (this.takenBytes >= until) return RESOLVED;
    return (this.waiters ??= new SendWaiters()).untilTaken(until, signal);
  }

  /** Cuts the transport. */
  cutTransport(): void {
    this.hasEnded = true;
    this.transport.destroy();
  }

  /** Cuts it, so that the peer is told by a reset where that can be done. */
  protected resetTransport(): void {
    this.hasEnded = true;
    this.transport.reset();
  }

  writeProgress(): WriteProgress {
    return this.transport.progress();
  }

  unacknowledgedBytes(): Promise<number | undefined> {
    return this.transport.unacknowledgedBytes();
  }

  /** True if the system has taken some of what waited here when this was asked last. */
  protected hasTakenSome(): boolean {
    const last = this.#lastProgress;
    const progress = this.unsentBytes === 0 ? undefined : this.writeProgress();
    this.#lastProgress = progress;
    return last !== undefined && (progress === undefined || hasProgressed(last, progress));
  }

  /** Something waits in the transport: a peer that takes nothing of it is cut off. */
  protected watchWrites(): void {
    const { writeTimeoutMs } = this.settings;
    if (writeTimeoutMs === Number.POSITIVE_INFINITY) return;
    this.#writeWatch ??= new WriteWatch(this, writeTimeoutMs);
    this.#writeWatch.start();
  }

  writeTimedOut(): void {
    const { writeTimeoutMs } = this.settings;
    this.timedOut(`the peer has taken nothing of what waits for it for ${writeTimeoutMs} ms`, "write");
  }

  /** The transport has closed, or nothing more can be written: whoever waits is told. */
  protected stopSending(): void {
    this.#writeWatch?.stop();
    if (!this.hasTakenAll) this.isLost = true;
    if (this.waiters !== undefined) this.waiters.fail(this.closedError());
  }

  protected startKeepalive(): void {
    const { pingIntervalMs, pongTimeoutMs } = this.settings;
    if (pingIntervalMs !== Number.POSITIVE_INFINITY)
      monitor(this, checkPeriodMs(pingIntervalMs, pongTimeoutMs));
  }

  /** The transport has closed. */
  protected stopWatching(): void {
    this.#messageWatch?.stop();
    const { pingIntervalMs, pongTimeoutMs } = this.settings;
    if (pingIntervalMs !== Number.POSITIVE_INFINITY)
      unmonitor(this, checkPeriodMs(pingIntervalMs, pongTimeoutMs));
    this.#heartbeat?.stop(() => this.closedError());
  }

  checkPeer(now: number): void {
    const since = this.silentSince;
    if (this.isHeldBack) {
      this.silentSince = 0; // Once it is read again it has a whole interval.
      this.#beating().unread(now, since);
    } else if (since === 0) {
      this.silentSince = now;
      this.#heartbeat?.heard();
    } else if (this.hasTakenSome()) {
      // A peer that takes what waits for it is alive, if it says nothing, too.
      this.silentSince = now;
      this.#heartbeat?.heard();
    } else if (now - since >= this.settings.pingIntervalMs) {
      this.#beating().silent(now);
    }
  }

  #beating(): Heartbeat {
    return (this.#heartbeat ??= new Heartbeat(this));
  }

  ping(): Promise<number> {
    return this.core.isOpen ? this.#beating().ping() : rejection(this.closedError());
  }

  get roundTripMs(): number | undefined {
    return this.#heartbeat?.roundTripMs;
  }

  get isSilent(): boolean {
    return this.silentSince !== 0;
  }

  sendPing(payload: Uint8Array): void {
    this.core.ping(payload);
    this.flushLater();
  }

  probeAfter(ms: number): void {
    this.transport.keepAlive(ms);
  }

  peerIsGone(reason: string): void {
    this.timedOut(reason, "read");
  }

  /** A pong has come. */
  protected heardPong(payload: Uint8Array): void {
    this.#heartbeat?.pong(payload);
  }

  /** A message is partway: a peer that does not complete it in time is cut off. */
  protected watchMessage(): void {
    const { messageTimeoutMs } = this.settings;
    if (messageTimeoutMs === Number.POSITIVE_INFINITY) return;
    this.#messageWatch ??= new MessageWatch(this, messageTimeoutMs);
    this.#messageWatch.start();
  }

  get isPartway(): boolean {
    return this.core.isOpen && this.core.isPartway;
  }
}
