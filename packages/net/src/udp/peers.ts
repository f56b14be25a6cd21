import { isUtf8 } from "node:buffer";
import { AcceptQueue } from "../flow/accept-queue.ts";
import { MAX_DELAY_MS } from "../flow/deadline.ts";
import type { IpAddr } from "../contracts/addr.ts";
import { AddressCookies } from "./address-cookie.ts";
import { AddressCounts, exemptSet, hostOf } from "../flow/address-limits.ts";
import type { Deadline, Listener, WaitOptions } from "../contracts/conn.ts";
import { NetError } from "../contracts/error.ts";
import { argumentError, type FailureSite, timeoutError } from "../contracts/failures.ts";
import { MESSAGE_KINDS } from "../framing/framed-conn.ts";
import type { InboxLimits } from "../flow/inbox.ts";
import type { MessageConn, SendOutcome } from "../contracts/message-conn.ts";
import type { Packet, PacketConn } from "../contracts/packet-conn.ts";
import { type DatagramEncoding, lineDatagram, PeerConn, type PeerHome, plainDatagram } from "./peer-conn.ts";
import { PeerTable } from "./peer-table.ts";
import { told } from "../flow/told.ts";
import { MAX_DATAGRAM_BYTES } from "./udp-socket.ts";
import { checkKind, checkNames, checkOneOf, type Names, shown } from "../options/check-values.ts";

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

/** Options of `peers`. */
export interface PeersOptions {
  /** A peer that is not heard for this long is gone: its connection ends with code 1001. Milliseconds, default 60,000. */
  readonly idleTimeoutMs?: number | undefined;
  /** Most verified peers; further ones stay unverified. Default 10,000. */
  readonly maxPeers?: number | undefined;
  /** Most verified peers of one address (an IPv6 /64 is one); further ones stay unverified. Default 1,000; `Infinity`: no limit. */
  readonly maxPeersPerAddress?: number | undefined;
  /** Who has no limit of its own, see `AddressLimitOptions`. Default: this machine, `localAddresses`. */
  readonly exemptAddresses?: readonly string[] | undefined;
  /** Most peers whose address may be forged. One more ends the one unheard for longest, with code 1013. Default 1,000. */
  readonly maxUnverifiedPeers?: number | undefined;
  /** Whether loopback sources must prove their address too. They cannot be forged from outside. Default `false`. */
  readonly verifyLoopback?: boolean | undefined;
  /** Largest datagram taken, in bytes; larger ones are dropped and counted. Default 65,507: all. */
  readonly maxMessageBytes?: number | undefined;
  /** Largest message sent, in bytes. One that does not fit the path's MTU is sent in IP fragments, and lost if any of them is. Default 65,507. */
  readonly maxSendBytes?: number | undefined;
  /** Bytes of datagrams of one peer that wait for the application; what comes then is dropped and counted. Default 65,536. */
  readonly receiveLimitBytes?: number | undefined;
  /** Datagrams of one peer that wait for the application; one more is dropped and counted. Default 64. */
  readonly receiveLimitMessages?: number | undefined;
  /** Whether a datagram is received as `string` (dropped and counted if it is not UTF-8) or as `Uint8Array`. Default `"text"`. */
  readonly messages?: "text" | "binary" | undefined;
  /** Whether each text sent ends with a newline, for those who read it in a terminal. Default `false`. */
  readonly newlines?: boolean | undefined;
  /** How long `close` of a connection waits for datagrams that wait in this process, in milliseconds. Default 5,000. */
  readonly closeTimeoutMs?: number | undefined;
  /**
   * Most new peers that wait for `accept`, and as many again of those whose address cannot be forged, which the others do not crowd out. The
   * datagram of one more is dropped and counted. Default 512.
   */
  readonly maxPending?: number | undefined;
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
}

/** Used where `PeersOptions` leaves a field out. */
export const defaultPeersOptions = {
  idleTimeoutMs: 60_000,
  maxPeers: 10_000,
  maxPeersPerAddress: 1_000,
  maxUnverifiedPeers: 1_000,
  maxMessageBytes: MAX_DATAGRAM_BYTES,
  maxSendBytes: MAX_DATAGRAM_BYTES,
  receiveLimitBytes: 65_536,
  receiveLimitMessages: 64,
  closeTimeoutMs: 5_000,
  maxPending: 512,
} as const satisfies PeersOptions;

const names: Names<PeersOptions> = {
  idleTimeoutMs: 1,
  maxPeers: 1,
  maxPeersPerAddress: 1,
  maxUnverifiedPeers: 1,
  maxMessageBytes: 1,
  maxSendBytes: 1,
  receiveLimitBytes: 1,
  receiveLimitMessages: 1,
  closeTimeoutMs: 1,
  maxPending: 1,
  exemptAddresses: 1,
  verifyLoopback: 1,
  messages: 1,
  newlines: 1,
  clock: 1,
};

/** A listener of the peers of a datagram socket. */
export interface PeerListener extends Listener<MessageConn> {
  readonly addr: IpAddr;
  /** Peers whose address is proved, or cannot be forged. */
  readonly verifiedPeers: number;
  /** Peers whose address may be forged. */
  readonly unverifiedPeers: number;
  /** Datagrams thrown away: too large, not text, or nobody took them in time. */
  readonly dropped: number;
  /** Unverified peers driven out by newer ones. */
  readonly evicted: number;
}

/**
 * Makes a connection of messages for each source address of a datagram socket: one datagram is one message, either way.
 *
 * A source address can be forged, so until a peer has sent back `peer.verification.cookie` its connection sends no more
 * bytes than came from it: nobody can be flooded through this server. The socket belongs to the listener from now on, and
 * is closed once the listener is and the last peer has gone.
 *
 * @throws NetError `invalid_argument` for a limit that is not a number above 0, an option of another kind, and a
 *   name that is not known.
 * @example
 * const listener = peers(await listenPacket("udp", ":7001"));
 * for await (const conn of listener) serve(conn).catch(report);
 */
export function peers(packets: PeerSocket, options: PeersOptions = {}): PeerListener {
  return new DatagramPeers(packets, options);
}

const systemClock: Clock = {
  now: () => performance.now(),
  setTimer(callback, delayMs) {
    // The socket holds the process, unless it is told not to.
    const timer = setTimeout(callback, delayMs).unref();
    return () => clearTimeout(timer);
  },
};

type Limits = { readonly [K in keyof typeof defaultPeersOptions]: number };

class DatagramPeers implements PeerListener, PeerHome {
  readonly idleTimeoutMs: number;
  readonly maxSendBytes: number;
  readonly encoding: DatagramEncoding;
  readonly inboxLimits: InboxLimits;
  readonly #maxMessageBytes: number;
  readonly #closeTimeoutMs: number;
  readonly #packets: PeerSocket;
  readonly #clock: Clock;
  readonly #cookies: AddressCookies;
  readonly #isText: boolean;
  readonly #trustsLoopback: boolean;
  readonly #table: PeerTable<PeerConn>;
  /** Of the verified ones: an address that may be forged is nobody's. */
  readonly #perAddress: AddressCounts;
  readonly #maxPending: number;
  readonly #queue: AcceptQueue<PeerConn>;
  #cancelSweep: (() => void) | undefined;
  #isStopped = false;
  #dropped = 0;
  #evicted = 0;

  constructor(packets: PeerSocket, options: PeersOptions) {
    checkOptions(options);
    const limits = limitsOf(options);
    this.idleTimeoutMs = limits.idleTimeoutMs;
    this.maxSendBytes = limits.maxSendBytes;
    this.encoding = (options.newlines ?? false) ? lineDatagram : plainDatagram;
    this.inboxLimits = {
      highWaterBytes: limits.receiveLimitBytes,
      highWaterMessages: limits.receiveLimitMessages,
    };
    this.#maxMessageBytes = limits.maxMessageBytes;
    this.#closeTimeoutMs = Math.min(limits.closeTimeoutMs, MAX_DELAY_MS);
    this.#packets = packets;
    this.#clock = options.clock ?? systemClock;
    this.#cookies = new AddressCookies(() => this.#clock.now());
    this.#isText = (options.messages ?? "text") === "text";
    this.#trustsLoopback = !(options.verifyLoopback ?? false);
    this.#table = new PeerTable(limits);
    this.#perAddress = new AddressCounts(limits.maxPeersPerAddress, exemptSet(options.exemptAddresses));
    this.#maxPending = limits.maxPending;
    this.#queue = new AcceptQueue<PeerConn>({
      addr: packets.localAddr,
      maxPending: 2 * limits.maxPending,
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

  unref(): void {
    this.#packets.unref?.();
  }

  ref(): void {
    this.#packets.ref?.();
  }

  async abort(): Promise<void> {
    await this.#queue.abort();
    await this.#packets.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
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
    const forget = this.#clock.setTimer(() => late.abort(), this.#closeTimeoutMs);
    try {
      await this.flush({ signal: late.signal });
    } catch (error) {
      throw late.signal.aborted ? timeoutError(site) : error;
    } finally {
      forget();
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
    if (bytes.length > this.#maxMessageBytes || (this.#isText && !isUtf8(bytes))) {
      this.#dropped += 1;
      return;
    }
    const key = addr.toString();
    const now = this.#clock.now();
    const peer = this.#table.heard(key, now) ?? this.#meet(key, addr, now);
    if (peer === undefined) this.#dropped += 1;
    else peer.take(this.#isText ? textOf(bytes) : bytes, bytes.length);
  }

  /** A peer that was not known; `undefined` if there is no room for it, or the listener is closed. */
  #meet(key: string, addr: IpAddr, now: number): PeerConn | undefined {
    const isVerified = this.#trustsLoopback && isLoopback(addr.host);
    if (this.#isStopped || this.#queue.isFull) return undefined;
    if (!isVerified && this.#queue.pendingCount >= this.#maxPending) return undefined;
    if (isVerified && !(this.#table.hasRoomForVerified && this.#perAddress.take(addr.host))) return undefined;
    const peer = new PeerConn(this, key, addr, this.addr, isVerified, now);
    const evicted = this.#table.add(key, peer, isVerified);
    if (evicted !== undefined) {
      this.#evicted += 1;
      evicted.finish({ code: 1013, reason: "too many unverified peers", wasClean: false });
    }
    this.#queue.offer(peer);
    this.#cancelSweep ??= this.#clock.setTimer(() => this.#sweep(), this.idleTimeoutMs);
    return peer;
  }

  /** Ends the peers that were not heard, and comes again when the next one may be due. */
  #sweep(): void {
    this.#cancelSweep = undefined;
    const { idleTimeoutMs } = this;
    const now = this.#clock.now();
    let oldest = Number.POSITIVE_INFINITY;
    for (const peer of [...this.#table]) {
      if (now - peer.lastSeenAt >= idleTimeoutMs) {
        peer.finish({ code: 1001, reason: `nothing came for ${idleTimeoutMs} ms`, wasClean: true });
      } else {
        oldest = Math.min(oldest, peer.lastSeenAt);
      }
    }
    if (oldest === Number.POSITIVE_INFINITY) return;
    // Not for each peer by itself: up to a twentieth of the timeout late.
    const delayMs = Math.max(oldest + idleTimeoutMs - now, idleTimeoutMs / 20);
    this.#cancelSweep ??= this.#clock.setTimer(() => this.#sweep(), delayMs);
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
      peer.finish({ code: 1006, reason, wasClean: false, ...(error === undefined ? {} : { error }) });
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

function checkOptions(options: PeersOptions): void {
  checkNames("listen", "peers", options, names);
  for (const name of ["verifyLoopback", "newlines"] as const)
    checkKind("listen", name, options[name], "boolean");
  checkOneOf("listen", "messages", options.messages, MESSAGE_KINDS);
  checkKind("listen", "clock", options.clock, "object");
}

function limitsOf(options: PeersOptions): Limits {
  const limits: Record<string, number> = {};
  for (const [name, fallback] of Object.entries(defaultPeersOptions)) {
    const given: unknown = Reflect.get(options, name);
    const value = given === undefined ? fallback : given;
    if (typeof value !== "number" || !(value > 0)) {
      throw argumentError("listen", `${name} ${shown(value)} is not a number above 0`);
    }
    limits[name] = value;
  }
  return { ...defaultPeersOptions, ...limits };
}

function isLoopback(host: string): boolean {
  return host.startsWith("127.") || host === "::1";
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}
