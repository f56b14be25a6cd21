/** How players are matched. */
export interface MatchQueueOptions {
  /** Players of a full match, 1 to 1,000. */
  readonly seats: number;
  /**
   * With how many players a match begins whose oldest has waited `fillAfterMs`; 1 to `seats`, default 1. Bots
   * are for the rest.
   */
  readonly least?: number;
  /** How long a player waits for a full match, in milliseconds; default 15,000. */
  readonly fillAfterMs?: number;
  /** How far apart the skills of a match are at most, at first; default 100. */
  readonly skillWindow?: number;
  /** By how much more for each second that the oldest of the match has waited; default 50. */
  readonly widenPerSecond?: number;
  /**
   * Who has waited this long is matched with anybody, in milliseconds; default 60,000. Longer: somebody of
   * rare skill waits longer.
   */
  readonly anySkillAfterMs?: number;
  /** Most players who wait; default 10,000. One takes some 250 bytes, and its strings. */
  readonly maxWaiting?: number;
  /** Most places of one user; default 1. More: one who opens many pages may be matched with themselves. */
  readonly maxPerUser?: number;
}
