import { poison } from "@zocalo/net/transport";

/** Most memory that is kept for frames to come, in bytes: seven of the largest. */
const MAX_SPARE_BYTES = 8_388_608;
/** Larger frames get memory of their own: they are rare, and their memory is no loss to the garbage collector. In bytes. */
const MAX_KEPT_BYTES = 1_114_112;
/** Room is rounded up to a multiple of this, so that frames of about the same size share it. In bytes. */
const STEP_BYTES = 65_536;

const spare: Buffer[] = [];
let spareBytes = 0;

/**
 * Memory for one frame of at least `bytes`, not zeroed. Fresh memory of that size comes from the operating system page by page, which costs ten times as much as
 * the copy that is made there: so it is used again, once `giveBack` says that it is free.
 */
export function frameMemory(bytes: number): Buffer {
  const size = Math.ceil(bytes / STEP_BYTES) * STEP_BYTES;
  for (let i = spare.length - 1; i >= 0; i--) {
    const memory = spare[i] as Buffer;
    if (memory.length < size || memory.length > 2 * size) continue;
    spare.splice(i, 1);
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
  spare.push(memory);
  spareBytes += memory.length;
}
