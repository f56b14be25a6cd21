import type { RemoteInfo, Socket } from "node:dgram";
import type { IpAddr } from "../contracts/addr.ts";
import { handlerFailed } from "../contracts/close-code.ts";
import type { Deadline, WaitOptions } from "../contracts/conn.ts";
import type { DatagramSocket, DatagramSocketHandler } from "../contracts/datagram-socket.ts";
import { DeadlineTimer } from "../flow/deadline.ts";
import { NetError } from "../contracts/error.ts";
import { argumentError, closedError, type FailureSite, timeoutError } from "../contracts/failures.ts";
import { Inbox, type InboxSource } from "../flow/inbox.ts";
import type { CloseInfo, SendOutcome } from "../contracts/message-conn.ts";
import { netErrorFrom } from "../contracts/node-error.ts";
import { SendHalf, TAKEN } from "./send-half.ts";
import { SourceAddr, SourceAddrs } from "./source-addr.ts";
import { rejection, told } from "../flow/told.ts";

/** How much a datagram socket may hold in this process. */
export interface UdpLimits {
  /** Received ones that wait to be read. */
  readonly receiveLimitDatagrams: number;
  /** Their bytes. */
  readonly receiveLimitBytes: number;
  /** Bytes of sent ones that the system has not taken. */
  readonly sendLimitBytes: number;
}

/**
 * What bound and connected datagram sockets have in common: a bounded queue, deadlines, and sends that tell
 * how they went. `T` is what their users see of a datagram, `S` what they send.
 */
export abstract class UdpSocket<T, S> implements DatagramSocket<T, S> {
  readonly localAddr: IpAddr;
  protected readonly socket: Socket;
  /** Of an IPv6 socket that may be dual-stack. */
  protected readonly isIPv6: boolean;
  protected readonly sending: SendHalf;
  readonly #network: string;
  readonly #remoteAddr: IpAddr | undefined;
  readonly #inbox: Inbox<T>;
  readonly #sources = new SourceAddrs();
  readonly #readDeadline: DeadlineTimer;
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
    this.sending = new SendHalf(socket, {
      isIPv6: this.isIPv6,
      isConnected: remoteAddr !== undefined,
      sendLimitBytes: limits.sendLimitBytes,
      writeSite: (addr) => ({ ...this.site("write"), remoteAddr: addr ?? remoteAddr }),
      report: (error) => this.#report(error),
    });
    // Nobody can hold a datagram's sender back: what does not fit is dropped and counted.
    const source: InboxSource = {
      pause() {},
      resume() {},
      fail: (error) => this.#fail(error),
      route: () => this.#route(),
    };
    this.#inbox = new Inbox(source, {
      receiveHighWaterBytes: limits.receiveLimitBytes,
      receiveHighWaterMessages: limits.receiveLimitDatagrams,
    });
    this.#readDeadline = new DeadlineTimer(() => void this.#inbox.interrupt(timeoutError(this.site("read"))));
    socket.on("message", (bytes, source) => this.#take(bytes, source));
    socket.on("error", (error) => this.#report(netErrorFrom(error, this.site("read"))));
  }

  /** What a user gets of a datagram; `sources` makes an address of `host` and `port`. */
  protected abstract received(bytes: Uint8Array, sources: SourceAddrs, host: string, port: number): T;
  /** Sends one of a batch. */
  protected abstract sendOne(datagram: S, options: WaitOptions | undefined): Promise<void>;
  protected abstract trySendOne(datagram: S): SendOutcome;
  /** The same datagram, copied if its bytes are lent: it waits for its turn in a batch. */
  protected abstract kept(datagram: S): S;

  get dropped(): number {
    return this.#dropped;
  }

  get bufferedAmount(): number {
    return this.sending.bufferedAmount;
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
    if (typeof handler.message !== "function") {
      throw argumentError("read", 'the handler has no function "message"');
    }
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

  sendBatch(datagrams: readonly S[], options?: WaitOptions): Promise<void> {
    return told(this.#sendBatch(datagrams, options));
  }

  async #sendBatch(datagrams: readonly S[], options: WaitOptions | undefined): Promise<void> {
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

  trySendBatch(datagrams: readonly S[]): number {
    let accepted = 0;
    for (const datagram of datagrams) {
      if (this.trySendOne(datagram) !== "sent") break;
      accepted += 1;
    }
    return accepted;
  }

  flush(options?: WaitOptions): Promise<void> {
    return this.sending.flush(options);
  }

  setDeadline(at: Deadline): void {
    this.setReadDeadline(at);
    this.setWriteDeadline(at);
  }

  setReadDeadline(at: Deadline): void {
    if (this.#closed === undefined) this.#readDeadline.set(at);
  }

  setWriteDeadline(at: Deadline): void {
    if (this.#closed === undefined) this.sending.setDeadline(at);
  }

  unref(): void {
    this.socket.unref();
  }

  ref(): void {
    this.socket.ref();
  }

  close(): Promise<void> {
    this.#closed ??= told(this.#close());
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Where an error happened. */
  protected site(op: FailureSite["op"]): FailureSite {
    return { op, ...this.#route() };
  }

  /** @throws NetError `closed` */
  protected mustBeOpen(): void {
    if (this.#closed !== undefined) throw closedError(this.site("set"));
  }

  #route(): Omit<FailureSite, "op"> {
    return { network: this.#network, localAddr: this.localAddr, remoteAddr: this.#remoteAddr };
  }

  /** The handler threw. */
  #fail(error: unknown): void {
    this.#info = handlerFailed(error);
    void this.close();
  }

  async #close(): Promise<void> {
    this.#readDeadline.set(null);
    const closed = new Promise<void>((resolve) => void this.socket.once("close", resolve));
    this.socket.close();
    this.#inbox.discard(this.#info);
    this.sending.close();
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

  #readRefusal(): NetError | undefined {
    if (this.#closed !== undefined) return closedError(this.site("read"));
    if (this.#readDeadline.hasPassed) return timeoutError(this.site("read"));
    const error = this.#pendingError;
    this.#pendingError = undefined;
    return error;
  }
}
