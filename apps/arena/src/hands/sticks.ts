import type { Input } from "../game/kinds.ts";

/** How far a thumb moves for full speed, in CSS pixels. */
export const STICK_PX = 52;
/** Below this share of it nothing moves, so that a resting thumb rests. */
const REST = 0.18;
/** From this share of it the right thumb throws. */
const THROWS = 0.45;

/** A thumb on the glass: where it came down, and where it is. */
export interface Thumb {
  id: number;
  fromX: number;
  fromY: number;
  x: number;
  y: number;
}

/** Two thumbs and a button on the glass. */
export class Sticks {
  left: Thumb | undefined;
  right: Thumb | undefined;
  /** The finger on the dash button. */
  #dash: number | undefined;
  #isDashed = false;

  /** A finger comes down. @param width of the screen; the left half walks. */
  down(id: number, x: number, y: number, width: number): void {
    const thumb: Thumb = { id, fromX: x, fromY: y, x, y };
    if (x < width / 2) this.left ??= thumb;
    else this.right ??= thumb;
  }

  dash(id: number): void {
    this.#dash = id;
    this.#isDashed = true;
  }

  get isDashing(): boolean {
    return this.#dash !== undefined;
  }

  move(id: number, x: number, y: number): void {
    for (const thumb of [this.left, this.right]) {
      if (thumb?.id !== id) continue;
      thumb.x = x;
      thumb.y = y;
      // A thumb that goes far takes the stick along, so that turning back answers at once.
      const dx = x - thumb.fromX;
      const dy = y - thumb.fromY;
      const far = Math.hypot(dx, dy);
      if (far <= STICK_PX) continue;
      thumb.fromX = x - (dx / far) * STICK_PX;
      thumb.fromY = y - (dy / far) * STICK_PX;
    }
  }

  up(id: number): void {
    if (this.left?.id === id) this.left = undefined;
    if (this.right?.id === id) this.right = undefined;
    if (this.#dash === id) this.#dash = undefined;
  }

  /** A short touch of the button has been seen by a tick. */
  seen(): void {
    this.#isDashed = false;
  }

  clear(): void {
    this.left = undefined;
    this.right = undefined;
    this.#dash = undefined;
    this.#isDashed = false;
  }

  /** Adds what the thumbs do. @returns false if they do nothing. */
  fill(input: Input): boolean {
    const { left, right } = this;
    if (left !== undefined) {
      const x = (left.x - left.fromX) / STICK_PX;
      const y = (left.y - left.fromY) / STICK_PX;
      if (Math.hypot(x, y) > REST) {
        input.move.x = x;
        input.move.y = y;
        if (right === undefined) input.aim = Math.atan2(y, x);
      }
    }
    if (right !== undefined) {
      const x = (right.x - right.fromX) / STICK_PX;
      const y = (right.y - right.fromY) / STICK_PX;
      const far = Math.hypot(x, y);
      if (far > REST) input.aim = Math.atan2(y, x);
      if (far > THROWS) input.throws = true;
    }
    if (this.#isDashed || this.#dash !== undefined) input.dashes = true;
    return left !== undefined || right !== undefined || input.dashes;
  }
}
