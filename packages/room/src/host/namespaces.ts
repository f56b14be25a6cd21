import type { NamespaceOptions } from "@zocalo/hub";
import { KEPT_CHUNKS, MAX_SAVE_BYTES } from "./saves.ts";

/** Where the list of a mode's rooms is: `rooms:MODE`. */
export const LIST_NAMESPACE = "rooms";
/** Where rooms are kept for the next process. */
export const SAVES_NAMESPACE = "room-saves";
/** Rooms are kept for so long, in milliseconds, if no process takes them over. */
const SAVES_TTL_MS = 3_600_000;

/**
 * The namespaces that rooms need of their hub: `rooms`, where anybody sees which there are, and `room-saves`,
 * which nobody sees.
 *
 * @example
 * const hub = new Hub({ engine, namespaces: { ...roomNamespaces } });
 */
export const roomNamespaces = {
  [LIST_NAMESPACE]: { subscribe: "anyone", history: { publications: 1 } },
  [SAVES_NAMESPACE]: {
    data: "bytes",
    history: { publications: KEPT_CHUNKS, bytes: 3 * MAX_SAVE_BYTES, ttlMs: SAVES_TTL_MS },
    keyMs: 0,
  },
} as const satisfies Readonly<Record<string, NamespaceOptions>>;
