import { asItIs, Waiter } from "@zocalo/net/transport";

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
  /** True if nothing has come from the peer since it was asked for last. */
  readonly isSilent: boolean;
  /** Bytes that the operating system has not taken. */
  readonly unsentBytes: number;
  /** Bytes that it has taken, in all. */
  readonly takenBytes: number;
  /**
   * Bytes that it has taken and the peer's system has not acknowledged; `undefined` where that cannot be
   * known. Never rejects.
   */
  unacknowledgedBytes(): Promise<number | undefined>;
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
  readonly waiter: Waiter<number> | undefined;
}

/**
 * Pings of the application and of keepalive, and the round trips they measure. A connection has one from its
 * first ping on; that its peer is heard it keeps itself.
 */
export class Heartbeat {
  /** Milliseconds of the last round trip. */
  roundTripMs: number | undefined;
  readonly #host: HeartbeatHost;
  #awaited: AwaitedPong[] | undefined;
  #number = 0;
  /**
   * When keepalive pinged the peer that has been silent since; 0 if it has not. The next ping to an unread
   * peer is counted from here, too.
   */
  #pingedAt = 0;
  #isProbed = false;
  /** Bytes that the peer's system had acknowledged at the last look since that ping. */
  #acknowledged: number | undefined;
  #isLooking = false;
  #isStopped = false;

  constructor(host: HeartbeatHost) {
    this.#host = host;
  }

  /** Pings that wait reject with `makeError()`. */
  stop(makeError: () => Error): void {
    this.#isStopped = true;
    const awaited = this.#awaited;
    this.#awaited = undefined;
    for (const each of awaited ?? []) each.waiter?.reject(makeError());
  }

  /** Pings; resolves with the round trip in milliseconds. */
  ping(): Promise<number> {
    const waiter = new Waiter(asItIs<number>);
    this.#send(waiter);
    return waiter.promise;
  }

  /** A pong has come. One may answer for the pings before it, too (RFC 6455 §5.5.3). */
  pong(payload: Uint8Array): void {
    const awaited = this.#awaited;
    if (payload.length !== PING_PAYLOAD_BYTES || awaited === undefined) return;
    const number = new DataView(payload.buffer, payload.byteOffset).getUint32(0);
    const at = awaited.findIndex((each) => each.number === number);
    if (at === -1) return;
    const now = performance.now();
    this.#awaited = at === awaited.length - 1 ? undefined : awaited.slice(at + 1);
    for (const { sentAt, waiter } of awaited.slice(0, at + 1)) {
      this.roundTripMs = now - sentAt;
      waiter?.resolve(this.roundTripMs);
    }
  }

  /** The peer was heard since it was asked for last. */
  heard(): void {
    this.#pingedAt = 0;
    this.#acknowledged = undefined;
  }

  /** The peer has been silent for `pingIntervalMs` at least, and none of what waits here was taken. */
  silent(now: number): void {
    if (this.#pingedAt > 0) {
      if (!this.#isLooking) void this.#look(now, this.#pingedAt);
    } else if (this.#host.isOpen) {
      this.#pingedAt = now;
      this.#send(undefined);
    }
  }

  /**
   * The ping may wait behind megabytes that the system has taken: a peer that takes them, however slowly,
   * lives, although it cannot have seen the ping. So its acknowledgements count. The first look comes a check
   * after the ping, which a peer's system acknowledges even if the peer has stopped.
   */
  async #look(now: number, pingedAt: number): Promise<void> {
    const host = this.#host;
    this.#isLooking = true;
    const taken = host.takenBytes;
    const unacknowledged = await host.unacknowledgedBytes();
    this.#isLooking = false;
    // It was heard meanwhile, or all is over.
    if (this.#pingedAt !== pingedAt || !host.isSilent || this.#isStopped) return;
    const before = this.#acknowledged;
    const acknowledged = unacknowledged === undefined ? undefined : taken - unacknowledged;
    this.#acknowledged = acknowledged;
    if (before !== undefined && acknowledged !== undefined && acknowledged > before) {
      this.#pingedAt = now;
      return;
    }
    // Two numbers are needed to see progress. Where only one look gave one, the next decides.
    if ((before === undefined) !== (acknowledged === undefined)) return;
    const { pingIntervalMs, pongTimeoutMs } = host.settings;
    if (now - pingedAt < pongTimeoutMs) return;
    host.peerIsGone(
      `nothing came from the peer for ${pingIntervalMs} ms, nor for ${pongTimeoutMs} ms after a ping, and it took nothing`,
    );
  }

  /**
   * The application has left so much unread that nothing is read from the peer. Silence proves nothing then.
   * The kernel's own probes do, and the next ping fails once they have, or once the peer's reset has come.
   *
   * @param since from when on it was silent, if it was when it was still read; else 0.
   */
  unread(now: number, since: number): void {
    const { pingIntervalMs } = this.#host.settings;
    if (!this.#isProbed) {
      this.#isProbed = true;
      this.#host.probeAfter(Math.max(1000, pingIntervalMs / 2));
    }
    if (since !== 0) this.#pingedAt = since;
    else if (this.#pingedAt === 0) this.#pingedAt = now;
    if (now - this.#pingedAt < pingIntervalMs || !this.#host.isOpen) return;
    this.#pingedAt = now;
    if (this.#host.unsentBytes === 0) this.#send(undefined);
  }

  #send(waiter: AwaitedPong["waiter"]): void {
    this.#number = (this.#number + 1) >>> 0;
    const sent: AwaitedPong = { number: this.#number, sentAt: performance.now(), waiter };
    if (this.#awaited === undefined) {
      this.#awaited = [sent];
    } else {
      // A peer that talks but never answers must not make the list grow.
      if (waiter === undefined && this.#awaited.at(-1)?.waiter === undefined) this.#awaited.pop();
      this.#awaited.push(sent);
    }
    const payload = Buffer.allocUnsafe(PING_PAYLOAD_BYTES);
    payload.writeUInt32BE(this.#number);
    this.#host.sendPing(payload);
  }
}
