import { COST, costOfLength } from "@zocalo/protocol";
import type { Channel } from "./channel.ts";

// The costs of `COST` are such that a thousand of the dearest commands take no longer than a thousand pings:
// a delivery takes 4 µs where each is a write of its own.

/** What telling those who are subscribed costs; `length`: of what is said. */
export function costOfPublishing(channel: Channel | undefined, length: number): number {
  return (channel?.live.size ?? 0) * costOfDelivery(length);
}

/** What telling those who are subscribed of a cast costs; `length`: of what is said. */
export function costOfCasting(channel: Channel | undefined, length: number): number {
  return (channel?.casts.size ?? 0) * costOfDelivery(length);
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
