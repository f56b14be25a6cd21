/** Every number of the game. Lengths are in units (a player is one wide), times in seconds. */
export const NUMBERS = {
  ticksPerSecond: 30,
  match: { lasts: 120, countdown: 3, doubleIn: 20, pauseAfter: 12, seats: 10 },
  map: { width: 40, height: 24 },
  player: {
    radius: 0.5,
    walksAt: 6,
    gainsSpeedIn: 0.12,
    hits: 3,
    dazedFor: 0.4,
    /** How fast one is while dazed, as a share. */
    dazedWalksAt: 0.5,
    /** Hits are forgotten when none came for so long. */
    mendsIn: 6,
    isOutFor: 3,
    isSafeFor: 1.5,
  },
  dash: { at: 18, lasts: 0.2, cooldown: 1.5, reach: 0.4 },
  egg: { radius: 0.18, at: 18, lasts: 0.9, cooldown: 0.25, latest: 0.2 },
  /** `slowsBy` is a share for each one that is carried; `handedIn` the time that each takes at the basket. */
  sweets: { radius: 0.3, carried: 8, slowsBy: 0.04, most: 48, handedIn: 0.1 },
  pinata: { radius: 1, hits: 14, holds: 12, isBackIn: 8, swings: 1.6, swingsIn: 3.2 },
  basket: { radius: 1.4 },
  /** `spread` is in radians between two of the eggs. */
  bag: { eggs: 3, lasts: 8, spread: 0.22, radius: 0.4, isBackIn: 12 },
  kite: { faster: 1.45, lasts: 5, radius: 0.4, isBackIn: 16 },
} as const;

/** Of a tick, in seconds. */
export const TICK = 1 / NUMBERS.ticksPerSecond;

/** How many ticks that many seconds are, at least one. */
export function ticks(seconds: number): number {
  return Math.max(1, Math.round(seconds * NUMBERS.ticksPerSecond));
}
