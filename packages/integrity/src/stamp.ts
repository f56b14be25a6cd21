/** Bytes of a block; the content of a stream is a row of them. */
export const BLOCK_BYTES = 8;

/** What the library writes over memory whose loan has ended, with `ZOCALO_POISON=1`. */
export const LIBRARY_POISON = 0xdb;
/** What the driver writes over its own buffers as soon as it may. */
export const CALLER_POISON = 0xee;
/** What the driver writes over what it was given to keep, in cases in which it changes that. */
export const OWNER_POISON = 0xdd;

const POSITION_SCRAMBLE = 0x9e3779b1;
const POSITION_UNSCRAMBLE = inverseOf(POSITION_SCRAMBLE);
const STREAM_SCRAMBLE = 0x85ebca6b;
const STREAM_UNSCRAMBLE = inverseOf(STREAM_SCRAMBLE);

/** Blocks made at once when content is compared. */
const SCRATCH_BYTES = 65_536;
const scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES + 2 * BLOCK_BYTES);

/** Where a byte belongs. */
export interface Stamp {
  readonly stream: number;
  /** Bytes before it in its stream. */
  readonly position: number;
}

/**
 * Writes what `stream` has from `position` on over `target`. Each byte is a function of the two; any aligned
 * block tells both, see `identify`.
 *
 * @param stream From 1 to 2^24 - 1.
 */
export function stamp(target: Uint8Array, stream: number, position: number): void {
  let at = 0;
  const skipped = position % BLOCK_BYTES;
  let block = (position - skipped) / BLOCK_BYTES;
  if (skipped > 0) {
    const one = new Uint8Array(BLOCK_BYTES);
    fill(one, 1, stream, block);
    at = Math.min(BLOCK_BYTES - skipped, target.length);
    target.set(one.subarray(skipped, skipped + at));
    block += 1;
  }
  const whole = Math.floor((target.length - at) / BLOCK_BYTES);
  fill(target.subarray(at), whole, stream, block);
  at += whole * BLOCK_BYTES;
  if (at === target.length) return;
  const one = new Uint8Array(BLOCK_BYTES);
  fill(one, 1, stream, block + whole);
  target.set(one.subarray(0, target.length - at), at);
}

/** New memory of `length` bytes with what `stream` has from `position` on. */
export function stamped(stream: number, position: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(length);
  stamp(bytes, stream, position);
  return bytes;
}

/** How many of `bytes` are, from the first on, what `stream` has from `position` on. */
export function agreement(bytes: Uint8Array, stream: number, position: number): number {
  for (let at = 0; at < bytes.length; ) {
    const length = Math.min(SCRATCH_BYTES, bytes.length - at);
    const expected = scratch.subarray(0, length);
    stamp(expected, stream, position + at);
    const part = bytes.subarray(at, at + length);
    if (expected.compare(part) !== 0) {
      let i = 0;
      while (part[i] === expected[i]) i += 1;
      return at + i;
    }
    at += length;
  }
  return bytes.length;
}

/** Whose `bytes` are and where the first of them belongs; `undefined` if they hold no whole block. */
export function identify(bytes: Uint8Array): Stamp | undefined {
  for (let shift = 0; shift < BLOCK_BYTES && shift + BLOCK_BYTES <= bytes.length; shift += 1) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + shift, BLOCK_BYTES);
    const low = view.getUint32(0, true);
    const high = Math.imul(view.getUint32(4, true) ^ rotated(low), STREAM_UNSCRAMBLE) >>> 0;
    const block = (Math.imul(low, POSITION_UNSCRAMBLE) >>> 0) - 1;
    const stream = high >>> 8;
    const position = block * BLOCK_BYTES - shift;
    if (stream === 0 || position < 0 || block > 2 ** 26 || (high & 0xff) !== checkOf(stream, block)) continue;
    return { stream, position };
  }
  return undefined;
}

/** What stands in `bytes`, in words, for the report of a failure. */
export function describeBytes(bytes: Uint8Array): string {
  const run = (value: number): boolean =>
    bytes.length > 0 && bytes.subarray(0, 8).every((byte) => byte === value);
  if (bytes.length === 0) return "nothing";
  if (run(LIBRARY_POISON)) return "memory whose loan had ended (0xdb)";
  if (run(CALLER_POISON)) return "the caller's buffer, read after its call had settled (0xee)";
  if (run(OWNER_POISON)) return "memory that had been given away to be kept (0xdd)";
  const found = identify(bytes.subarray(0, 32));
  const hex = Buffer.from(bytes.subarray(0, 16)).toString("hex");
  return found === undefined ? `unknown bytes ${hex}` : `byte ${found.position} of stream ${found.stream}`;
}

function fill(target: Uint8Array, blocks: number, stream: number, firstBlock: number): void {
  const isAligned = target.byteOffset % 4 === 0;
  const words = isAligned
    ? new Uint32Array(target.buffer, target.byteOffset, blocks * 2)
    : new Uint32Array(blocks * 2);
  const top = stream << 8;
  for (let i = 0; i < blocks; i += 1) {
    const block = firstBlock + i;
    const low = Math.imul(block + 1, POSITION_SCRAMBLE);
    words[2 * i] = low;
    words[2 * i + 1] = Math.imul(top | checkOf(stream, block), STREAM_SCRAMBLE) ^ rotated(low);
  }
  if (!isAligned) target.set(new Uint8Array(words.buffer), 0);
}

function rotated(word: number): number {
  return (word << 13) | (word >>> 19);
}

function checkOf(stream: number, block: number): number {
  return (Math.imul(stream, 167) ^ Math.imul(block, 59)) & 0xff;
}

/** The number that undoes a multiplication by an odd one, modulo 2^32 (Newton). */
function inverseOf(odd: number): number {
  let inverse = odd;
  for (let i = 0; i < 5; i += 1) inverse = Math.imul(inverse, 2 - Math.imul(odd, inverse));
  return inverse;
}
