/** How long to wait before connecting again. */
export interface BackoffOptions {
  /** Upper bound of the first wait, in milliseconds; it doubles with each attempt. Default 500. */
  readonly baseMs?: number;
  /** Upper bound of every wait, in milliseconds. Default 20,000. */
  readonly maxMs?: number;
}

/** Used where `BackoffOptions` leaves a field out. */
export const defaultBackoff = { baseMs: 500, maxMs: 20_000 } as const;

/**
 * Full jitter: anything from nothing to the doubled bound, so that the clients of a restarted server come
 * back spread out and not in waves.
 *
 * @param attempt 1 for the first wait
 * @param random from 0 to below 1
 */
export function backoffMs(
  attempt: number,
  random: number,
  { baseMs, maxMs }: Required<BackoffOptions>,
): number {
  return Math.floor(random * Math.min(maxMs, baseMs * 2 ** Math.min(attempt - 1, 30)));
}
