import type { NewPublication, Retention } from "../src/index.ts";

/** What the process that is killed publishes with. */
export const keepAll: Retention = { publications: 1e9, bytes: 1e12, ttlMs: 1e9, keyMs: 1e9 };

/** A publication that says where it belongs. */
export function publicationOf(channel: string, key: string, length: number): NewPublication {
  return { user: key, data: JSON.stringify(`${channel} ${key} ${"x".repeat(length)}`), key };
}
