import type { Channel } from "./channel.ts";

/**
 * What commands cost, in thousandths of a cheap one such as `ping`. A session and an address may spend so
 * much a second (`HubLimits`), so that a thousand of the dearest commands take no longer than a thousand of
 * the cheapest.
 */
export const COST = {
  /** Any command, and 1,024 characters of one beyond the first 1,024: 3 to 15 µs to check and to keep. */
  command: 1_000,
  /** 1,024 characters of an answer, or of what one is told of a command, beyond the first 1,024. */
  kilobyte: 125,
  /** A publication read from the log, for `history` or for a subscription that is behind. */
  publication: 50,
  /** A user read for a page of presence. */
  presentUser: 50,
  /**
   * Handing a publication, or a change of presence, to one who is subscribed: 4 µs where each is a write of
   * its own.
   */
  delivery: 50,
} as const;

/** What the length of a command costs, beside its being one. */
export function costOfReceived(length: number): number {
  return Math.floor(length / 1_024) * COST.command;
}

/** What the length of an answer costs. */
export function costOfLength(length: number): number {
  return Math.floor(length / 1_024) * COST.kilobyte;
}

/** What telling those who are subscribed costs; `length`: of what is said. */
export function costOfPublishing(channel: Channel | undefined, length: number): number {
  return (channel?.liveCount ?? 0) * costOfDelivery(length);
}

/** What telling those who watch costs; `length`: of what is said. */
export function costOfPresence(channel: Channel, length: number): number {
  return channel.presence.size * costOfDelivery(length);
}

function costOfDelivery(length: number): number {
  return COST.delivery + costOfLength(length);
}

/** What reading so many publications costs. */
export function costOfPublications(count: number): number {
  return count * COST.publication;
}
