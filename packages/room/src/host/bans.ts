/** How many are remembered for each room; past it the one that ends first is forgotten. */
const MOST = 1_000;

/** Who may not come back, by user and by key, and until when. */
export class Bans {
  readonly #until = new Map<string, number>();

  /** @param until in milliseconds of the caller's clock, as `now` of the others */
  add(who: string, until: number): void {
    this.#until.set(who, Math.max(until, this.#until.get(who) ?? 0));
    if (this.#until.size <= MOST) return;
    let first: string | undefined;
    for (const [each, ends] of this.#until) {
      if (first === undefined || ends < (this.#until.get(first) ?? 0)) first = each;
    }
    if (first !== undefined) this.#until.delete(first);
  }

  /** For how long one of them may not come, in milliseconds; 0: they may. */
  remainingMs(who: readonly string[], now: number): number {
    let most = 0;
    for (const each of who) {
      const left = (this.#until.get(each) ?? now) - now;
      if (left <= 0) this.#until.delete(each);
      most = Math.max(most, left);
    }
    return most;
  }

  /** Who, and for how many milliseconds more. */
  save(now: number): readonly (readonly [string, number])[] {
    return [...this.#until].filter(([, until]) => until > now).map(([who, until]) => [who, until - now]);
  }

  restore(saved: readonly (readonly [string, number])[], now: number): void {
    for (const [who, left] of saved) this.add(who, now + left);
  }
}
