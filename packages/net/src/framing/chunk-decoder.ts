import { copyOf, type FrameDecoder, nothing, toBytes } from "./frame-codec.ts";
import type { Message } from "../contracts/message-conn.ts";

/** Smallest buffer worth making, in bytes: a typical short message. */
const FIRST_BYTES = 256;

/**
 * Collects the parts of one message. The bytes are copied: a one-byte segment may be a view of a 64 KiB read
 * buffer, and keeping views would let a peer pin thousands of those. Holds at most twice what was added.
 */
export class Accumulator {
  #buffer: Buffer | undefined;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Adds `chunk[start, end)`. */
  append(chunk: Buffer, start: number, end: number): void {
    const needed = this.#length + end - start;
    const old = this.#buffer;
    if (old === undefined || needed > old.length) {
      const size = Math.max(FIRST_BYTES, needed, (old?.length ?? 0) * 2);
      this.#buffer = Buffer.allocUnsafeSlow(size);
      old?.copy(this.#buffer, 0, 0, this.#length);
    }
    if (this.#buffer !== undefined) chunk.copy(this.#buffer, this.#length, start, end);
    this.#length = needed;
  }

  /** The bytes collected so far, valid until the next call of another method. */
  view(): Buffer {
    return this.#buffer?.subarray(0, this.#length) ?? Buffer.alloc(0);
  }

  /** The bytes collected, which then belong to the caller; starts anew. */
  take(): Buffer {
    const bytes = this.view();
    this.#buffer = undefined;
    this.#length = 0;
    return bytes;
  }
}

/**
 * What decoders of all framings have in common: the chunk that was written last, how far it is taken, and
 * what came before it of a message that is begun.
 */
export abstract class ChunkDecoder implements FrameDecoder {
  messageBytes = 0;
  protected readonly maxBytes: number;
  protected readonly begun = new Accumulator();
  protected chunk = nothing;
  protected at = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  get isAtBoundary(): boolean {
    return this.begun.length === 0 && this.at === this.chunk.length;
  }

  write(chunk: Uint8Array): void {
    this.chunk = toBytes(chunk);
    this.at = 0;
  }

  keep(): void {
    this.chunk = copyOf(this.chunk, this.at, this.chunk.length);
    this.at = 0;
  }

  abstract next(): Message | undefined;

  /** The rest of the chunk is the beginning of a message, or goes on with one. */
  protected keepRest(): void {
    this.begun.append(this.chunk, this.at, this.chunk.length);
    this.chunk = nothing;
    this.at = 0;
  }
}
