import type { RemoteInfo, Socket } from "node:dgram";
import { isIPv4 } from "node:net";
import { type IpAddr, joinHostPort } from "./addr.ts";
import type { Deadline, WaitOptions } from "./conn.ts";
import { DeadlineTimer } from "./deadline.ts";
import type { NetError } from "./error.ts";
import { canceledError, closedError, type FailureSite, timeoutError } from "./failures.ts";
import { Inbox, type InboxSource } from "./inbox.ts";
import type { CloseInfo, SendOutcome } from "./message-conn.ts";
import { netErrorFrom } from "./node-error.ts";
import type { Packet, PacketHandler } from "./packet-conn.ts";
import { plainHost } from "./socket-options.ts";
import { rememberIp } from "./udp-lookup.ts";

/** Largest payload of a UDP datagram over IPv4, in bytes: 65,535 less the two headers. */
export const MAX_DATAGRAM_BYTES = 65_507;

/** How much a datagram socket may hold in this process. */
export interface UdpLimits {
  readonly queueDatagrams: number;
  readonly queueBytes: number;
  readonly sendLimitBytes: number;
}

/** The address a datagram came from: an IP address for sure, so nobody needs to look it up. */
class SourceAddr implements IpAddr {
  readonly network = "udp";
  readonly host: string;
  readonly port: number;
  /** As the socket names it: IPv4 in IPv6 on a dual-stack socket. */
  readonly wireHost: string;

  constructor(wireHost: string, port: number) {
    this.wireHost = wireHost;
    this.host = plainHost(wireHost);
    this.port = port;
  }

  toString(): string {
    return joinHostPort(this.host, this.port);
  }
}

/** A send that the system has not yet taken. */
interface PendingSend {
  readonly addr: IpAddr | undefined;
  reject(error: NetError): void;
  /** Takes the listener off the signal. */
  forget: (() => void) | undefined;
}

/** What bound and connected datagram sockets have in common: a bounded queue, deadlines, and sends that tell how they went. */
export class UdpSocket {
  readonly network: string;
  readonly localAddr: IpAddr;
  /** Set if the socket is connected. */
  readonly remoteAddr: IpAddr | undefined;
  readonly socket: Socket;
  /** Of an IPv6 socket that may be dual-stack. */
  readonly isIPv6: boolean;
  readonly #limits: UdpLimits;
  readonly #inbox: Inbox<Packet>;
  readonly #readDeadline: DeadlineTimer;
  readonly #writeDeadline: DeadlineTimer;
  /** Sends that wait for the system; a deadline or `close` ends the waiting. */
  readonly #sending = new Set<PendingSend>();
  #dropped = 0;
  /** Told by the kernel between two receives (ICMP), to be told by the next one. */
  #pendingError: NetError | undefined;
  #closed: Promise<void> | undefined;
  #info: CloseInfo = { code: 1000, reason: "", wasClean: true };
  #onError: ((error: NetError) => void) | undefined;

  constructor(socket: Socket, network: string, limits: UdpLimits, remoteAddr?: IpAddr) {
    this.socket = socket;
    this.network = network;
    const { address, port, family } = socket.address();
    this.localAddr = new SourceAddr(address, port);
    this.remoteAddr = remoteAddr;
    this.isIPv6 = family === "IPv6";
    this.#limits = limits;
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

  get dropped(): number {
    return this.#dropped;
  }

  get isClosed(): boolean {
    return this.#closed !== undefined;
  }

  /** `convert` makes the call's result of the packet. */
  receive<R>(convert: (packet: Packet) => R, options: WaitOptions | undefined): Promise<R> {
    const refusal = this.#readRefusal();
    if (refusal !== undefined) return Promise.reject(refusal);
    return this.#inbox.receiveAs((packet) => {
      if (packet === null) throw closedError(this.site("read"));
      return convert(packet);
    }, options);
  }

  /** Ends quietly when the socket is closed. Leaving the loop closes nothing. */
  iterate<R>(convert: (packet: Packet) => R): AsyncIterator<R, undefined> {
    const toResult = (packet: Packet | null): IteratorResult<R, undefined> =>
      packet === null ? { done: true, value: undefined } : { done: false, value: convert(packet) };
    return {
      next: () => {
        if (this.#closed !== undefined) return Promise.resolve(toResult(null));
        const refusal = this.#readRefusal();
        return refusal === undefined ? this.#inbox.receiveAs(toResult) : Promise.reject(refusal);
      },
    };
  }

  serve(handler: PacketHandler, onError?: (error: NetError) => void): void {
    if (onError !== undefined) this.#onError = onError;
    this.#inbox.serve({
      message: (packet) => handler.message(packet),
      close: (info) => handler.close?.(info.error),
    });
  }

  /** `addr` is undefined on a connected socket. */
  send(bytes: Uint8Array, addr: IpAddr | undefined, options: WaitOptions | undefined): Promise<void> {
    const signal = options?.signal;
    if (this.#closed !== undefined) return Promise.reject(closedError(this.#writeSite(addr)));
    if (signal?.aborted) return Promise.reject(canceledError(this.#writeSite(addr), signal));
    if (this.#writeDeadline.hasPassed) return Promise.reject(timeoutError(this.#writeSite(addr)));
    return new Promise((resolve, reject) => {
      let pending: PendingSend | undefined;
      const onSent = (error: Error | null): void => {
        if (pending !== undefined && !this.#settle(pending)) return;
        if (error === null) resolve();
        else if (this.#closed !== undefined) reject(closedError(this.#writeSite(addr)));
        else reject(netErrorFrom(error, this.#writeSite(addr)));
      };
      try {
        if (addr === undefined) this.socket.send(bytes, onSent);
        else this.socket.send(bytes, addr.port, this.#wireHost(addr), onSent);
      } catch (error) {
        return reject(netErrorFrom(error, this.#writeSite(addr)));
      }
      // Nearly always the system has taken it by now, and only `onSent` is still to come.
      if (signal === undefined && this.socket.getSendQueueCount() === 0) return;
      pending = { reject, addr, forget: undefined };
      this.#sending.add(pending);
      if (signal !== undefined) this.#cancelWith(signal, pending);
    });
  }

  trySend(bytes: Uint8Array, addr: IpAddr | undefined): SendOutcome {
    // A forged source may well have port 0, to which nothing can be sent.
    if (this.#closed !== undefined || addr?.port === 0 || bytes.length > MAX_DATAGRAM_BYTES) return "refused";
    if (this.socket.getSendQueueSize() + bytes.length > this.#limits.sendLimitBytes) return "refused";
    // Without a callback Node says nothing of errors, and makes no work for the next tick.
    if (addr === undefined) this.socket.send(bytes);
    else this.socket.send(bytes, addr.port, this.#wireHost(addr));
    return "sent";
  }

  setReadDeadline(at: Deadline): void {
    if (this.#closed === undefined) this.#readDeadline.set(at);
  }

  setWriteDeadline(at: Deadline): void {
    if (this.#closed === undefined) this.#writeDeadline.set(at);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** Where an error happened. */
  site(op: FailureSite["op"]): FailureSite {
    return { op, ...this.#route() };
  }

  #route(): Omit<FailureSite, "op"> {
    return { network: this.network, localAddr: this.localAddr, remoteAddr: this.remoteAddr };
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
    await closed;
  }

  #take(bytes: Buffer, source: RemoteInfo): void {
    // Hot path (bench: udp).
    if (this.#inbox.isFull) this.#dropped += 1;
    else this.#inbox.push({ bytes, addr: new SourceAddr(source.address, source.port) }, bytes.length);
  }

  /** An error that ends nothing: told to who waits, or to who comes next. */
  #report(error: NetError): void {
    if (this.#onError !== undefined) this.#onError(error);
    else if (!this.#inbox.interrupt(error)) this.#pendingError = error;
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
    signal.addEventListener("abort", onAbort, { once: true });
    pending.forget = () => signal.removeEventListener("abort", onAbort);
  }

  #writeSite(addr: IpAddr | undefined): FailureSite {
    return { ...this.site("write"), remoteAddr: addr ?? this.remoteAddr };
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
    return this.isIPv6 && isIPv4(addr.host) ? `::ffff:${addr.host}` : addr.host;
  }
}
