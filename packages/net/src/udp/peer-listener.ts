import { isUtf8 } from "node:buffer";
import { AcceptQueue } from "../flow/accept-queue.ts";
import type { IpAddr } from "../contracts/addr.ts";
import { AddressCookies } from "./address-cookie.ts";
import { AddressCounts, hostOf } from "../flow/address-limits.ts";
import type { AddressSet } from "../flow/address-set.ts";
import type { Deadline, Listener, WaitOptions } from "../contracts/conn.ts";
import { NetError } from "../contracts/error.ts";
import { type FailureSite, timeoutError } from "../contracts/failures.ts";
import type { MessageConn, SendOutcome } from "../contracts/message-conn.ts";
import type { Packet, PacketConn } from "../contracts/packet-conn.ts";
import { PeerConn, type PeerConnSettings, type PeerHost } from "./peer-conn.ts";
import { type PeerLimits, PeerTable } from "./peer-table.ts";
import { told } from "../flow/told.ts";

/** Time, to be replaced in tests. */
export interface Clock {
  /** Milliseconds from any beginning; never goes back. */
  now(): number;
  /** Calls `callback` once after `delayMs`; returns how to prevent it. */
  setTimer(callback: () => void, delayMs: number): () => void;
}

/**
 * What `peers` needs of a datagram socket; a `PacketConn` has it. One without `flush` and `bufferedAmount`
 * has sent what it accepts, one without `ref` and `unref` holds no process.
 */
export type PeerSocket = Pick<PacketConn, "localAddr" | "serve" | "trySend" | "close"> &
  Partial<Pick<PacketConn, "flush" | "bufferedAmount" | "ref" | "unref">>;

/** A listener of the peers of a datagram socket. */
export interface PeerListener extends Listener<MessageConn, IpAddr> {
  /** Peers whose address is proved, or cannot be forged. */
  readonly verifiedPeers: number;
  /** Peers whose address may be forged. */
  readonly unverifiedPeers: number;
  /** Datagrams thrown away: too large, not text, or nobody took them in time. */
  readonly dropped: number;
  /** Unverified peers driven out by newer ones. */
  readonly evicted: number;
}

/** `PeersOptions` made complete. */
export interface PeersSettings extends PeerConnSettings, PeerLimits {
  readonly maxPeersPerAddress: number;
  readonly exempt: AddressSet;
  readonly trustsLoopback: boolean;
  readonly maxMessageBytes: number;
  readonly isText: boolean;
  readonly closeTimeoutMs: number;
  readonly maxPending: number;
  readonly clock: Clock;
}

/** A timer that is later than this was not looked at for long. */
const STOOD_STILL_MS = 500;
/** How long what has come meanwhile is read before anybody is judged. */
const CATCH_UP_MS = 1_000;

/** The peers of one datagram socket: who is known, who is let in, and when a connection is over. */
export class DatagramPeers implements PeerListener, PeerHost {
  readonly settings: PeersSettings;
  readonly #packets: PeerSocket;
  readonly #cookies: AddressCookies;
  readonly #table: PeerTable<PeerConn>;
  /** Of the verified ones: an address that may be forged is nobody's. */
  readonly #perAddress: AddressCounts;
  readonly #queue: AcceptQueue<PeerConn>;
  #cancelSweep: (() => void) | undefined;
  #isStopped = false;
  #dropped = 0;
  #evicted = 0;

  constructor(packets: PeerSocket, settings: PeersSettings) {
    this.settings = settings;
    this.#packets = packets;
    this.#cookies = new AddressCookies(() => settings.clock.now());
    this.#table = new PeerTable(settings);
    this.#perAddress = new AddressCounts(settings.maxPeersPerAddress, settings.exempt);
    this.#queue = new AcceptQueue<PeerConn>({
      addr: packets.localAddr,
      maxPending: 2 * settings.maxPending,
      stop: () => this.#stop(),
    });
    packets.serve({
      message: (packet) => this.#take(packet),
      close: (error) => this.#socketClosed(error),
    });
  }

  get addr(): IpAddr {
    return this.#packets.localAddr;
  }

  get verifiedPeers(): number {
    return this.#table.verifiedCount;
  }

  get unverifiedPeers(): number {
    return this.#table.unverifiedCount;
  }

  get dropped(): number {
    return this.#dropped;
  }

  get evicted(): number {
    return this.#evicted;
  }

  accept(options?: WaitOptions): Promise<MessageConn> {
    return this.#queue.accept(options);
  }

  [Symbol.asyncIterator](): AsyncIterator<MessageConn> {
    return this.#queue[Symbol.asyncIterator]();
  }

  close(): Promise<void> {
    return this.#queue.close();
  }

  drain(deadline: Deadline, options?: WaitOptions): Promise<void> {
    return told(this.#queue.drain(deadline, options).then(() => this.#packets.close()));
  }

  async abort(): Promise<void> {
    await this.#queue.abort();
    await this.#packets.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  unref(): void {
    this.#packets.unref?.();
  }

  ref(): void {
    this.#packets.ref?.();
  }

  // What a peer's connection asks for.

  get bufferedAmount(): number {
    return this.#packets.bufferedAmount ?? 0;
  }

  transmit(bytes: Uint8Array, addr: IpAddr): SendOutcome {
    return this.#packets.trySend(bytes, addr);
  }

  flush(options?: WaitOptions): Promise<void> {
    return this.#packets.flush?.(options) ?? Promise.resolve();
  }

  async flushInTime(site: FailureSite): Promise<void> {
    const late = new AbortController();
    const forget = this.#after(this.settings.closeTimeoutMs, () => late.abort());
    try {
      await this.flush({ signal: late.signal });
    } catch (error) {
      throw late.signal.aborted ? timeoutError(site) : error;
    } finally {
      forget?.();
    }
  }

  cookieFor(key: string): string {
    return this.#cookies.make(key);
  }

  verify(peer: PeerConn, cookie: string): boolean {
    if (!this.#cookies.verify(peer.key, cookie)) return false;
    const holder = this.#perAddress.take(hostOf(peer.peer.addr));
    if (holder === undefined) return false;
    if (this.#table.verified(peer.key)) return true;
    this.#perAddress.release(holder);
    return false;
  }

  closing(peer: PeerConn): void {
    if (this.#table.remove(peer.key, peer)) this.#perAddress.releaseAt(hostOf(peer.peer.addr));
  }

  ended(peer: PeerConn): void {
    this.closing(peer);
    this.#queue.ended(peer);
    if (this.#isStopped) void this.#closeIfEmpty();
  }

  countDropped(): void {
    this.#dropped += 1;
  }

  #take({ bytes, addr }: Packet): void {
    const { maxMessageBytes, isText, clock } = this.settings;
    if (bytes.length > maxMessageBytes || (isText && !isUtf8(bytes))) {
      this.#dropped += 1;
      return;
    }
    const key = addr.toString();
    const now = clock.now();
    const peer = this.#table.heard(key, now) ?? this.#meet(key, addr, now);
    if (peer === undefined) this.#dropped += 1;
    else peer.take(isText ? textOf(bytes) : bytes, bytes.length);
  }

  /** A peer that was not known; `undefined` if there is no room for it, or the listener is closed. */
  #meet(key: string, addr: IpAddr, now: number): PeerConn | undefined {
    const { trustsLoopback, maxPending } = this.settings;
    const isVerified = trustsLoopback && isLoopback(addr.host);
    if (this.#isStopped || this.#queue.isFull) return undefined;
    if (!isVerified && this.#queue.pendingCount >= maxPending) return undefined;
    if (isVerified && !(this.#table.hasRoomForVerified && this.#perAddress.take(addr.host))) return undefined;
    const peer = new PeerConn(this, key, addr, this.addr, isVerified, now);
    const evicted = this.#table.add(key, peer, isVerified);
    if (evicted !== undefined) {
      this.#evicted += 1;
      evicted.end({ code: 1013, reason: "too many unverified peers", wasClean: false });
    }
    this.#queue.offer(peer);
    this.#sweepAfter(this.settings.idleTimeoutMs);
    return peer;
  }

  #sweepAfter(delayMs: number): void {
    const dueAt = this.settings.clock.now() + delayMs;
    this.#cancelSweep ??= this.#after(delayMs, () => this.#isDue(dueAt));
  }

  /** If this process stood still, what peers have said meanwhile waits in the socket, and is read first. */
  #isDue(dueAt: number): void {
    const { idleTimeoutMs, clock } = this.settings;
    if (clock.now() - dueAt <= STOOD_STILL_MS) return this.#sweep();
    this.#cancelSweep = this.#after(Math.min(idleTimeoutMs, CATCH_UP_MS), () => this.#sweep());
  }

  /** A timer of the clock's, which knows nothing of `Infinity`. */
  #after(delayMs: number, callback: () => void): (() => void) | undefined {
    return delayMs === Number.POSITIVE_INFINITY ? undefined : this.settings.clock.setTimer(callback, delayMs);
  }

  /** Ends the peers that were not heard, and comes again when the next one may be due. */
  #sweep(): void {
    this.#cancelSweep = undefined;
    const { idleTimeoutMs, clock } = this.settings;
    const now = clock.now();
    let oldest = Number.POSITIVE_INFINITY;
    for (const peer of [...this.#table]) {
      if (now - peer.lastSeenAt >= idleTimeoutMs) {
        peer.end({ code: 1001, reason: `nothing came for ${idleTimeoutMs} ms`, wasClean: true });
      } else {
        oldest = Math.min(oldest, peer.lastSeenAt);
      }
    }
    if (oldest === Number.POSITIVE_INFINITY) return;
    // Not for each peer by itself: up to a twentieth of the timeout late.
    this.#sweepAfter(Math.max(oldest + idleTimeoutMs - now, idleTimeoutMs / 20));
  }

  #stop(): Promise<void> {
    this.#isStopped = true;
    return this.#closeIfEmpty();
  }

  async #closeIfEmpty(): Promise<void> {
    // Peers that nobody has accepted are ended by the queue, one by one, after this.
    if (this.#queue.openCount > 0) return;
    this.#cancelSweep?.();
    this.#cancelSweep = undefined;
    await this.#packets.close();
  }

  /** By us, or because it broke. */
  #socketClosed(error: Error | undefined): void {
    this.#cancelSweep?.();
    this.#cancelSweep = undefined;
    const reason = error?.message ?? "the socket was closed";
    for (const peer of [...this.#table]) {
      peer.end({ code: 1006, reason, wasClean: false, ...(error === undefined ? {} : { error }) });
    }
    if (this.#isStopped) return;
    this.#queue.fail(
      new NetError({
        op: "accept",
        code: "closed",
        network: "udp",
        localAddr: this.addr,
        reason,
        cause: error,
      }),
    );
  }
}

function isLoopback(host: string): boolean {
  return host.startsWith("127.") || host === "::1";
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}
