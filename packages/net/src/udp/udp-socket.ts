import { onceAborted, untilCanceled } from "../flow/abort-listeners.ts";
import type { RemoteInfo, Socket } from "node:dgram";
import { isIPv4 } from "node:net";
import type { IpAddr } from "../contracts/addr.ts";
import type { Deadline, WaitOptions } from "../contracts/conn.ts";
import { type DatagramSender, InFlight, ownCopy, type SendStatus } from "./datagram-sender.ts";
import type { DatagramSocket, DatagramSocketHandler } from "../contracts/datagram-socket.ts";
import { DeadlineTimer } from "../flow/deadline.ts";
import { senderFor } from "./direct-send.ts";
import { NetError } from "../contracts/error.ts";
import { canceledError, closedError, type FailureSite, timeoutError } from "../contracts/failures.ts";
import { Inbox, type InboxSource } from "../flow/inbox.ts";
import { withKnownZone } from "../networks/interfaces.ts";
import { isLentMemory } from "../memory/lent-memory.ts";
import type { CloseInfo, SendOutcome } from "../contracts/message-conn.ts";
import { netErrorFrom } from "../contracts/node-error.ts";
import { SourceAddr, SourceAddrs } from "./source-addr.ts";
import { rejection, told } from "../flow/told.ts";
import { rememberIp } from "./udp-lookup.ts";

/** Largest payload of a UDP datagram over IPv4, in bytes: 65,535 less the two headers. */
export const MAX_DATAGRAM_BYTES = 65_507;

/** How much a datagram socket may hold in this process. */
export interface UdpLimits {
  /** Received ones that wait to be read. */
  readonly queueDatagrams: number;
  /** Their bytes. */
  readonly queueBytes: number;
  /** Bytes of sent ones that the system has not taken. */
  readonly sendLimitBytes: number;
}

/** A send that the system has not yet taken. */
interface PendingSend {
  readonly addr: IpAddr | undefined;
  reject(error: NetError): void;
  /** Takes the listener off the signal. */
  forget: (() => void) | undefined;
}

/** Somebody who waits in `flush`. */
interface Flush {
  /** The number of the last datagram it waits for. */
  readonly until: number;
  /** How many of those up to that one still wait. */
  left: number;
  resolve(): void;
  reject(error: NetError): void;
}

/** What `send` answers when the system has taken the datagram at once. */
const TAKEN: Promise<void> = Promise.resolve();

/** The same bytes, in memory of their own if they are lent. */
export function keptBytes(bytes: Uint8Array): Uint8Array {
  return ArrayBuffer.isView(bytes) && isLentMemory(bytes) ? ownCopy(bytes) : bytes;
}

/**
 * What bound and connected datagram sockets have in common: a bounded queue, deadlines, and sends that tell how they went. `T` is
 * what their users see of a datagram.
 */
export abstract class UdpSocket<T> implements DatagramSocket<T> {
  readonly localAddr: IpAddr;
  protected readonly socket: Socket;
  /** Of an IPv6 socket that may be dual-stack. */
  protected readonly isIPv6: boolean;
  readonly #network: string;
  readonly #remoteAddr: IpAddr | undefined;
  readonly #limits: UdpLimits;
  readonly #inbox: Inbox<T>;
  readonly #sender: DatagramSender;
  readonly #sources = new SourceAddrs();
  readonly #readDeadline: DeadlineTimer;
  readonly #writeDeadline: DeadlineTimer;
  /** Sends that wait for the system; a deadline or `close` ends the waiting. */
  readonly #sending = new Set<PendingSend>();
  /** Datagrams that wait in this process. */
  readonly #waiting = new Set<InFlight>();
  /** Their bytes, less those that the system has surely taken. A canceled `send` counts until its datagram has left. */
  #waitingBytes = 0;
  /** How many ever have waited. */
  #watched = 0;
  #flushing: Flush[] = [];
  /** Some that waited were dropped when this side closed. */
  #hasDropped = false;
  #hasWriteDeadline = false;
  #dropped = 0;
  /** Told by the kernel between two receives (ICMP), to be told by the next one. */
  #pendingError: NetError | undefined;
  #closed: Promise<void> | undefined;
  #info: CloseInfo = { code: 1000, reason: "", wasClean: true };
  #onError: ((error: NetError) => void) | undefined;

  /** @param remoteAddr set if the socket is connected. */
  constructor(socket: Socket, network: string, limits: UdpLimits, remoteAddr?: IpAddr) {
    this.socket = socket;
    this.#network = network;
    const { address, port, family } = socket.address();
    this.localAddr = new SourceAddr(address, port);
    this.#remoteAddr = remoteAddr;
    this.isIPv6 = family === "IPv6";
    this.#limits = limits;
    this.#sender = senderFor(socket, remoteAddr !== undefined);
    // Nobody can hold a datagram's sender back: what does not fit is dropped and counted.
    const source: InboxSource = {
      pause() {},
      resume() {},
      fail: (error) => this.#fail(error),
      route: () => this.#route(),
    };
    this.#inbox = new Inbox(source, {
      highWaterBytes: limits.queueBytes,
      highWaterMessages: limits.queueDatagrams,
    });
    this.#readDeadline = new DeadlineTimer(() => void this.#inbox.interrupt(timeoutError(this.site("read"))));
    this.#writeDeadline = new DeadlineTimer(() => this.#failSends(timeoutError));
    socket.on("message", (bytes, source) => this.#take(bytes, source));
    socket.on("error", (error) => this.#report(netErrorFrom(error, this.site("read"))));
  }

  /** What a user gets of a datagram; `sources` makes an address of `host` and `port`. */
  protected abstract received(bytes: Uint8Array, sources: SourceAddrs, host: string, port: number): T;
  /** Sends one of a batch. */
  protected abstract sendOne(datagram: T, options: WaitOptions | undefined): Promise<void>;
  protected abstract trySendOne(datagram: T): SendOutcome;
  /** The same datagram, copied if its bytes are lent: it waits for its turn in a batch. */
  protected abstract kept(datagram: T): T;

  get dropped(): number {
    return this.#dropped;
  }

  get bufferedAmount(): number {
    return this.#closed === undefined ? this.#sender.queuedBytes : 0;
  }

  receive(options?: WaitOptions): Promise<T> {
    const refusal = this.#readRefusal();
    if (refusal !== undefined) return rejection(refusal);
    return this.#inbox.receiveAs((datagram) => {
      if (datagram === null) throw closedError(this.site("read"));
      return datagram;
    }, options);
  }

  /** Ends quietly when the socket is closed. Leaving the loop closes nothing. */
  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return {
      next: () => {
        if (this.#closed !== undefined) return Promise.resolve({ done: true, value: undefined });
        const refusal = this.#readRefusal();
        return refusal === undefined ? this.#inbox.next() : rejection(refusal);
      },
    };
  }

  serve(handler: DatagramSocketHandler<T>): void {
    this.#inbox.serve({
      message: (datagram) => handler.message(datagram),
      close: (info) => handler.close?.(info.error),
    });
    this.#onError = (reported) => {
      try {
        handler.error?.(reported);
      } catch (error) {
        this.#fail(error);
      }
    };
  }

  sendBatch(datagrams: readonly T[], options?: WaitOptions): Promise<void> {
    return told(this.#sendBatch(datagrams, options));
  }

  async #sendBatch(datagrams: readonly T[], options: WaitOptions | undefined): Promise<void> {
    let datagramsSent = 0;
    try {
      let left = datagrams[Symbol.iterator]();
      let hasWaited = false;
      for (;;) {
        const { done, value: datagram } = left.next();
        if (done) return;
        const sending = this.sendOne(datagram, options);
        if (sending !== TAKEN) {
          // The loan of bytes that were lent ends while this waits.
          if (!hasWaited) left = Array.from(left, (each) => this.kept(each)).values();
          hasWaited = true;
          await sending;
        }
        datagramsSent += 1;
      }
    } catch (error) {
      const { op, code, reason, network, localAddr, remoteAddr, cause } = netErrorFrom(
        error,
        this.site("write"),
      );
      throw new NetError({ op, code, reason, network, localAddr, remoteAddr, datagramsSent, cause });
    }
  }

  trySendBatch(datagrams: readonly T[]): number {
    let accepted = 0;
    for (const datagram of datagrams) {
      if (this.trySendOne(datagram) !== "sent") break;
      accepted += 1;
    }
    return accepted;
  }

  flush({ signal }: WaitOptions = {}): Promise<void> {
    if (signal?.aborted) return rejection(canceledError(this.site("write"), signal));
    if (this.#hasDropped) return rejection(closedError(this.site("write")));
    if (this.#waiting.size === 0) return Promise.resolve();
    let flush: Flush | undefined;
    const flushed = new Promise<void>((resolve, reject) => {
      flush = { until: this.#watched, left: this.#waiting.size, resolve, reject };
      this.#flushing.push(flush);
    });
    const canceled = (by: AbortSignal): NetError => {
      this.#flushing = this.#flushing.filter((other) => other !== flush);
      return canceledError(this.site("write"), by);
    };
    return told(untilCanceled(flushed, signal, canceled));
  }

  setDeadline(at: Deadline): void {
    this.setReadDeadline(at);
    this.setWriteDeadline(at);
  }

  setReadDeadline(at: Deadline): void {
    if (this.#closed === undefined) this.#readDeadline.set(at);
  }

  setWriteDeadline(at: Deadline): void {
    if (this.#closed !== undefined) return;
    this.#hasWriteDeadline = at !== null;
    this.#writeDeadline.set(at);
  }

  close(): Promise<void> {
    this.#closed ??= told(this.#close());
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** `addr` is undefined on a connected socket. */
  protected sendTo(
    bytes: Uint8Array,
    addr: IpAddr | undefined,
    options: WaitOptions | undefined,
  ): Promise<void> {
    const signal = options?.signal;
    if (this.#closed !== undefined) return rejection(closedError(this.#writeSite(addr)));
    if (signal?.aborted) return rejection(canceledError(this.#writeSite(addr), signal));
    if (this.#writeDeadline.hasPassed) return rejection(timeoutError(this.#writeSite(addr)));
    let status: SendStatus;
    try {
      // Any of them may end before the datagram has left: the call, or the loan.
      const mayEnd = signal !== undefined || this.#hasWriteDeadline;
      const given = mayEnd ? ownCopy(bytes) : keptBytes(bytes);
      status =
        addr === undefined
          ? this.#sender.send(given)
          : this.#sender.send(given, this.#wireHost(addr), addr.port);
    } catch (error) {
      return rejection(netErrorFrom(error, this.#writeSite(addr)));
    }
    if (status === "taken") return TAKEN;
    if (status instanceof InFlight) return told(this.#settled(status, bytes, addr, signal));
    return rejection(netErrorFrom(status, this.#writeSite(addr)));
  }

  /** `addr` is undefined on a connected socket. */
  protected trySendTo(bytes: Uint8Array, addr: IpAddr | undefined): SendOutcome {
    // A forged source may well have port 0, to which nothing can be sent.
    if (this.#closed !== undefined || addr?.port === 0 || bytes.length > MAX_DATAGRAM_BYTES) return "refused";
    if (this.#waitingBytes + bytes.length > this.#limits.sendLimitBytes) return "refused";
    let status: SendStatus;
    try {
      status =
        addr === undefined
          ? this.#sender.trySend(bytes)
          : this.#sender.trySend(bytes, this.#wireHost(addr), addr.port);
    } catch {
      return "refused"; // Its zone is no interface of this machine: `send` says so.
    }
    if (status === "taken") return "sent";
    if (status instanceof InFlight) {
      // Nobody waits for the outcome: a datagram that is refused later is lost, as others are on their way.
      this.#watch(status, bytes, undefined);
      return "sent";
    }
    // On a connected socket the system tells each report of the network once, and this was it. Later, lest a handler that sends again
    // upon it finds itself in its own call.
    if (this.#remoteAddr !== undefined)
      setImmediate(() => this.#report(netErrorFrom(status, this.site("write"))));
    return "refused";
  }

  /** Where an error happened. */
  protected site(op: FailureSite["op"]): FailureSite {
    return { op, ...this.#route() };
  }

  /** @throws NetError `closed` */
  protected mustBeOpen(): void {
    if (this.#closed !== undefined) throw closedError(this.site("set"));
  }

  /** Keeps account of a datagram that waits. */
  #watch(inFlight: InFlight, bytes: Uint8Array, onSettled: InFlight["onSettled"]): void {
    // Callers in JavaScript may have passed a text.
    const byteLength = inFlight.isDecided || !ArrayBuffer.isView(bytes) ? 0 : bytes.byteLength;
    this.#waiting.add(inFlight);
    this.#waitingBytes += byteLength;
    this.#watched += 1;
    const number = this.#watched;
    inFlight.onSettled = (error) => {
      this.#waiting.delete(inFlight);
      this.#waitingBytes -= byteLength;
      if (this.#flushing.length > 0) this.#countDown(number);
      onSettled?.(error);
    };
  }

  /** The datagram of this number waits no more. */
  #countDown(number: number): void {
    this.#flushing = this.#flushing.filter((flush) => {
      if (number <= flush.until) flush.left -= 1;
      if (flush.left === 0) flush.resolve();
      return flush.left > 0;
    });
  }

  #route(): Omit<FailureSite, "op"> {
    return { network: this.#network, localAddr: this.localAddr, remoteAddr: this.#remoteAddr };
  }

  /** The handler threw. */
  #fail(error: unknown): void {
    const cause = error instanceof Error ? error : new Error("handler failed", { cause: error });
    this.#info = { code: 1011, reason: "handler failed", wasClean: false, error: cause };
    void this.close();
  }

  async #close(): Promise<void> {
    this.#readDeadline.set(null);
    this.#writeDeadline.set(null);
    const closed = new Promise<void>((resolve) => void this.socket.once("close", resolve));
    this.socket.close();
    this.#inbox.discard(this.#info);
    this.#failSends(closedError);
    // Of the others nothing but the word is missing, which still comes.
    this.#hasDropped = [...this.#waiting].some((inFlight) => !inFlight.isDecided);
    if (this.#hasDropped) {
      for (const flush of this.#flushing.splice(0)) flush.reject(closedError(this.site("write")));
    }
    await closed;
  }

  #take(bytes: Buffer, { address, port }: RemoteInfo): void {
    // Hot path (bench: udp).
    if (this.#inbox.isFull) this.#dropped += 1;
    else this.#inbox.push(this.received(bytes, this.#sources, address, port), bytes.length);
  }

  /** An error that ends nothing: told to who waits, or to who comes next. */
  #report(error: NetError): void {
    if (this.#closed !== undefined) return;
    if (this.#onError !== undefined) this.#onError(error);
    else if (!this.#inbox.interrupt(error)) this.#pendingError = error;
  }

  /** The outcome of a send that was not clear at once; a signal, a deadline or `close` end the waiting. */
  #settled(
    inFlight: InFlight,
    bytes: Uint8Array,
    addr: IpAddr | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      let pending: PendingSend | undefined;
      this.#watch(inFlight, bytes, (error) => {
        if (pending !== undefined && !this.#settle(pending)) return;
        if (error === null) resolve();
        else if (this.#closed !== undefined) reject(closedError(this.#writeSite(addr)));
        else reject(netErrorFrom(error, this.#writeSite(addr)));
      });
      if (inFlight.isDecided && signal === undefined) return;
      pending = { reject, addr, forget: undefined };
      this.#sending.add(pending);
      if (signal !== undefined) this.#cancelWith(signal, pending);
    });
  }

  #failSends(error: (site: FailureSite) => NetError): void {
    for (const pending of this.#sending) this.#failSend(pending, error(this.#writeSite(pending.addr)));
  }

  #failSend(pending: PendingSend, error: NetError): void {
    if (this.#settle(pending)) pending.reject(error);
  }

  /** True for the first who asks: the send is over, one way or the other. */
  #settle(pending: PendingSend): boolean {
    if (!this.#sending.delete(pending)) return false;
    pending.forget?.();
    return true;
  }

  #cancelWith(signal: AbortSignal, pending: PendingSend): void {
    const onAbort = () => this.#failSend(pending, canceledError(this.#writeSite(pending.addr), signal));
    pending.forget = onceAborted(signal, onAbort);
  }

  #writeSite(addr: IpAddr | undefined): FailureSite {
    return { ...this.site("write"), remoteAddr: addr ?? this.#remoteAddr };
  }

  #readRefusal(): NetError | undefined {
    if (this.#closed !== undefined) return closedError(this.site("read"));
    if (this.#readDeadline.hasPassed) return timeoutError(this.site("read"));
    const error = this.#pendingError;
    this.#pendingError = undefined;
    return error;
  }

  #wireHost(addr: IpAddr): string {
    if (addr instanceof SourceAddr) {
      rememberIp(addr.wireHost);
      return addr.wireHost;
    }
    if (addr.host === "") return this.isIPv6 ? "::1" : "127.0.0.1";
    // Asked for each datagram: interfaces come and go, and libuv would send by any.
    if (addr.host.includes("%")) return withKnownZone(addr.host, this.#writeSite(addr));
    return this.isIPv6 && isIPv4(addr.host) ? `::ffff:${addr.host}` : addr.host;
  }
}
