import type { Input } from "../game/kinds.ts";

/** What is read of a gamepad of the standard layout. */
export interface PadState {
  readonly mapping: string;
  readonly axes: readonly number[];
  readonly buttons: readonly { readonly pressed: boolean }[];
}

/** Sticks that rest are not quite at 0. */
const DEAD_ZONE = 0.22;
const DASH_BUTTONS = [0, 4, 6];
const THROW_BUTTONS = [2, 5, 7];

/** Adds what a gamepad does. @returns false if it does nothing. */
export function fillFromPad(pad: PadState, input: Input): boolean {
  if (pad.mapping !== "standard") return false;
  const [x = 0, y = 0, aimX = 0, aimY = 0] = pad.axes;
  const isHeld = (indexes: readonly number[]) => indexes.some((i) => pad.buttons[i]?.pressed === true);
  const walks = Math.hypot(x, y) > DEAD_ZONE;
  const aims = Math.hypot(aimX, aimY) > DEAD_ZONE;
  const throws = isHeld(THROW_BUTTONS);
  const dashes = isHeld(DASH_BUTTONS);
  if (walks) {
    input.move.x = x;
    input.move.y = y;
    if (!aims) input.aim = Math.atan2(y, x);
  }
  if (aims) input.aim = Math.atan2(aimY, aimX);
  if (throws) input.throws = true;
  if (dashes) input.dashes = true;
  return walks || aims || throws || dashes;
}
