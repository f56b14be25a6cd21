import type {
  ReadableStream,
  ReadableStreamDefaultReader,
  WritableStream,
  WritableStreamDefaultWriter,
} from "node:stream/web";
import { type Addr, pipeAddr } from "../contracts/addr.ts";
import { asError } from "../contracts/failures.ts";
import { unlent } from "../memory/lent-memory.ts";
import { owned } from "../memory/own-memory.ts";
import { told } from "../flow/told.ts";
import type { Transport, TransportSink, WriteProgress } from "../contracts/transport.ts";

/** A transport over two Web Streams. Each direction ends, and fails, by itself. */
export class WebStreamTransport implements Transport {
  readonly localAddr: Addr = pipeAddr;
  readonly remoteAddr: Addr = pipeAddr;
  readonly takenBytes = 0;
  readonly releasesMemory = false;
  bytesRead = 0;
  bytesWritten = 0;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  #sink: TransportSink | undefined;
  #isReading = false;
  #isPulling = false;
  /** Came while nobody was reading. */
  #held: Uint8Array | undefined;
  #hasEnded = false;
  #leaving = 0;
  #isEnding = false;
  #hasFinished = false;
  #writeError: unknown;
  #isOver = false;

  /** @throws TypeError if one of them is locked; then neither is. */
  constructor({ readable, writable }: { readable: ReadableStream; writable: WritableStream }) {
    this.#writer = writable.getWriter();
    try {
      this.#reader = readable.getReader();
    } catch (error) {
      this.#writer.releaseLock();
      throw error;
    }
    // A sink that fails while nothing is written is told only here.
    this.#writer.closed.catch((error: unknown) => this.#writeFailed(error));
    void told(this.#reader.closed); // `read` tells it, too.
  }

  get bufferedBytes(): number {
    return this.#leaving;
  }

  progress(): WriteProgress {
    return { complete: undefined, left: this.#leaving };
  }

  unacknowledgedBytes(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  attach(sink: TransportSink): void {
    this.#sink = sink;
  }

  resume(): void {
    if (this.#isReading || this.#isOver) return;
    this.#isReading = true;
    const bytes = this.#held;
    if (bytes === undefined) return this.#pull();
    this.#held = undefined;
    queueMicrotask(() => this.#deliver(bytes, false));
  }

  pause(): void {
    this.#isReading = false;
  }

  write(bytes: Uint8Array): void {
    this.#leaving = bytes.length;
    // When a sink is done with what it was given nobody knows.
    this.#writer.write(unlent(bytes)).then(
      () => this.#written(),
      (error: unknown) => this.#writeFailed(error),
    );
  }

  writev(parts: readonly Uint8Array[]): void {
    this.write(Buffer.concat(parts));
  }

  end(): void {
    this.#isEnding = true;
    if (this.#leaving > 0 || this.#isOver) return;
    this.#writer.close().then(
      () => this.#finished(),
      (error: unknown) => this.#writeFailed(error),
    );
  }

  destroy(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#held = undefined;
    // Both may have ended or failed already; whoever has them is told there.
    void told(this.#reader.cancel(this.#writeError));
    void told(this.#writer.abort(this.#writeError));
    queueMicrotask(() => this.#sink?.onClose(undefined));
  }

  reset(): void {
    this.destroy();
  }

  unref(): void {
    // Streams hold no process.
  }

  ref(): void {
    // Nor can they be made to.
  }

  noDelay(): void {
    // Nobody knows what carries them.
  }

  keepAlive(): void {
    // Nobody knows what carries them.
  }

  #pull(): void {
    if (this.#isPulling || !this.#isReading || this.#hasEnded || this.#isOver) return;
    this.#isPulling = true;
    this.#reader.read().then(
      ({ done, value }) => {
        this.#isPulling = false;
        if (done) this.#ended();
        else this.#deliver(value, true);
      },
      (error: unknown) => this.#broke(error),
    );
  }

  /** `isNew` unless it was held. */
  #deliver(bytes: unknown, isNew: boolean): void {
    if (this.#isOver) return;
    if (!(bytes instanceof Uint8Array)) {
      return this.#broke(new TypeError(`the readable stream gave ${typeof bytes}, not a Uint8Array`));
    }
    if (bytes.length === 0) return this.#pull();
    this.bytesRead += isNew ? bytes.length : 0;
    if (!this.#isReading) this.#held = bytes;
    else if (this.#sink?.onBytes(owned(bytes), false)) this.#pull();
    else this.#isReading = false;
  }

  #ended(): void {
    this.#hasEnded = true;
    if (this.#isOver) return;
    this.#sink?.onEnd();
    this.#closeIfBothAreOver();
  }

  #written(): void {
    if (this.#isOver || this.#writeError !== undefined) return;
    this.bytesWritten += this.#leaving;
    this.#leaving = 0;
    if (this.#isEnding) this.end();
    this.#sink?.onWritten();
  }

  #finished(): void {
    this.#hasFinished = true;
    if (this.#isOver) return;
    this.#sink?.onFinish();
    this.#closeIfBothAreOver();
  }

  /** Of a write that failed the bytes stay counted. */
  #writeFailed(reason: unknown): void {
    if (this.#isOver || this.#hasFinished || this.#writeError !== undefined) return;
    this.#writeError = asError(reason);
    this.#sink?.onWriteFailed(this.#writeError);
    this.#closeIfBothAreOver();
  }

  #broke(reason: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const error = asError(reason);
    void told(this.#reader.cancel(error));
    void told(this.#writer.abort(error));
    this.#sink?.onClose(error);
  }

  #closeIfBothAreOver(): void {
    if (!this.#hasEnded || this.#isOver) return;
    if (!this.#hasFinished && this.#writeError === undefined) return;
    this.#isOver = true;
    this.#sink?.onClose(this.#writeError);
  }
}
