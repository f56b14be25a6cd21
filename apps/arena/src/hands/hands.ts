import type { Input } from "../game/kinds.ts";
import { type Action, actionOf, type Bindings } from "./bindings.ts";
import { fillFromPad, type PadState } from "./gamepad.ts";
import { Sticks } from "./sticks.ts";

/** Keys, mouse, thumbs and gamepad: whichever is used says what happens. */
export class Hands {
  readonly sticks = new Sticks();
  bindings: Bindings;
  /** Where the mouse is, in CSS pixels; `undefined` before it moved, and when something else aims. */
  #mouse: { x: number; y: number } | undefined;
  readonly #held = new Set<string>();
  readonly #tapped = new Set<Action>();
  #isClicking = false;
  #wasClicked = false;

  constructor(bindings: Bindings) {
    this.bindings = bindings;
  }

  /** A key goes down. @returns the action it is for. */
  keyDown(code: string): Action | undefined {
    const action = actionOf(this.bindings, code);
    if (action === undefined) return undefined;
    this.#held.add(code);
    this.#tapped.add(action);
    return action;
  }

  keyUp(code: string): void {
    this.#held.delete(code);
  }

  mouseMove(x: number, y: number): void {
    this.#mouse = { x, y };
  }

  mouseButton(isDown: boolean): void {
    this.#isClicking = isDown;
    if (isDown) this.#wasClicked = true;
  }

  /** The window lost the focus, or a dialog came: nothing is held any more. */
  release(): void {
    this.#held.clear();
    this.#tapped.clear();
    this.#isClicking = false;
    this.#wasClicked = false;
    this.sticks.clear();
  }

  /**
   * Fills the input of a frame.
   *
   * @param at where on the screen the player is, in CSS pixels.
   * @param pad the gamepad, if there is one.
   */
  fill(input: Input, at: { readonly x: number; readonly y: number }, pad: PadState | undefined): void {
    input.move.x = Number(this.#does("right")) - Number(this.#does("left"));
    input.move.y = Number(this.#does("down")) - Number(this.#does("up"));
    input.throws = this.#does("throw") || this.#isClicking || this.#wasClicked;
    input.dashes = this.#does("dash");
    if (this.#mouse !== undefined) {
      input.aim = Math.atan2(this.#mouse.y - at.y, this.#mouse.x - at.x);
    } else if (input.move.x !== 0 || input.move.y !== 0) {
      input.aim = Math.atan2(input.move.y, input.move.x);
    }
    // Who takes thumbs or a gamepad has let go of the mouse.
    if (this.sticks.fill(input) || (pad !== undefined && fillFromPad(pad, input))) this.#mouse = undefined;
  }

  /** What was only tapped has been seen by a tick. */
  seen(): void {
    this.#tapped.clear();
    this.#wasClicked = false;
    this.sticks.seen();
  }

  #does(action: Action): boolean {
    if (this.#tapped.has(action)) return true;
    return this.bindings[action].some((code) => this.#held.has(code));
  }
}
