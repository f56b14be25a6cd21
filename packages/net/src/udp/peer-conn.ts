import type { Addr, IpAddr } from "../contracts/addr.ts";
import { asMessage } from "../contracts/as-message.ts";
import { brokenInfo } from "../contracts/close-code.ts";
import type { WaitOptions } from "../contracts/conn.ts";
import { NetError } from "../contracts/error.ts";
import { asError, canceledError, closedError, type FailureSite } from "../contracts/failures.ts";
import type { InboxLimits } from "../flow/inbox-queue.ts";
import { InboxConn } from "../flow/inbox-conn.ts";
import {
  type AddressVerification,
  type CloseInfo,
  type Encoding,
  type Message,
  type Peer,
  PreparedMessage,
  type SendOutcome,
} from "../contracts/message-conn.ts";
import { netErrorFrom } from "../contracts/node-error.ts";
import { rejection } from "../flow/told.ts";

/** What all connections of one socket have in common. */
export interface PeerConnSettings {
  readonly idleTimeoutMs: number;
  /** Largest datagram, in bytes. */
  readonly maxSendBytes: number;
  readonly encoding: DatagramEncoding;
  readonly inboxLimits: InboxLimits;
}

/** What a peer's connection needs of the socket it shares with the others. */
export interface PeerHost {
  readonly settings: PeerConnSettings;
  /** Bytes that wait in the socket, of all peers. */
  readonly bufferedAmount: number;
  transmit(bytes: Uint8Array, addr: IpAddr): SendOutcome;
  /** See `DatagramSocket.flush`. */
  flush(options?: WaitOptions): Promise<void>;
  /** The same before the end, and bounded in time. @throws NetError `timeout` of this site. */
  flushInTime(site: FailureSite): Promise<void>;
  cookieFor(key: string): string;
  /** True if the cookie is right and the peer now counts as verified. */
  verify(peer: PeerConn, cookie: string): boolean;
  /** What comes from its address now is from a new peer. It has not `ended`. */
  closing(peer: PeerConn): void;
  ended(peer: PeerConn): void;
  countDropped(): void;
}

/** How a message becomes a datagram. */
export interface DatagramEncoding extends Encoding {
  /** Bytes it adds to a text. */
  readonly overheadBytes: number;
}

/** The message and nothing else. */
export const plainDatagram: DatagramEncoding = {
  overheadBytes: 0,
  encode: (message) => (typeof message === "string" ? Buffer.from(message, "utf8") : message),
};

/** Text with a newline behind it, for those who read it in a terminal. */
export const lineDatagram: DatagramEncoding = {
  overheadBytes: 1,
  encode: (message) => (typeof message === "string" ? Buffer.from(`${message}\n`, "utf8") : message),
};

/** The connection with one source address of a datagram socket. */
export class PeerConn extends InboxConn implements AddressVerification {
  /** Its place in its listener. */
  slot = -1;
  readonly key: string;
  readonly peer: Peer;
  lastSeenAt: number;
  isVerified: boolean;
  readonly #host: PeerHost;
  readonly #addr: IpAddr;
  /** Bytes that came and were not yet answered by as many; counts until the address is verified. */
  #credit = 0;
  #owesDrain = false;

  constructor(host: PeerHost, key: string, addr: IpAddr, localAddr: Addr, isVerified: boolean, now: number) {
    super(localAddr, host.settings.inboxLimits);
    this.#host = host;
    this.key = key;
    this.#addr = addr;
    this.lastSeenAt = now;
    this.isVerified = isVerified;
    this.peer = new DatagramPeer(this, addr);
  }

  get maxSendBytes(): number {
    const { maxSendBytes, encoding } = this.#host.settings;
    return maxSendBytes - encoding.overheadBytes;
  }

  get idleTimeoutMs(): number | undefined {
    const { idleTimeoutMs } = this.#host.settings;
    return idleTimeoutMs === Number.POSITIVE_INFINITY ? undefined : idleTimeoutMs;
  }

  /**
   * Of all peers together, as what waits does so in the socket that they share. Mostly 0: the system takes a
   * datagram at once.
   */
  get bufferedAmount(): number {
    return this.#host.bufferedAmount;
  }

  /**
   * Never waits: a datagram that cannot leave now is refused.
   *
   * @throws NetError `too_large`; `invalid_argument` for what is no message; `no_room` when the bytes that an
   * unverified address has sent are used up, or when the socket cannot take more; `canceled`, `closed`.
   */
  send(message: Message | PreparedMessage, options?: WaitOptions): Promise<void> {
    const site = this.site("write");
    if (options?.signal?.aborted) return rejection(canceledError(site, options.signal));
    if (this.#isDone()) return rejection(closedError(site));
    let bytes: Uint8Array;
    try {
      bytes = this.#encode(message);
    } catch (error) {
      return rejection(netErrorFrom(error, site));
    }
    if (this.#transmit(bytes) !== "refused") return Promise.resolve();
    if (bytes.length > this.#host.settings.maxSendBytes) {
      const reason = `datagram of ${bytes.length} bytes is larger than ${this.#host.settings.maxSendBytes}`;
      return rejection(new NetError({ ...site, code: "too_large", reason }));
    }
    const reason = this.#hasCredit(bytes.length)
      ? "the socket takes no more datagrams now"
      : `address not verified: ${bytes.length} bytes would be more than the ${this.#credit} that came from it`;
    return rejection(new NetError({ ...site, code: "no_room", reason }));
  }

  trySend(message: Message | PreparedMessage): SendOutcome {
    if (this.#isDone()) return "refused";
    let bytes: Uint8Array;
    try {
      bytes = this.#encode(message);
    } catch {
      return "refused"; // is no message: `send` says so
    }
    return this.#transmit(bytes);
  }

  /**
   * Waits until none of the datagrams that were accepted waits in this process, those of other peers
   * included. One that the system refuses meanwhile is lost, as others are on their way.
   *
   * @throws NetError `closed` when the socket is, or gets, closed while some of them wait, `canceled`.
   */
  flush(options?: WaitOptions): Promise<void> {
    return this.#host.flush(options);
  }

  abort(): void {
    this.#discard(brokenInfo(closedError(this.site("read"))));
  }

  /** Without effect: the socket that it shares holds the process. */
  unref(): void {}

  /** Without effect. */
  ref(): void {}

  // What the socket tells.

  /** A datagram came from this peer. */
  take(message: Message, byteLength: number): void {
    if (!this.isVerified) this.#credit += byteLength;
    this.#tellDrain();
    if (this.inbox.isFull) this.#host.countDropped();
    else this.inbox.push(message, byteLength);
  }

  /** The connection is over, but not by its own doing; what was received is still delivered. */
  end(info: CloseInfo): void {
    this.#host.ended(this);
    this.inbox.end(info);
  }

  /** See `AddressVerification`. */
  get cookie(): string {
    return this.#host.cookieFor(this.key);
  }

  verify(cookie: string): boolean {
    if (this.isVerified) return true;
    if (this.#isDone() || !this.#host.verify(this, cookie)) return false;
    this.isVerified = true;
    this.#tellDrain();
    return true;
  }

  // What the inbox asks for. A datagram's sender cannot be held back.

  pause(): void {}

  resume(): void {}

  protected get isOver(): boolean {
    return this.inbox.isEnded;
  }

  /** Nothing more is sent. */
  #isDone(): boolean {
    return this.isClosing || this.inbox.isEnded;
  }

  /**
   * @throws NetError `invalid_argument` for what is no message, which only callers in JavaScript can pass.
   */
  #encode(message: Message | PreparedMessage): Uint8Array {
    const { encoding } = this.#host.settings;
    return message instanceof PreparedMessage
      ? message.encodedAs(encoding)
      : encoding.encode(asMessage(message));
  }

  #transmit(bytes: Uint8Array): SendOutcome {
    // Too large can never be sent: no `drain` is owed for it.
    if (bytes.length > this.#host.settings.maxSendBytes) return "refused";
    if (!this.#hasCredit(bytes.length) || this.#host.transmit(bytes, this.#addr) === "refused") {
      this.#owesDrain = true;
      return "refused";
    }
    if (!this.isVerified) this.#credit -= bytes.length;
    return "sent";
  }

  #hasCredit(byteLength: number): boolean {
    return this.isVerified || byteLength <= this.#credit;
  }

  #tellDrain(): void {
    if (!this.#owesDrain) return;
    this.#owesDrain = false;
    this.inbox.drained();
  }

  /**
   * At once, unless datagrams wait in this process: then when they have left, see `flush`.
   *
   * @throws NetError `timeout` when they have not by `PeersOptions.closeTimeoutMs`, `closed` when the socket
   *   was closed before.
   */
  protected finish(info: CloseInfo): Promise<void> {
    if (this.bufferedAmount > 0) return this.#finishLater(info);
    this.#discard(info);
    return this.flush(); // Nothing waits; but the socket may have been closed while something did.
  }

  async #finishLater(info: CloseInfo): Promise<void> {
    this.inbox.stop();
    this.#host.closing(this);
    try {
      await this.#host.flushInTime(this.site("close"));
    } catch (error) {
      const failure = asError(error);
      this.#discard(brokenInfo(failure));
      throw failure;
    }
    this.#discard(info);
  }

  #discard(info: CloseInfo): void {
    this.inbox.discard(info);
    this.#host.ended(this);
  }
}

class DatagramPeer implements Peer {
  readonly transport = "udp";
  readonly addr: Addr;
  readonly #conn: PeerConn;

  constructor(conn: PeerConn, addr: Addr) {
    this.#conn = conn;
    this.addr = addr;
  }

  get verification(): AddressVerification | undefined {
    return this.#conn.isVerified ? undefined : this.#conn;
  }
}
