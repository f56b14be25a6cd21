/** Ticks that are remembered, on both sides. */
export const RING = 64;
/** The place of a tick in them. */
export const RING_MASK = RING - 1;
