import { poison } from "@zocalo/net/transport";

/** Size of the memory in which the frames of a turn are put together, in bytes. */
const SLAB_BYTES = 65_536;
/** Slabs that are kept for the next busy turn: 1 MiB in all. */
const MAX_SPARE = 16;

/**
 * Memory for frames between the moment they are sent and the end of the turn. One slab serves all connections, and another when it is full: when all that
 * was written in one has gone to the operating system, it starts again from its beginning, so that a busy server allocates nothing for small frames.
 */
export class Slab {
  readonly bytes: Buffer = Buffer.allocUnsafeSlow(SLAB_BYTES);
  readonly #memory: ArrayBufferLike = this.bytes.buffer;
  readonly view: DataView = new DataView(this.#memory);
  /** Where the next bytes go; whoever has written up to here may go on, and then moves it. */
  used = 0;
  #runs = 0;

  /** The slab in use, with room for `bytes`; they must fit in an empty one. */
  static withRoomFor(bytes: number): Slab {
    if (current.used + bytes > SLAB_BYTES) current = spare.pop() ?? new Slab();
    return current;
  }

  /** True if `bytes` more fit. */
  hasRoomFor(bytes: number): boolean {
    return this.used + bytes <= SLAB_BYTES;
  }

  /** What was written from `start` to `end`. A plain view: a `Buffer` takes three times as long to make. */
  piece(start: number, end: number): Uint8Array {
    return new Uint8Array(this.#memory, start, end - start);
  }

  /** Somebody begins to write at `used`. */
  open(): void {
    this.#runs++;
  }

  /** The operating system has the bytes of a run. Never called for one that it has not taken at once: then the slab is left to it. */
  release(): void {
    if (--this.#runs > 0) return;
    poison(this.bytes);
    this.used = 0;
    if (this !== current && spare.length < MAX_SPARE) spare.push(this);
  }
}

const spare: Slab[] = [];
let current = new Slab();

/** Most memory that is kept for frames to come, in bytes: seven of the largest. */
const MAX_SPARE_BYTES = 8_388_608;
/**
 * Larger frames get memory of their own: they are rare, and their memory is no loss to the garbage collector.
 * In bytes.
 */
const MAX_KEPT_BYTES = 1_114_112;
/** Room is rounded up to a multiple of this, so that frames of about the same size share it. In bytes. */
const STEP_BYTES = 65_536;

const spareFrames: Buffer[] = [];
let spareBytes = 0;

/**
 * Memory for one frame of at least `bytes`, not zeroed. Fresh memory of that size comes from the operating
 * system page by page, which costs ten times as much as the copy that is made there: so it is used again,
 * once `giveBack` says that it is free.
 */
export function frameMemory(bytes: number): Buffer {
  const size = Math.ceil(bytes / STEP_BYTES) * STEP_BYTES;
  for (let i = spareFrames.length - 1; i >= 0; i--) {
    const memory = spareFrames[i] as Buffer;
    if (memory.length < size || memory.length > 2 * size) continue;
    spareFrames.splice(i, 1);
    spareBytes -= memory.length;
    poison(memory);
    return memory;
  }
  return Buffer.allocUnsafeSlow(size <= MAX_KEPT_BYTES ? size : bytes);
}

/** Nobody reads or writes `memory` any more, which came from `frameMemory`. */
export function giveBack(memory: Buffer): void {
  poison(memory);
  if (memory.length > MAX_KEPT_BYTES || spareBytes + memory.length > MAX_SPARE_BYTES) return;
  spareFrames.push(memory);
  spareBytes += memory.length;
}
