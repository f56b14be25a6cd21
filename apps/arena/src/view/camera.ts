import { NUMBERS } from "../game/numbers.ts";

const { width, height } = NUMBERS.map;
/** So many CSS pixels a unit takes at least; where the map is larger than the screen the camera follows. */
const LEAST_PX = 24;
/** Where it follows anyway, the height of the screen is used up to this many. */
const MOST_PX = 32;
/** How fast it follows, as a share of the way in a second (of what is left). */
const FOLLOWS = 5;

/** How far a shake goes, in CSS pixels. */
const SHAKE_PX = 6;
/** Three flashes a second are allowed, and a picture that is shaken faster flashes along its edges. */
const SHAKE_HZ = 2.9;

/** Which part of the map is on the screen. All in CSS pixels. */
export class Camera {
  unit = LEAST_PX;
  /** Where the map's corner is on the screen. */
  x = 0;
  y = 0;
  #width = 0;
  #height = 0;
  /** Above this the score stands. */
  #top = 0;
  #shake = 0;

  fit(screenWidth: number, screenHeight: number, top: number): void {
    this.#width = screenWidth;
    this.#height = screenHeight;
    this.#top = top;
    const fits = Math.min(screenWidth / (width + 1), (screenHeight - top) / (height + 1));
    const high = (screenHeight - top) / (height + 1);
    this.unit = fits >= LEAST_PX ? fits : Math.max(LEAST_PX, Math.min(MOST_PX, high));
  }

  /** @param seconds since the last time; 0 goes there at once. */
  follow(x: number, y: number, seconds: number): void {
    const toX = along(x * this.unit, width * this.unit, 0, this.#width);
    const toY = along(y * this.unit, height * this.unit, this.#top, this.#height);
    const share = seconds === 0 ? 1 : 1 - Math.exp(-FOLLOWS * seconds);
    this.x += (toX - this.x) * share;
    this.y += (toY - this.y) * share;
    this.#shake = Math.max(0, this.#shake - seconds * 3);
  }

  /** Shakes a little. @param strength 0 to 1. */
  shake(strength: number): void {
    this.#shake = Math.max(this.#shake, strength);
  }

  /** How far off the picture is just now. */
  offset(time: number): number {
    return this.#shake * this.#shake * SHAKE_PX * Math.sin((time / 1_000) * 2 * Math.PI * SHAKE_HZ);
  }
}

/** Where a map begins so that a place of it is in the middle, as far as the map reaches. */
function along(place: number, size: number, from: number, to: number): number {
  const room = to - from;
  if (size <= room) return from + (room - size) / 2;
  const margin = 12;
  return Math.min(from + margin, Math.max(to - size - margin, from + room / 2 - place));
}
