import { noise } from "../game/random.ts";

/** At most so many pieces are in the air; the oldest give way. */
const MOST = 180;
/** They stay in the air for so long, in seconds. */
const LASTS = 0.7;
const FIELDS = 6;

/** Pieces of paper in the air. Nothing is allocated once it is made. */
export class Confetti {
  /** x, y, their speeds, age, colour. */
  readonly #pieces = new Float32Array(MOST * FIELDS);
  #next = 0;
  #count = 0;

  constructor() {
    for (let i = 0; i < MOST; i++) this.#pieces[i * FIELDS + 4] = LASTS;
  }

  /** Throws pieces up. @param speed in units a second. */
  burst(x: number, y: number, count: number, speed: number): void {
    for (let i = 0; i < count; i++) {
      const at = this.#next * FIELDS;
      this.#next = (this.#next + 1) % MOST;
      this.#count++;
      const angle = noise(this.#count, 1, 1) * 2 * Math.PI;
      const far = speed * (0.3 + 0.7 * noise(this.#count, 2, 1));
      this.#pieces[at] = x;
      this.#pieces[at + 1] = y;
      this.#pieces[at + 2] = Math.cos(angle) * far;
      this.#pieces[at + 3] = Math.sin(angle) * far;
      this.#pieces[at + 4] = LASTS * 0.3 * noise(this.#count, 3, 1);
      this.#pieces[at + 5] = this.#count;
    }
  }

  draw(brush: CanvasRenderingContext2D, seconds: number, colours: readonly string[]): void {
    const pieces = this.#pieces;
    for (let at = 0; at < pieces.length; at += FIELDS) {
      const age = (pieces[at + 4] ?? 0) + seconds;
      if (age >= LASTS) continue;
      const slower = Math.exp(-3 * seconds);
      const vx = (pieces[at + 2] ?? 0) * slower;
      const vy = (pieces[at + 3] ?? 0) * slower;
      const x = (pieces[at] ?? 0) + vx * seconds;
      const y = (pieces[at + 1] ?? 0) + vy * seconds;
      pieces[at] = x;
      pieces[at + 1] = y;
      pieces[at + 2] = vx;
      pieces[at + 3] = vy;
      pieces[at + 4] = age;
      const which = pieces[at + 5] ?? 0;
      brush.globalAlpha = Math.min(1, (LASTS - age) * 4);
      brush.fillStyle = colours[which % colours.length] ?? "#fff";
      const wide = 0.07 + 0.06 * Math.abs(Math.sin(age * 11 + which));
      brush.fillRect(x - wide, y - 0.06, 2 * wide, 0.12);
    }
    brush.globalAlpha = 1;
  }
}
