/** Below this many bytes a plain loop is faster than making a view of 32-bit words. Guarded by bench/src/websocket.ts. */
const WORDS_FROM = 64;

const isLittleEndian = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/**
 * Masks or unmasks `bytes[start..end)` in place (RFC 6455 §5.3).
 *
 * @param key the four mask bytes as a little-endian integer; its first byte belongs to `start`. See `rotateMask`.
 */
export function applyMask(bytes: Uint8Array, start: number, end: number, key: number): void {
  if (key === 0) return;
  let at = start;
  if (end - start >= WORDS_FROM) {
    while (((bytes.byteOffset + at) & 3) !== 0) {
      bytes[at] = (bytes[at] as number) ^ (key & 255);
      key = (key >>> 8) | (key << 24);
      at++;
    }
    const count = (end - at) >> 2;
    applyToWords(new Int32Array(bytes.buffer, bytes.byteOffset + at, count), count, key);
    at += count << 2;
  }
  const key0 = key & 255;
  const key1 = (key >>> 8) & 255;
  const key2 = (key >>> 16) & 255;
  const key3 = key >>> 24;
  for (const last = end - 3; at < last; at += 4) {
    bytes[at] = (bytes[at] as number) ^ key0;
    bytes[at + 1] = (bytes[at + 1] as number) ^ key1;
    bytes[at + 2] = (bytes[at + 2] as number) ^ key2;
    bytes[at + 3] = (bytes[at + 3] as number) ^ key3;
  }
  if (at < end) bytes[at] = (bytes[at] as number) ^ key0;
  if (at + 1 < end) bytes[at + 1] = (bytes[at + 1] as number) ^ key1;
  if (at + 2 < end) bytes[at + 2] = (bytes[at + 2] as number) ^ key2;
}

/** The key for the bytes that follow after `count` bytes were masked with `key`. */
export function rotateMask(key: number, count: number): number {
  const bits = (count & 3) << 3;
  return bits === 0 ? key : (key >>> bits) | (key << (32 - bits));
}

function applyToWords(words: Int32Array, count: number, key: number): void {
  const word = isLittleEndian ? key | 0 : swap(key);
  let at = 0;
  // Unrolled: half the time of the simple loop at 64 KiB.
  for (const last = count - 7; at < last; at += 8) {
    words[at] = (words[at] as number) ^ word;
    words[at + 1] = (words[at + 1] as number) ^ word;
    words[at + 2] = (words[at + 2] as number) ^ word;
    words[at + 3] = (words[at + 3] as number) ^ word;
    words[at + 4] = (words[at + 4] as number) ^ word;
    words[at + 5] = (words[at + 5] as number) ^ word;
    words[at + 6] = (words[at + 6] as number) ^ word;
    words[at + 7] = (words[at + 7] as number) ^ word;
  }
  for (; at < count; at++) words[at] = (words[at] as number) ^ word;
}

function swap(key: number): number {
  return ((key & 255) << 24) | ((key & 0xff00) << 8) | ((key >>> 8) & 0xff00) | (key >>> 24);
}
