import type { ShownPlayer } from "../game/kinds.ts";
import { NUMBERS, ticks } from "../game/numbers.ts";
import { STICK_PX, type Sticks, type Thumb } from "../hands/sticks.ts";
import type { Palette } from "./palette.ts";
import { circle, scallops } from "./shapes.ts";

type Brush = CanvasRenderingContext2D;

/** Draws the sticks under the thumbs; nothing where there are none. In CSS pixels. */
export function drawSticks(
  brush: Brush,
  palette: Palette,
  sticks: Sticks,
  me: ShownPlayer | undefined,
): void {
  if (me === undefined) return;
  if (sticks.left !== undefined) stick(brush, palette, sticks.left, palette[me.team].body);
  if (sticks.right !== undefined) {
    const isReady = me.throwWait < ticks(NUMBERS.egg.cooldown) / 2;
    stick(brush, palette, sticks.right, isReady ? palette.sun.second : palette.wallTop);
  }
}

function stick(brush: Brush, palette: Palette, thumb: Thumb, colour: string): void {
  brush.globalAlpha = 0.55;
  brush.strokeStyle = palette.ink;
  brush.lineWidth = 2;
  circle(brush, thumb.fromX, thumb.fromY, STICK_PX);
  brush.stroke();
  brush.fillStyle = colour;
  scallops(brush, thumb.x, thumb.y, 24, 10);
  brush.fill();
  brush.globalAlpha = 1;
}
