import type { Addr } from "@zocalo/net";
import type { Transport, TransportSink, WriteProgress } from "../src/contracts/transport.ts";

/**
 * A transport that delivers what another receives in pieces cut by `cut`, and after as many turns of the
 * event loop as `delay` says.
 */
export class SlicingTransport implements Transport, TransportSink {
  readonly #inner: Transport;
  readonly #cut: (length: number) => number;
  readonly #delay: () => number;
  #sink: TransportSink | undefined;
  #held = Buffer.alloc(0);
  #isReading = false;
  #isScheduled = false;
  #hasEnded = false;
  #isCut = false;
  #isClosed = false;
  #error: unknown;

  constructor(inner: Transport, cut: (length: number) => number, delay: () => number) {
    this.#inner = inner;
    this.#cut = cut;
    this.#delay = delay;
    inner.attach(this);
  }

  get localAddr(): Addr {
    return this.#inner.localAddr;
  }

  get remoteAddr(): Addr {
    return this.#inner.remoteAddr;
  }

  get releasesMemory(): boolean {
    return this.#inner.releasesMemory;
  }

  get bufferedBytes(): number {
    return this.#inner.bufferedBytes;
  }

  get takenBytes(): number {
    return this.#inner.takenBytes;
  }

  get bytesRead(): number {
    return this.#inner.bytesRead;
  }

  get bytesWritten(): number {
    return this.#inner.bytesWritten;
  }

  keepAlive(delayMs: number | undefined): void {
    this.#inner.keepAlive(delayMs);
  }

  noDelay(isOn: boolean): void {
    this.#inner.noDelay(isOn);
  }

  ref(): void {
    this.#inner.ref();
  }

  progress(): WriteProgress {
    return this.#inner.progress();
  }

  unacknowledgedBytes(): Promise<number | undefined> {
    return this.#inner.unacknowledgedBytes();
  }

  attach(sink: TransportSink): void {
    this.#sink = sink;
  }

  resume(): void {
    this.#isReading = true;
    if (this.#held.length > 0 || this.#hasEnded || this.#isClosed) this.#schedule();
    else this.#inner.resume();
  }

  pause(): void {
    this.#isReading = false;
    this.#inner.pause();
  }

  write(bytes: Uint8Array): void {
    this.#inner.write(bytes);
  }

  writev(parts: readonly Uint8Array[]): void {
    this.#inner.writev(parts);
  }

  end(): void {
    this.#inner.end();
  }

  destroy(): void {
    this.#cutHere();
    this.#inner.destroy();
  }

  unref(): void {
    this.#inner.unref();
  }

  reset(): void {
    this.#cutHere();
    this.#inner.reset();
  }

  #cutHere(): void {
    const wasLate = this.#isClosed && !this.#isCut && (this.#held.length > 0 || this.#hasEnded);
    this.#isCut = true;
    if (wasLate) this.#sink?.onClose(this.#error);
  }

  onBytes(bytes: Uint8Array): boolean {
    this.#held = Buffer.concat([this.#held, bytes]);
    this.#schedule();
    return false;
  }

  onEnd(): void {
    this.#hasEnded = true;
    this.#schedule();
  }

  onWritten(): void {
    this.#sink?.onWritten();
  }

  onWriteFailed(error: unknown): void {
    this.#sink?.onWriteFailed(error);
  }

  onFinish(): void {
    this.#sink?.onFinish();
  }

  onClose(error: unknown): void {
    // What is on its way still arrives.
    const isLate = !this.#isCut && (this.#held.length > 0 || this.#hasEnded);
    this.#isClosed = true;
    this.#error = error;
    if (!isLate) this.#sink?.onClose(error);
  }

  #schedule(turns = this.#delay()): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const step = (left: number): void => {
      if (left > 0) {
        setImmediate(step, left - 1);
        return;
      }
      this.#isScheduled = false;
      this.#deliver();
    };
    // As from a socket: never from within the call that asked for bytes.
    queueMicrotask(() => step(turns));
  }

  #deliver(): void {
    while (this.#isReading && !this.#isCut && this.#held.length > 0) {
      const length = this.#cut(this.#held.length);
      // Copied to memory that is overwritten afterwards: whoever keeps lent bytes is found out.
      const lent = Buffer.from(this.#held.subarray(0, length));
      this.#held = this.#held.subarray(length);
      if (!this.#sink?.onBytes(lent, true)) this.#isReading = false;
      lent.fill(0xee);
      const turns = this.#delay();
      if (turns > 0 && this.#held.length > 0) return this.#schedule(turns);
    }
    if (!this.#isReading || this.#isCut || this.#held.length > 0) return;
    if (this.#hasEnded) {
      this.#hasEnded = false;
      this.#sink?.onEnd();
      if (this.#isClosed) this.#sink?.onClose(this.#error);
    } else if (this.#isClosed) {
      this.#sink?.onClose(this.#error);
    } else {
      this.#inner.resume();
    }
  }
}
