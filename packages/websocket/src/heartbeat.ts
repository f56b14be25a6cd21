import { checkPeriodMs, type Monitored, monitor, unmonitor } from "./keepalive.ts";

const PING_PAYLOAD_BYTES = 4;

/** The times of a heartbeat. */
export interface HeartbeatSettings {
  /** 0: no keepalive. */
  readonly pingIntervalMs: number;
  readonly pongTimeoutMs: number;
}

/** The connection, as its heartbeat sees it. */
export interface HeartbeatHost {
  readonly settings: HeartbeatSettings;
  /** True while pings can be sent. */
  readonly isOpen: boolean;
  /** True while the application has left so much unread that nothing is read from the peer: a pong could not be seen. */
  readonly isHeldBack: boolean;
  /** Bytes that the operating system has not taken. */
  readonly unsentBytes: number;
  sendPing(payload: Uint8Array): void;
  /** Lets the kernel probe the peer after this much silence. */
  probeAfter(ms: number): void;
  /** The peer is gone. `reason` says how that is known. */
  peerIsGone(reason: string): void;
}

interface AwaitedPong {
  readonly number: number;
  readonly sentAt: number;
  /** For pings of the application; keepalive's have none. */
  readonly waiter: { resolve(roundTripMs: number): void; reject(error: Error): void } | undefined;
}

/** Pings of the application and of keepalive, and the round trips they measure. */
export class Heartbeat implements Monitored {
  /** Set by the connection when anything has come from the peer: so the hot path needs no clock. */
  wasHeard = true;
  /** Milliseconds of the last round trip. */
  roundTripMs: number | undefined;
  seat = -1;
  readonly #host: HeartbeatHost;
  #awaited: AwaitedPong[] | undefined;
  #number = 0;
  #silentSince = 0;
  #pingedAt = 0;
  #isProbed = false;

  constructor(host: HeartbeatHost) {
    this.#host = host;
  }

  start(): void {
    const { pingIntervalMs, pongTimeoutMs } = this.#host.settings;
    if (pingIntervalMs > 0) monitor(this, checkPeriodMs(pingIntervalMs, pongTimeoutMs));
  }

  /** Pings that wait reject with `makeError()`. */
  stop(makeError: () => Error): void {
    const { pingIntervalMs, pongTimeoutMs } = this.#host.settings;
    if (pingIntervalMs > 0) unmonitor(this, checkPeriodMs(pingIntervalMs, pongTimeoutMs));
    const awaited = this.#awaited;
    this.#awaited = undefined;
    for (const each of awaited ?? []) each.waiter?.reject(makeError());
  }

  /** Pings; resolves with the round trip in milliseconds. */
  ping(): Promise<number> {
    return new Promise((resolve, reject) => this.#send(performance.now(), { resolve, reject }));
  }

  /** A pong has come. One may answer for the pings before it, too (RFC 6455 §5.5.3). */
  pong(payload: Uint8Array): void {
    if (payload.length !== PING_PAYLOAD_BYTES || this.#awaited === undefined) return;
    const number = new DataView(payload.buffer, payload.byteOffset).getUint32(0);
    const at = this.#awaited.findIndex((awaited) => awaited.number === number);
    if (at === -1) return;
    const now = performance.now();
    for (const awaited of this.#awaited.splice(0, at + 1)) {
      this.roundTripMs = now - awaited.sentAt;
      awaited.waiter?.resolve(this.roundTripMs);
    }
  }

  checkPeer(now: number): void {
    const { pingIntervalMs, pongTimeoutMs } = this.#host.settings;
    if (this.#host.isHeldBack) {
      this.#checkUnreadPeer(now);
    } else if (this.wasHeard) {
      this.wasHeard = false;
      this.#silentSince = now;
      this.#pingedAt = 0;
    } else if (this.#pingedAt > 0) {
      if (now - this.#pingedAt < pongTimeoutMs) return;
      this.#host.peerIsGone(
        `nothing came from the peer for ${pingIntervalMs} ms, nor for ${pongTimeoutMs} ms after a ping`,
      );
    } else if (now - this.#silentSince >= pingIntervalMs && this.#host.isOpen) {
      this.#pingedAt = now;
      this.#send(now, undefined);
    }
  }

  /**
   * Silence proves nothing while nothing is read. The kernel's own probes do, and the next ping fails once they have, or once the peer's
   * reset has come.
   */
  #checkUnreadPeer(now: number): void {
    const { pingIntervalMs } = this.#host.settings;
    if (!this.#isProbed) {
      this.#isProbed = true;
      this.#host.probeAfter(Math.max(1000, pingIntervalMs / 2));
    }
    this.wasHeard = true; // Once it is read again it has a whole interval.
    if (now - this.#silentSince < pingIntervalMs || !this.#host.isOpen) return;
    this.#silentSince = now;
    if (this.#host.unsentBytes === 0) this.#send(now, undefined);
  }

  #send(now: number, waiter: AwaitedPong["waiter"]): void {
    this.#awaited ??= [];
    // A peer that talks but never answers must not make the list grow.
    if (waiter === undefined && this.#awaited.at(-1)?.waiter === undefined) this.#awaited.pop();
    this.#number = (this.#number + 1) >>> 0;
    this.#awaited.push({ number: this.#number, sentAt: now, waiter });
    const payload = Buffer.allocUnsafe(PING_PAYLOAD_BYTES);
    payload.writeUInt32BE(this.#number);
    this.#host.sendPing(payload);
  }
}
