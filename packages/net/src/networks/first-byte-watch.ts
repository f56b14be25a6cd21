import { NetError } from "../contracts/error.ts";
import { checkPeriodMs, type Monitored, monitor, unmonitor } from "../flow/rounds.ts";
import type { StreamConn } from "../stream/stream-conn.ts";
import type { TransportSink } from "../contracts/transport.ts";

/**
 * Stands between a transport and its new connection until the peer has said something, and cuts the
 * connection of one that does not. It hears of the first byte itself, so that a connection pays nothing for
 * it afterwards; to hear, it has the first portion read ahead.
 */
export class FirstByteWatch implements TransportSink, Monitored {
  slot = -1;
  readonly #conn: StreamConn;
  readonly #timeoutMs: number;
  readonly #onOver: () => void;
  /** When it was first checked; -1: not yet. */
  #since = -1;
  #isOver = false;

  /** @param onOver called exactly once: the peer has spoken or ended, or the connection is over. */
  constructor(conn: StreamConn, timeoutMs: number, onOver: () => void) {
    this.#conn = conn;
    this.#timeoutMs = timeoutMs;
    this.#onOver = onOver;
  }

  start(): void {
    const { transport } = this.#conn;
    transport.attach(this);
    monitor(this, checkPeriodMs(this.#timeoutMs));
    transport.resume();
  }

  checkPeer(now: number): void {
    if (this.#since === -1) this.#since = now;
    else if (now - this.#since >= this.#timeoutMs) this.#timeOut();
  }

  onBytes(bytes: Uint8Array, isLent: boolean): boolean {
    this.#leave();
    return this.#conn.onBytes(bytes, isLent);
  }

  onEnd(): void {
    this.#leave();
    this.#conn.onEnd();
  }

  onWritten(): void {
    this.#conn.onWritten();
  }

  onWriteFailed(error: unknown): void {
    this.#conn.onWriteFailed(error);
  }

  onFinish(): void {
    this.#conn.onFinish();
  }

  onClose(error: unknown): void {
    this.#over();
    this.#conn.onClose(error);
  }

  /** From now on the transport tells the connection. */
  #leave(): void {
    this.#over();
    this.#conn.transport.attach(this.#conn);
  }

  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    unmonitor(this, checkPeriodMs(this.#timeoutMs));
    this.#onOver();
  }

  #timeOut(): void {
    const conn = this.#conn;
    this.#over();
    const reason = `the peer has said nothing for ${this.#timeoutMs} ms`;
    conn.onClose(new NetError({ ...conn.failureSite("read"), code: "timeout", reason }));
    conn.transport.reset();
  }
}
