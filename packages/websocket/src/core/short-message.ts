import { isUtf8 } from "node:buffer";
import { isPoolSafe, poison } from "@zocalo/net/transport";
import { type Memory, ownMemory, poolFor, takePlace, unzeroed } from "./memory.ts";

/*
 * What the hot path of a receiver does to messages of at most 125 bytes, where calls into native code cost
 * more than loops.
 */

/** Room for a short message. */
const scratch = unzeroed(128);
/** See `unmaskAside`. */
export const unmasked: Buffer = scratch.bytes;

/** A binary message, copied from behind its mask. */
export function unmaskedCopy(from: DataView, fromAt: number, length: number): Uint8Array {
  if (isPoolSafe) {
    const memory = poolFor(length);
    const at = takePlace(length);
    unmaskTo(memory, at, from, fromAt, length);
    return new Uint8Array(memory.buffer, at, length);
  }
  unmaskAside(from, fromAt, length);
  const message = ownMemory(length);
  message.set(unmasked.subarray(0, length));
  return message;
}

/**
 * Unmasks `length` bytes behind their mask to the beginning of `unmasked`, until the next call. True if they
 * are ASCII.
 */
export function unmaskAside(from: DataView, fromAt: number, length: number): boolean {
  poison(scratch.bytes);
  return unmaskTo(scratch, 0, from, fromAt, length);
}

/** The order of bytes in words of this machine. */
const isLittle = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
/** The highest bit of each byte. */
const HIGH_BITS = 0x80808080;

/**
 * 32 bits at a time, from wherever they begin to where a word begins: that takes half the time of single
 * bytes. To write by a `DataView`, too, is as fast on Node 20 only.
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

let keptBuffer: ArrayBufferLike = scratch.buffer;
let keptView: DataView<ArrayBufferLike> = new DataView(keptBuffer);

/** A view of all of `buffer`. That of the buffer that sockets read into is asked for again and again. */
export function viewOf(buffer: ArrayBufferLike): DataView {
  if (buffer !== keptBuffer) {
    keptBuffer = buffer;
    keptView = new DataView(buffer);
  }
  return keptView;
}

/** Texts of up to this many bytes are made without a call into native code. */
export const SHORT_ASCII_BYTES = 16;

// oxlint-disable-next-line unicorn/prefer-code-point -- it is slower, and no different below 128
const of = String.fromCharCode as (...bytes: (number | undefined)[]) => string;

/**
 * Text of at most `SHORT_ASCII_BYTES` bytes `b[i]` that are all below 128: 25 ns for 16 of them, where
 * `latin1Slice` takes 59 and `fromCharCode` with an array 64 (Node 20). Longer texts put together of such
 * pieces would be ropes, which cost more when they are read.
 */
export function shortAsciiText(b: Uint8Array, i: number, length: number): string {
  // biome-ignore format: a table
  switch (length) {
    case 0: return "";
    case 1: return of(b[i]);
    case 2: return of(b[i], b[i + 1]);
    case 3: return of(b[i], b[i + 1], b[i + 2]);
    case 4: return of(b[i], b[i + 1], b[i + 2], b[i + 3]);
    case 5: return of(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4]);
    case 6: return of(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5]);
    case 7: return of(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6]);
    case 8: return of(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6], b[i + 7]);
    case 9: return of(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6], b[i + 7], b[i + 8]);
    case 10: return of(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6], b[i + 7], b[i + 8], b[i + 9]);
    case 11: return of(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6], b[i + 7], b[i + 8], b[i + 9], b[i + 10]);
    case 12: return of(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6], b[i + 7], b[i + 8], b[i + 9], b[i + 10], b[i + 11]);
    case 13: return of(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6], b[i + 7], b[i + 8], b[i + 9], b[i + 10], b[i + 11], b[i + 12]);
    case 14: return of(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6], b[i + 7], b[i + 8], b[i + 9], b[i + 10], b[i + 11], b[i + 12], b[i + 13]);
    case 15: return of(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6], b[i + 7], b[i + 8], b[i + 9], b[i + 10], b[i + 11], b[i + 12], b[i + 13], b[i + 14]);
    default: return of(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6], b[i + 7], b[i + 8], b[i + 9], b[i + 10], b[i + 11], b[i + 12], b[i + 13], b[i + 14], b[i + 15]);
  }
}

/** The text that is `bytes[start..]`; `undefined` if it is not UTF-8. */
export function shortTextOf(
  bytes: Buffer,
  start: number,
  length: number,
  isAsciiText: boolean,
): string | undefined {
  if (isAsciiText && length <= SHORT_ASCII_BYTES) return shortAsciiText(bytes, start, length);
  const stop = start + length;
  if (isAsciiText) return bytes.toString("latin1", start, stop);
  return isUtf8(bytes.subarray(start, stop)) ? bytes.toString("utf8", start, stop) : undefined;
}
