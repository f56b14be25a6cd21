/** Texts of up to this many bytes are made without a call into native code. */
export const SHORT_ASCII_BYTES = 16;

// oxlint-disable-next-line unicorn/prefer-code-point -- it is slower, and no different below 128
const of = String.fromCharCode as (...bytes: (number | undefined)[]) => string;

/**
 * Text of at most `SHORT_ASCII_BYTES` bytes `b[i]` that are all below 128: 25 ns for 16 of them, where `latin1Slice` takes 59 and `fromCharCode` with an array 64 (Node
 * 20). Longer texts put together of such pieces would be ropes, which cost more when they are read.
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
