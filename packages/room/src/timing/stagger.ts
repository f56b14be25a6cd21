/**
 * Hands out phases of a tick, so that the rooms of one process do not all tick at once. Each lies in the
 * middle of the widest gap between those in use.
 *
 * @example
 * const stagger = new Stagger();
 * console.log(stagger.take(), stagger.take(), stagger.take()); // 0 0.5 0.25
 */
export class Stagger {
  /** In order. */
  readonly #phases: number[] = [];

  /** A phase from 0 to below 1, for `TickerOptions.phase`. It is in use until `free`. */
  take(): number {
    let at = 0;
    let widest = 0;
    for (let i = 0; i < this.#phases.length; i++) {
      const gap = (this.#phases[i + 1] ?? (this.#phases[0] ?? 0) + 1) - (this.#phases[i] ?? 0);
      // The first of several: rounding must not choose.
      if (gap > widest + 1e-9) {
        widest = gap;
        at = i;
      }
    }
    const phase = this.#phases.length === 0 ? 0 : ((this.#phases[at] ?? 0) + widest / 2) % 1;
    this.#phases.push(phase);
    this.#phases.sort((a, b) => a - b);
    return phase;
  }

  /** Gives back a phase that `take` gave. */
  free(phase: number): void {
    const at = this.#phases.indexOf(phase);
    if (at >= 0) this.#phases.splice(at, 1);
  }
}
