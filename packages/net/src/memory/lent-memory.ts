import { poison } from "./poison.ts";

/** What a handler is being lent just now. */
let lent: ArrayBufferLike | undefined;
/**
 * What handlers are being lent that have not yet returned, because within them another connection began to be
 * served.
 */
const lentAround: ArrayBufferLike[] = [];

/**
 * Hands `bytes` to a handler that may read them until it returns. Whatever would keep them beyond that asks
 * `isLentMemory` and copies them, so a handler may pass them on to any connection (decision 0011).
 */
export function lend<T>(bytes: Uint8Array, to: { data(bytes: Uint8Array): T }): T {
  const before = lent;
  if (before !== undefined) lentAround.push(before);
  lent = bytes.buffer;
  try {
    return to.data(bytes);
  } finally {
    lent = before;
    if (before !== undefined) lentAround.pop();
    poison(bytes);
  }
}

/** The same bytes, in memory of their own if they are lent: for wherever they would begin to wait. */
export function unlent(bytes: Uint8Array): Uint8Array {
  return isLentMemory(bytes) ? Buffer.from(bytes) : bytes;
}

/**
 * True if these bytes lie in memory that is lent at this moment. It goes by the memory, as a view of a view
 * is lent too.
 */
export function isLentMemory(bytes: Uint8Array): boolean {
  return bytes.buffer === lent || (lentAround.length > 0 && lentAround.includes(bytes.buffer));
}
