import type { Socket } from "node:dgram";
import { isIPv4 } from "node:net";
import type { IpAddr } from "../contracts/addr.ts";
import type { Deadline, WaitOptions } from "../contracts/conn.ts";
import type { NetError } from "../contracts/error.ts";
import { canceledError, closedError, type FailureSite, timeoutError } from "../contracts/failures.ts";
import type { Message, SendOutcome } from "../contracts/message-conn.ts";
import { netErrorFrom } from "../contracts/node-error.ts";
import { DeadlineTimer } from "../flow/deadline.ts";
import { rejection } from "../flow/told.ts";
import { asItIs, Waiter, Waiters } from "../flow/waiters.ts";
import { withKnownZone } from "../networks/interfaces.ts";
import { type DatagramSender, InFlight, ownCopy, type SendStatus } from "../node/datagram-sender.ts";
import { senderFor } from "../node/direct-send.ts";
import { rememberIp } from "../node/udp-lookup.ts";
import { bytesOf, keptBytes } from "./kept-message.ts";
import { SourceAddr } from "./source-addr.ts";

/** Largest payload of a UDP datagram over IPv4, in bytes: 65,535 less the two headers. */
export const MAX_DATAGRAM_BYTES = 65_507;

/** What `send` answers when the system has taken the datagram at once. */
export const TAKEN: Promise<void> = Promise.resolve();

/** The socket, as its sending half sees it. */
export interface SendHalfHost {
  /** Of an IPv6 socket that may be dual-stack. */
  readonly isIPv6: boolean;
  readonly isConnected: boolean;
  readonly sendLimitBytes: number;
  /** Where a send to `addr` failed; `undefined` on a connected socket. */
  writeSite(addr?: IpAddr): FailureSite;
  /** An error that ends nothing. */
  report(error: NetError): void;
}

/** A send that the system has not yet taken. */
class PendingSend extends Waiter {
  readonly addr: IpAddr | undefined;

  constructor(addr: IpAddr | undefined) {
    super(asItIs);
    this.addr = addr;
  }
}

/** A call of `flush`. */
class PendingFlush extends Waiter {
  /** The number of the last datagram it waits for. */
  readonly until: number;
  /** How many of those up to that one still wait. */
  left: number;

  constructor(until: number, left: number) {
    super(asItIs);
    this.until = until;
    this.left = left;
  }
}

/** The sending half of a datagram socket: what waits in this process, and the calls that wait for it. */
export class SendHalf {
  readonly #host: SendHalfHost;
  readonly #sender: DatagramSender;
  readonly #deadline = new DeadlineTimer(() => this.#failSends(timeoutError));
  #hasDeadline = false;
  #isClosed = false;
  /** A deadline, a signal or `close` ends the waiting. */
  readonly #sends = new Waiters<PendingSend>();
  readonly #flushes = new Waiters<PendingFlush>();
  /** Datagrams that wait in this process. */
  readonly #waiting = new Set<InFlight>();
  /**
   * Their bytes, less those that the system has surely taken. A canceled `send` counts until its datagram has
   * left.
   */
  #waitingBytes = 0;
  /** How many ever have waited. */
  #watched = 0;
  /** Some that waited were dropped when this side closed. */
  #hasDropped = false;

  constructor(socket: Socket, host: SendHalfHost) {
    this.#host = host;
    this.#sender = senderFor(socket, host.isConnected);
  }

  get bufferedAmount(): number {
    return this.#isClosed ? 0 : this.#sender.queuedBytes;
  }

  /** `addr` is undefined on a connected socket. */
  send(message: Message, addr: IpAddr | undefined, options: WaitOptions | undefined): Promise<void> {
    const signal = options?.signal;
    if (this.#isClosed) return rejection(closedError(this.#host.writeSite(addr)));
    if (signal?.aborted) return rejection(canceledError(this.#host.writeSite(addr), signal));
    if (this.#deadline.hasPassed) return rejection(timeoutError(this.#host.writeSite(addr)));
    let bytes: Uint8Array;
    let status: SendStatus;
    try {
      bytes = bytesOf(message);
      // Any of them may end before the datagram has left: the call, or the loan.
      const mayEnd = signal !== undefined || this.#hasDeadline;
      const given = mayEnd ? ownCopy(bytes) : keptBytes(bytes);
      status =
        addr === undefined
          ? this.#sender.send(given)
          : this.#sender.send(given, this.#wireHost(addr), addr.port);
    } catch (error) {
      return rejection(netErrorFrom(error, this.#host.writeSite(addr)));
    }
    if (status === "taken") return TAKEN;
    if (status instanceof InFlight) return this.#untilSettled(status, bytes, addr, signal);
    return rejection(netErrorFrom(status, this.#host.writeSite(addr)));
  }

  /** `addr` is undefined on a connected socket. */
  trySend(message: Message, addr: IpAddr | undefined): SendOutcome {
    // A forged source may well have port 0, to which nothing can be sent.
    if (this.#isClosed || addr?.port === 0) return "refused";
    let bytes: Uint8Array;
    let status: SendStatus;
    try {
      bytes = bytesOf(message);
      if (bytes.length > MAX_DATAGRAM_BYTES) return "refused";
      if (this.#waitingBytes + bytes.length > this.#host.sendLimitBytes) return "refused";
      status =
        addr === undefined
          ? this.#sender.trySend(bytes)
          : this.#sender.trySend(bytes, this.#wireHost(addr), addr.port);
    } catch {
      return "refused"; // It is no message, or its zone no interface of this machine: `send` says so.
    }
    if (status === "taken") return "sent";
    if (status instanceof InFlight) {
      // Nobody waits for the outcome: a datagram that is refused later is lost, as others are on their way.
      this.#watch(status, bytes, undefined);
      return "sent";
    }
    // On a connected socket the system tells each report of the network once, and this was it. Later, lest a
    // handler that sends again upon it finds itself in its own call.
    if (this.#host.isConnected)
      setImmediate(() => this.#host.report(netErrorFrom(status, this.#host.writeSite())));
    return "refused";
  }

  /** See `DatagramSocket.flush`. */
  flush({ signal }: WaitOptions = {}): Promise<void> {
    if (signal?.aborted) return rejection(canceledError(this.#host.writeSite(), signal));
    if (this.#hasDropped) return rejection(closedError(this.#host.writeSite()));
    if (this.#waiting.size === 0) return Promise.resolve();
    const flush = new PendingFlush(this.#watched, this.#waiting.size);
    return this.#flushes.add(flush, signal, (by) => canceledError(this.#host.writeSite(), by)).promise;
  }

  setDeadline(at: Deadline): void {
    this.#hasDeadline = at !== null;
    this.#deadline.set(at);
  }

  /** The socket has been closed. */
  close(): void {
    this.#isClosed = true;
    this.#deadline.set(null);
    this.#failSends(closedError);
    // Of the others nothing but the word is missing, which still comes.
    this.#hasDropped = [...this.#waiting].some((inFlight) => !inFlight.isDecided);
    if (!this.#hasDropped) return;
    for (const flush of this.#flushes.takeAll()) flush.reject(closedError(this.#host.writeSite()));
  }

  /** The outcome of a send that was not clear at once. */
  #untilSettled(
    inFlight: InFlight,
    bytes: Uint8Array,
    addr: IpAddr | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const send = new PendingSend(addr);
    this.#watch(inFlight, bytes, (error) => {
      this.#sends.delete(send);
      if (error === null) send.resolve();
      else if (this.#isClosed) send.reject(closedError(this.#host.writeSite(addr)));
      else send.reject(netErrorFrom(error, this.#host.writeSite(addr)));
    });
    if (!inFlight.isDecided || signal !== undefined) {
      this.#sends.add(send, signal, (by) => canceledError(this.#host.writeSite(addr), by));
    }
    return send.promise;
  }

  #failSends(error: (site: FailureSite) => NetError): void {
    for (const send of this.#sends.takeAll()) send.reject(error(this.#host.writeSite(send.addr)));
  }

  /** Keeps account of a datagram that waits. */
  #watch(inFlight: InFlight, bytes: Uint8Array, onSettled: InFlight["onSettled"]): void {
    const byteLength = inFlight.isDecided ? 0 : bytes.byteLength;
    this.#waiting.add(inFlight);
    this.#waitingBytes += byteLength;
    this.#watched += 1;
    const number = this.#watched;
    inFlight.onSettled = (error) => {
      this.#waiting.delete(inFlight);
      this.#waitingBytes -= byteLength;
      this.#countDown(number);
      onSettled?.(error);
    };
  }

  /** The datagram of this number waits no more. Who flushed later has no fewer to wait for. */
  #countDown(number: number): void {
    const flushes = this.#flushes;
    for (let flush = flushes.first; flush !== undefined; flush = flush.next) {
      if (number <= flush.until) flush.left -= 1;
    }
    while (flushes.first?.left === 0) flushes.shift()?.resolve();
  }

  #wireHost(addr: IpAddr): string {
    if (addr instanceof SourceAddr) {
      rememberIp(addr.wireHost);
      return addr.wireHost;
    }
    const { isIPv6 } = this.#host;
    if (addr.host === "") return isIPv6 ? "::1" : "127.0.0.1";
    // Asked for each datagram: interfaces come and go, and libuv would send by any.
    if (addr.host.includes("%")) return withKnownZone(addr.host, this.#host.writeSite(addr));
    return isIPv6 && isIPv4(addr.host) ? `::ffff:${addr.host}` : addr.host;
  }
}
