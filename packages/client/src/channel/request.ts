import type { Position } from "@zocalo/protocol";
import type { Subscriber } from "./subscription.ts";

/** What was asked of the server. */
export interface Request {
  readonly since?: Position;
  readonly last?: number;
  readonly presence?: boolean;
  readonly gather?: boolean;
  readonly hidden?: boolean;
}

/**
 * The least that serves all: since the earliest position in one epoch, or as many of the latest as anybody
 * asked for.
 */
export function requestFor(subscribers: readonly Subscriber[], epoch: string): Request {
  const presence = subscribers.some((subscriber) => subscriber.wantsPresence)
    ? ({ presence: true, gather: true } as const)
    : {};
  const positions = subscribers.flatMap(({ received }) => received ?? []);
  const first = positions.find((position) => position.epoch === epoch) ?? positions[0];
  if (first === undefined) {
    return { last: Math.max(...subscribers.map((subscriber) => subscriber.last ?? 0)), ...presence };
  }
  const offsets = positions.filter((position) => position.epoch === first.epoch).map(({ offset }) => offset);
  return { since: { epoch: first.epoch, offset: Math.min(...offsets) }, ...presence };
}
