/** What poisoned memory is filled with: in no header, text or number that a test would take for right. */
const POISON = 0xdb;

/**
 * True with `ZOCALO_POISON=1`: memory that was lent is overwritten the moment its loan ends, and memory that is used again before it is given out. So whoever
 * reads what it no longer may reads nonsense, every time and not only under load. For tests.
 */
export const isPoisoned: boolean = process.env["ZOCALO_POISON"] === "1";

/** Overwrites all of `bytes`. Call only if `isPoisoned`. */
export function poison(bytes: Uint8Array): void {
  bytes.fill(POISON);
}
