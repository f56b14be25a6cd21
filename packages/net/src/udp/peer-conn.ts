import type { Addr, IpAddr } from "../contracts/addr.ts";
import { asMessage } from "../contracts/as-message.ts";
import { closeFault } from "../contracts/close-code.ts";
import type { WaitOptions } from "../contracts/conn.ts";
import { NetError, type NetErrorParts } from "../contracts/error.ts";
import {
  argumentError,
  asError,
  canceledError,
  closedError,
  type FailureSite,
} from "../contracts/failures.ts";
import { Inbox, type InboxLimits, type InboxSource } from "../flow/inbox.ts";
import {
  type AddressVerification,
  type CloseInfo,
  type Encoding,
  type Message,
  type MessageConn,
  type MessageHandler,
  type Peer,
  PreparedMessage,
  type SendOutcome,
} from "../contracts/message-conn.ts";
import { netErrorFrom } from "../contracts/node-error.ts";
import { rejection, told } from "../flow/told.ts";

/** What a peer's connection needs of the socket it shares with the others. */
export interface PeerHome {
  readonly idleTimeoutMs: number;
  /** Largest datagram, in bytes. */
  readonly maxSendBytes: number;
  readonly encoding: DatagramEncoding;
  readonly inboxLimits: InboxLimits;
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
export class PeerConn implements MessageConn, InboxSource {
  /** Its place in its listener. */
  seat = -1;
  readonly key: string;
  readonly localAddr: Addr;
  readonly peer: Peer;
  lastSeenAt: number;
  readonly #home: PeerHome;
  readonly #addr: IpAddr;
  readonly #inbox: Inbox;
  #isVerified: boolean;
  /** Bytes that came and were not yet answered by as many; counts until the address is verified. */
  #credit = 0;
  #owesDrain = false;
  #closing: Promise<void> | undefined;

  constructor(home: PeerHome, key: string, addr: IpAddr, localAddr: Addr, isVerified: boolean, now: number) {
    this.#home = home;
    this.key = key;
    this.#addr = addr;
    this.localAddr = localAddr;
    this.lastSeenAt = now;
    this.#isVerified = isVerified;
    this.#inbox = new Inbox(this, home.inboxLimits);
    this.peer = new DatagramPeer(this, addr);
  }

  get maxSendBytes(): number {
    return this.#home.maxSendBytes - this.#home.encoding.overheadBytes;
  }

  get idleTimeoutMs(): number | undefined {
    const { idleTimeoutMs } = this.#home;
    return idleTimeoutMs === Number.POSITIVE_INFINITY ? undefined : idleTimeoutMs;
  }

  /** Of all peers together, as what waits does so in the socket that they share. Mostly 0: the system takes a datagram at once. */
  get bufferedAmount(): number {
    return this.#home.bufferedAmount;
  }

  get isVerified(): boolean {
    return this.#isVerified;
  }

  receive(options?: WaitOptions): Promise<Message | null> {
    return this.#inbox.receive(options);
  }

  serve(handler: MessageHandler): void {
    this.#inbox.serve(handler);
  }

  [Symbol.asyncIterator](): AsyncIterator<Message, undefined> {
    return this.#inbox[Symbol.asyncIterator]();
  }

  /**
   * Never waits: a datagram that cannot leave now is refused.
   *
   * @throws NetError `too_large`; `invalid_argument` for what is no message; `no_room` when the bytes that an unverified address has sent are used up, or when the socket
   * cannot take more; `canceled`, `closed`.
   */
  send(message: Message | PreparedMessage, options?: WaitOptions): Promise<void> {
    const site = { ...this.route(), op: "write" } as const;
    if (options?.signal?.aborted) return rejection(canceledError(site, options.signal));
    if (this.#isOver) return rejection(closedError(site));
    let bytes: Uint8Array;
    try {
      bytes = this.#encode(message);
    } catch (error) {
      return rejection(netErrorFrom(error, site));
    }
    if (this.#transmit(bytes) !== "refused") return Promise.resolve();
    if (bytes.length > this.#home.maxSendBytes) {
      const reason = `datagram of ${bytes.length} bytes is larger than ${this.#home.maxSendBytes}`;
      return rejection(new NetError({ ...site, code: "too_large", reason }));
    }
    const reason = this.#hasCredit(bytes.length)
      ? "the socket takes no more datagrams now"
      : `address not verified: ${bytes.length} bytes would be more than the ${this.#credit} that came from it`;
    return rejection(new NetError({ ...site, code: "no_room", reason }));
  }

  trySend(message: Message | PreparedMessage): SendOutcome {
    if (this.#isOver) return "refused";
    let bytes: Uint8Array;
    try {
      bytes = this.#encode(message);
    } catch {
      return "refused"; // is no message: `send` says so
    }
    return this.#transmit(bytes);
  }

  /**
   * Waits until none of the datagrams that were accepted waits in this process, those of other peers included. One that the system refuses
   * meanwhile is lost, as others are on their way.
   *
   * @throws NetError `closed` when the socket is, or gets, closed while some of them wait, `canceled`.
   */
  flush(options?: WaitOptions): Promise<void> {
    return this.#home.flush(options);
  }

  /**
   * At once, unless datagrams wait in this process: then when they have left, see `flush`.
   *
   * @throws NetError `timeout` when they have not by `PeersOptions.closeTimeoutMs`, `closed` when the socket was closed before.
   */
  close(code = 1000, reason = ""): Promise<void> {
    const fault = closeFault(code, reason);
    if (fault !== undefined) return rejection(argumentError("close", fault));
    return this.#closeInOrder({ code, reason, wasClean: true });
  }

  abort(): void {
    const error = closedError({ ...this.route(), op: "read" });
    this.#discard({ code: 1006, reason: error.message, wasClean: false, error });
  }

  /** Without effect: the socket that it shares holds the process. */
  unref(): void {}

  /** Without effect. */
  ref(): void {}

  [Symbol.asyncDispose](): Promise<void> {
    return this.#closing === undefined && this.#inbox.isEnded ? Promise.resolve() : this.close();
  }

  // What the socket tells.

  /** A datagram came from this peer. */
  take(message: Message, byteLength: number): void {
    if (!this.#isVerified) this.#credit += byteLength;
    this.#tellDrain();
    if (this.#inbox.isFull) this.#home.countDropped();
    else this.#inbox.push(message, byteLength);
  }

  /** The connection is over, but not by its own doing; what was received is still delivered. */
  finish(info: CloseInfo): void {
    this.#home.ended(this);
    this.#inbox.end(info);
  }

  /** See `AddressVerification`. */
  get cookie(): string {
    return this.#home.cookieFor(this.key);
  }

  verify(cookie: string): boolean {
    if (this.#isVerified) return true;
    if (this.#isOver || !this.#home.verify(this, cookie)) return false;
    this.#isVerified = true;
    this.#tellDrain();
    return true;
  }

  // What the inbox asks for. A datagram's sender cannot be held back.

  pause(): void {}

  resume(): void {}

  fail(error: unknown): void {
    const cause = error instanceof Error ? error : new Error("handler failed", { cause: error });
    void this.#closeInOrder({ code: 1011, reason: "handler failed", wasClean: false, error: cause });
  }

  route(): Pick<NetErrorParts, "network" | "localAddr" | "remoteAddr"> {
    return { network: "udp", localAddr: this.localAddr, remoteAddr: this.#addr };
  }

  get #isOver(): boolean {
    return this.#closing !== undefined || this.#inbox.isEnded;
  }

  /** @throws NetError `invalid_argument` for what is no message, which only callers in JavaScript can pass. */
  #encode(message: Message | PreparedMessage): Uint8Array {
    const { encoding } = this.#home;
    return message instanceof PreparedMessage
      ? message.encodedAs(encoding)
      : encoding.encode(asMessage(message));
  }

  #transmit(bytes: Uint8Array): SendOutcome {
    // Too large can never be sent: no `drain` is owed for it.
    if (bytes.length > this.#home.maxSendBytes) return "refused";
    if (!this.#hasCredit(bytes.length) || this.#home.transmit(bytes, this.#addr) === "refused") {
      this.#owesDrain = true;
      return "refused";
    }
    if (!this.#isVerified) this.#credit -= bytes.length;
    return "sent";
  }

  #hasCredit(byteLength: number): boolean {
    return this.#isVerified || byteLength <= this.#credit;
  }

  #tellDrain(): void {
    if (!this.#owesDrain) return;
    this.#owesDrain = false;
    this.#inbox.drained();
  }

  #closeInOrder(info: CloseInfo): Promise<void> {
    this.#closing ??= told(this.bufferedAmount > 0 ? this.#finishLater(info) : this.#finish(info));
    return this.#closing;
  }

  #finish(info: CloseInfo): Promise<void> {
    this.#discard(info);
    return this.flush(); // Nothing waits; but the socket may have been closed while something did.
  }

  async #finishLater(info: CloseInfo): Promise<void> {
    this.#inbox.stop();
    this.#home.closing(this);
    try {
      await this.#home.flushInTime({ ...this.route(), op: "close" });
    } catch (error) {
      const failure = asError(error);
      this.#discard({ code: 1006, reason: failure.message, wasClean: false, error: failure });
      throw failure;
    }
    this.#discard(info);
  }

  #discard(info: CloseInfo): void {
    this.#inbox.discard(info);
    this.#home.ended(this);
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
