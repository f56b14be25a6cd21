/** Why there is no match, for people. `words.ts` has a sentence for each. */
export const REASONS = [
  "unreachable",
  "busy",
  "other_version",
  "no_room",
  "full",
  "banned",
  "limit_reached",
  "kicked",
  "closed",
  "replaced",
  "idle",
  "failed",
] as const;
export type Reason = (typeof REASONS)[number];
