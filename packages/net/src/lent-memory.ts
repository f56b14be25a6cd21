import { poison } from "./poison.ts";

/** What a handler is being lent just now. */
let lent: ArrayBufferLike | undefined;

/**
 * Hands `bytes` to a handler that may read them until it returns. Whatever would keep them beyond that asks `isLentMemory` and copies them, so a
 * handler may pass them on to any connection (decision 0011).
 */
export function lend<T>(bytes: Uint8Array, to: { data(bytes: Uint8Array): T }): T {
  const before = lent;
  lent = bytes.buffer;
  try {
    return to.data(bytes);
  } finally {
    lent = before;
    poison(bytes);
  }
}

/** True if these bytes lie in memory that is lent at this moment. It goes by the memory, as a view of a view is lent too. */
export function isLentMemory(bytes: Uint8Array): boolean {
  return bytes.buffer === lent;
}
