import { poison } from "../memory/poison.ts";

/** Views of up to so many bytes are kept. */
const MAX_KEPT_VIEW = 512;

/**
 * Memory that is used from its beginning, again and again. To make a view costs about as much as all else
 * that is done here for a small read, so those of small ones are kept. Guarded by `npm run bench -- tcp`.
 */
export class ReusedMemory {
  readonly memory: Buffer;
  readonly #views: (Buffer | undefined)[] = [];

  constructor(memory: Buffer) {
    this.memory = memory;
  }

  get room(): number {
    return this.memory.length;
  }

  /** The first `length` bytes. */
  view(length: number): Buffer {
    if (length > MAX_KEPT_VIEW) return this.memory.subarray(0, length);
    return (this.#views[length] ??= this.memory.subarray(0, length));
  }

  begins(bytes: Uint8Array): boolean {
    return bytes.buffer === this.memory.buffer && bytes.byteOffset === this.memory.byteOffset;
  }

  /** What is left behind the first `length` bytes. */
  after(length: number): ReusedMemory {
    return new ReusedMemory(this.memory.subarray(length));
  }
}

/** What a copy is made in, in bytes; a longer one has memory of its own size. */
const COPY_BYTES = 64 * 1024;

let copies = new ReusedMemory(Buffer.allocUnsafeSlow(COPY_BYTES));

/**
 * Copies lent bytes so that a plain socket can write them. A write is mostly over at once, so the memory of
 * the copy is used again, unless `keepCopy` follows. What goes to another stream is not copied here: when
 * that is done with bytes nobody knows.
 */
export function copyForWrite(lent: Uint8Array): Uint8Array {
  if (copies.room < lent.length) {
    copies = new ReusedMemory(Buffer.allocUnsafeSlow(Math.max(COPY_BYTES, lent.length)));
  }
  const copy = copies.view(lent.length);
  copy.set(lent);
  return copy;
}

/** The system has taken the copy: its memory is used again. */
export function freeCopy(copy: Uint8Array): void {
  poison(copy);
}

/**
 * The system has not taken the copy yet: its memory stays with the write, and the next copy goes behind it.
 */
export function keepCopy(copy: Uint8Array): void {
  if (copies.begins(copy)) copies = copies.after(copy.length);
}
