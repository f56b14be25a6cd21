/** What the hot path of a receiver does to messages of a few bytes, where calls into native code cost more than loops. */

/** Binary messages up to this size are copied out of a lent chunk into a shared slab; larger ones get memory of their own. */
export const SLAB_MESSAGE_BYTES = 2048;
const SLAB_BYTES = 32_768;

let slab = newSlab();
let slabUsed = 0;

/** Not zeroed: each byte is overwritten before anybody sees it. */
function newSlab(): ArrayBuffer {
  return Buffer.allocUnsafeSlow(SLAB_BYTES).buffer;
}

/** Memory for a binary message of at most `SLAB_MESSAGE_BYTES`. */
export function shortMemory(length: number): Uint8Array {
  if (slabUsed + length > SLAB_BYTES) {
    slab = newSlab();
    slabUsed = 0;
  }
  const message = new Uint8Array(slab, slabUsed, length);
  slabUsed += (length + 7) & ~7;
  return message;
}

/** Unmasks `length` bytes behind their mask, to another place or in place. Gives all of them or-ed: below 128 for ASCII. */
export function unmaskShort(
  from: Uint8Array,
  fromAt: number,
  to: Uint8Array,
  toAt: number,
  length: number,
): number {
  const key0 = from[fromAt - 4] as number;
  const key1 = from[fromAt - 3] as number;
  const key2 = from[fromAt - 2] as number;
  const key3 = from[fromAt - 1] as number;
  let bits = 0;
  let i = 0;
  for (const last = length - 3; i < last; i += 4) {
    const byte0 = (from[fromAt + i] as number) ^ key0;
    const byte1 = (from[fromAt + i + 1] as number) ^ key1;
    const byte2 = (from[fromAt + i + 2] as number) ^ key2;
    const byte3 = (from[fromAt + i + 3] as number) ^ key3;
    to[toAt + i] = byte0;
    to[toAt + i + 1] = byte1;
    to[toAt + i + 2] = byte2;
    to[toAt + i + 3] = byte3;
    bits |= byte0 | byte1 | byte2 | byte3;
  }
  if (i < length) bits |= to[toAt + i] = (from[fromAt + i] as number) ^ key0;
  if (i + 1 < length) bits |= to[toAt + i + 1] = (from[fromAt + i + 1] as number) ^ key1;
  if (i + 2 < length) bits |= to[toAt + i + 2] = (from[fromAt + i + 2] as number) ^ key2;
  return bits;
}

/** All bytes or-ed: below 128 for ASCII. */
export function orOf(bytes: Uint8Array, start: number, end: number): number {
  let bits = 0;
  for (let at = start; at < end; at++) bits |= bytes[at] as number;
  return bits;
}
