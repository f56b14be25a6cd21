import { markAsUntransferable } from "node:worker_threads";
import { isPoolSafe, poison } from "@zocalo/net/transport";

/*
 * The memory of binary messages that are received, which belong to the application: it may keep them, change
 * them, and give them away. And that of large frames that are sent, which is used again.
 */

/**
 * Messages up to this size are cut from a pool, if it can be protected; longer ones get memory of their own.
 */
export const POOLED_BYTES = 2048;
const POOL_BYTES = 32_768;
/** Up to so many bytes V8 keeps an array in its own heap. */
const OWN_HEAP_BYTES = 64;

/** Memory in words and in bytes. It begins at a word. */
export interface Memory {
  readonly buffer: ArrayBuffer;
  readonly words: Int32Array;
  readonly bytes: Buffer;
}

/** Not zeroed: each byte is overwritten before anybody sees it. */
export function unzeroed(length: number): Memory {
  const bytes = Buffer.allocUnsafeSlow(length);
  const { buffer } = bytes;
  return { buffer, bytes, words: new Int32Array(buffer, 0, length >>> 2) };
}

let pool: Memory | undefined;
let poolUsed = 0;

/** Memory for a binary message, which belongs to whoever gets that. */
export function messageMemory(length: number): Uint8Array {
  if (length > POOLED_BYTES || !isPoolSafe) return ownMemory(length);
  const { buffer } = poolFor(length);
  return new Uint8Array(buffer, takePlace(length), length);
}

/** Memory that no other message shares. */
export function ownMemory(length: number): Uint8Array {
  // So short an array V8 makes in its own heap, which costs no more than a piece of a pool.
  return length <= OWN_HEAP_BYTES
    ? new Uint8Array(length)
    : new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
}

/**
 * The pool that all connections share, with room for `length` bytes. What is cut from it is not reused; the
 * pool is collected with the last message in it.
 */
export function poolFor(length: number): Memory {
  if (pool === undefined || poolUsed + length > POOL_BYTES) {
    pool = unzeroed(POOL_BYTES);
    markAsUntransferable(pool.buffer);
    poolUsed = 0;
  }
  return pool;
}

/** Where the next `length` bytes of the pool begin. */
export function takePlace(length: number): number {
  const at = poolUsed;
  poolUsed += (length + 7) & ~7;
  return at;
}

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
