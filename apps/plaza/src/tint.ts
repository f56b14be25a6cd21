import { hash32 } from "./slug.ts";

/** How many tints the style sheet has (`[data-tint="0"]` and so on). */
export const TINTS = 12;

/** How many motifs a tile can have in its corners, and in its middle. */
export const CORNERS = 4;
export const CENTRES = 4;

/**
 * What a user's tile looks like, and in which tint their name is written. The same for everybody who sees
 * them.
 */
export interface Look {
  readonly tint: number;
  readonly second: number;
  readonly corner: number;
  readonly centre: number;
}

/** The look of a user, derived from their id. */
export function lookOf(user: string): Look {
  const hash = hash32(user);
  const tint = hash % TINTS;
  // The second colour is far from the first around the wheel.
  const second = (tint + 4 + ((hash >>> 8) % 5)) % TINTS;
  return {
    tint,
    second,
    corner: (hash >>> 12) % CORNERS,
    centre: (hash >>> 16) % CENTRES,
  };
}
