/** What the hot path of a receiver does to messages of a few bytes, where calls into native code cost more than loops. */

/** Binary messages up to this size are copied out of a lent chunk into a shared slab; larger ones get memory of their own. */
export const SLAB_MESSAGE_BYTES = 2048;
const SLAB_BYTES = 32_768;
/** Room for a short text: at most 125 bytes. */
const SCRATCH_BYTES = 128;

/** Memory in words and in bytes. It begins at a word. */
interface Memory {
  readonly buffer: ArrayBuffer;
  readonly words: Int32Array;
  readonly bytes: Buffer;
}

/** Not zeroed: each byte is overwritten before anybody sees it. */
function unzeroed(length: number): Memory {
  const bytes = Buffer.allocUnsafeSlow(length);
  const { buffer } = bytes;
  return { buffer, bytes, words: new Int32Array(buffer, 0, length >>> 2) };
}

let slab = unzeroed(SLAB_BYTES);
let slabUsed = 0;
const scratch = unzeroed(SCRATCH_BYTES);

/** Where a message of at most `SLAB_MESSAGE_BYTES` begins in the slab. */
function placeFor(length: number): number {
  if (slabUsed + length > SLAB_BYTES) {
    slab = unzeroed(SLAB_BYTES);
    slabUsed = 0;
  }
  const at = slabUsed;
  slabUsed += (length + 7) & ~7;
  return at;
}

/** Memory for a binary message of at most `SLAB_MESSAGE_BYTES`. */
export function shortMemory(length: number): Uint8Array {
  const at = placeFor(length);
  return new Uint8Array(slab.buffer, at, length);
}

/** Memory of its own for a larger one. */
export function ownMemory(length: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
}

/** A binary message of `length` bytes, copied from behind its mask. */
export function unmaskedCopy(from: DataView, fromAt: number, length: number): Uint8Array {
  const at = placeFor(length);
  unmaskTo(slab, at, from, fromAt, length);
  return new Uint8Array(slab.buffer, at, length);
}

/** Unmasks `length` bytes behind their mask to the beginning of `unmasked`, until the next call. True if they are ASCII. */
export function unmaskAside(from: DataView, fromAt: number, length: number): boolean {
  return unmaskTo(scratch, 0, from, fromAt, length);
}

/** See `unmaskAside`. */
export const unmasked: Buffer = scratch.bytes;

/** The order of bytes in words of this machine. */
const isLittle = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
/** The highest bit of each byte. */
const HIGH_BITS = 0x80808080;

/**
 * 32 bits at a time, from wherever they begin to where a word begins: that takes half the time of single bytes. To write by a `DataView`, too, is as fast on Node 20 only.
 */
function unmaskTo(to: Memory, toAt: number, from: DataView, fromAt: number, length: number): boolean {
  const { words, bytes } = to;
  const key = from.getInt32(fromAt - 4, isLittle);
  let bits = 0;
  let i = 0;
  for (const last = length - 3; i < last; i += 4) {
    const word = from.getInt32(fromAt + i, isLittle) ^ key;
    words[(toAt + i) >>> 2] = word;
    bits |= word;
  }
  // Here `i & 3` is 0, and so the mask begins anew.
  for (let maskAt = fromAt - 4; i < length; i++, maskAt++) {
    const byte = from.getUint8(fromAt + i) ^ from.getUint8(maskAt);
    bytes[toAt + i] = byte;
    bits |= byte;
  }
  return (bits & HIGH_BITS) === 0;
}

/** True if all bytes are below 128. */
export function areAscii(bytes: Uint8Array, start: number, end: number): boolean {
  let bits = 0;
  for (let at = start; at < end; at++) bits |= bytes[at] as number;
  return bits < 128;
}

let keptBuffer: ArrayBufferLike = slab.buffer;
let keptView: DataView<ArrayBufferLike> = new DataView(keptBuffer);

/** A view of all of `buffer`. That of the buffer that sockets read into is asked for again and again. */
export function viewOf(buffer: ArrayBufferLike): DataView {
  if (buffer !== keptBuffer) {
    keptBuffer = buffer;
    keptView = new DataView(buffer);
  }
  return keptView;
}
