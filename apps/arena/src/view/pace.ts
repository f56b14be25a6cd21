/** Device pixels drawn for each CSS pixel, at most: more are not seen, and cost. Where it is slow, fewer. */
const SHARPNESS = [2, 1.5, 1.25] as const;
/** A frame that took longer has missed its turn, in seconds. */
const LATE_S = 1 / 45;
/** It is judged after so many frames, and again each time it has changed. */
const FRAMES = 90;
/** Of them so many may be late. */
const MAY_BE_LATE = 15;
/** The first ones draw the ground and the pictures. */
const FIRST = 15;

/** Watches how long frames take, and says how sharp the picture may be so that it stays smooth. */
export class Pace {
  #step = 0;
  #frames = -FIRST;
  #late = 0;

  /** Device pixels for each CSS pixel, at most. */
  get sharpness(): number {
    return SHARPNESS[this.#step] ?? 1.25;
  }

  /** A frame was shown. @param seconds since the one before. @returns true if the sharpness has changed. */
  frame(seconds: number): boolean {
    if (++this.#frames <= 0) return false;
    if (seconds > LATE_S) this.#late++;
    if (this.#frames < FRAMES) return false;
    const isSlow = this.#late > MAY_BE_LATE;
    this.#late = 0;
    this.#frames = 0;
    if (!isSlow || this.#step === SHARPNESS.length - 1) return false;
    this.#step++;
    this.#frames = -FIRST;
    return true;
  }
}
