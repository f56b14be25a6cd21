import type { PadState } from "./gamepad.ts";

/** What a gamepad asks of a menu. */
export type MenuPress = "press" | "back" | "menu" | "next" | "previous";

/** By button of the standard layout: A, B, start, and the four of the cross. */
const BUTTONS: ReadonlyMap<number, MenuPress> = new Map([
  [0, "press"],
  [1, "back"],
  [9, "menu"],
  [12, "previous"],
  [13, "next"],
  [14, "previous"],
  [15, "next"],
]);
/** The left stick moves the focus where it is pushed so far. */
const PUSHED = 0.6;
/** While it is held the focus goes on: first after so long, then each time after less, in seconds. */
const FIRST_AGAIN_S = 0.45;
const AGAIN_S = 0.16;

/** Reads a gamepad for menus: a button counts once when it goes down, and the focus goes on while held. */
export class MenuPad {
  #held: MenuPress | undefined;
  #againIn = 0;

  /** True while a button or the stick is held that a menu would hear. */
  get isHeld(): boolean {
    return this.#held !== undefined;
  }

  /** @param seconds since the last time. @returns what is asked now, if anything. */
  read(pad: PadState, seconds: number): MenuPress | undefined {
    const held = heldOf(pad);
    if (held !== this.#held) {
      this.#held = held;
      this.#againIn = FIRST_AGAIN_S;
      return held;
    }
    if (held !== "next" && held !== "previous") return undefined;
    this.#againIn -= seconds;
    if (this.#againIn > 0) return undefined;
    this.#againIn = AGAIN_S;
    return held;
  }
}

function heldOf(pad: PadState): MenuPress | undefined {
  if (pad.mapping !== "standard") return undefined;
  for (const [index, press] of BUTTONS) if (pad.buttons[index]?.pressed === true) return press;
  const [x = 0, y = 0] = pad.axes;
  const along = Math.abs(y) > Math.abs(x) ? y : x;
  if (Math.abs(along) < PUSHED) return undefined;
  return along > 0 ? "next" : "previous";
}
