import { randomFillSync } from "node:crypto";

/** Keys drawn at once: one call for each costs a microsecond. */
const POOL_KEYS = 2048;

const pool = new Int32Array(POOL_KEYS);
let next = POOL_KEYS;

/** A fresh, unpredictable mask key (RFC 6455 §10.3). */
export function nextMaskKey(): number {
  if (next === POOL_KEYS) {
    randomFillSync(pool);
    next = 0;
  }
  return pool[next++] as number;
}
