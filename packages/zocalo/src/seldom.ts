/** How often a thing that strangers can cause is told, in milliseconds. */
const INTERVAL_MS = 60_000;

/**
 * Tells one of many like things: one for each interval, and how many were kept back before it. So strangers
 * do not fill a log.
 */
export class Seldom {
  readonly #intervalMs: number;
  #nextMs = Number.NEGATIVE_INFINITY;
  #keptBack = 0;

  /** @param intervalMs between two that are told. Default a minute. */
  constructor(intervalMs = INTERVAL_MS) {
    this.#intervalMs = intervalMs;
  }

  /**
   * Calls `say`, or keeps this one back.
   *
   * @param say is given how many were kept back since it was called last.
   * @param nowMs milliseconds of a clock that is not set.
   */
  tell(say: (keptBack: number) => void, nowMs = performance.now()): void {
    if (nowMs < this.#nextMs) {
      this.#keptBack++;
      return;
    }
    const keptBack = this.#keptBack;
    this.#keptBack = 0;
    this.#nextMs = nowMs + this.#intervalMs;
    say(keptBack);
  }
}

/**
 * Tells an error that comes again, as the same object, once for each interval. Others are told at once.
 *
 * @param say as `Seldom` has it
 */
export function seldomEach(
  say: (error: unknown, keptBack: number) => void,
): (error: unknown, nowMs?: number) => void {
  const each = new WeakMap<object, Seldom>();
  return (error, nowMs) => {
    if (typeof error !== "object" || error === null) return say(error, 0);
    const one = each.get(error) ?? new Seldom();
    each.set(error, one);
    one.tell((keptBack) => say(error, keptBack), nowMs);
  };
}
