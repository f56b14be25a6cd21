import { type LinkConditions, LinkModel, type LinkModels } from "@zocalo/room/client";
import type { NetRing } from "./net-figures.ts";

/** Bad links that a player can try the game on, without a bad network. */
export const LINKS = {
  /**
   * 150 ms of round trip and 5 % of loss: half of the delay each way, and in each direction one datagram in
   * twenty. A few milliseconds of jitter, as every long way has.
   */
  far: { delayMs: 70, jitterMs: 10, loss: 0.05 },
  /**
   * Wi-Fi that comes in bursts, as on a full channel or while a phone saves power: once a second everything
   * is held for 180 ms, and then comes at once.
   */
  bursts: { delayMs: 5, jitterMs: 4, holdMs: 180, holdEveryMs: 1_000 },
} as const satisfies Record<string, Partial<LinkConditions>>;
export type LinkName = keyof typeof LINKS;

/** What a match over the network lends to the page. */
export interface NetPlay {
  readonly ring: NetRing;
  /** From now on everything passes these links, both ways; `undefined`: as it is. */
  readonly onLink: (models: LinkModels | undefined) => void;
}

/** Both directions of a link. @param seed a whole number: the same one loses the same. */
export function linkModels(name: LinkName, seed: number): LinkModels {
  return { up: new LinkModel(seed, LINKS[name]), down: new LinkModel(seed ^ 0x5bf0_3635, LINKS[name]) };
}
