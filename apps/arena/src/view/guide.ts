import type { ArenaFrame, ShownPlayer } from "../game/kinds.ts";
import { mapOf } from "../game/movement.ts";
import type { Camera } from "./camera.ts";
import type { Palette } from "./palette.ts";
import { circle, diamond } from "./shapes.ts";

type Brush = CanvasRenderingContext2D;
/** How far from the edge of the screen a sign stands, in CSS pixels. */
const MARGIN = 44;

/** Points to what is not on the screen: the basket for who carries, else the piñata. In CSS pixels. */
export function drawGuide(
  brush: Brush,
  palette: Palette,
  frame: ArenaFrame,
  me: ShownPlayer,
  camera: Camera,
  width: number,
  height: number,
): void {
  const map = mapOf(frame);
  const isLoaded = me.sweets >= 3;
  const to = isLoaded ? map.baskets[me.team === "sun" ? 0 : 1] : map.pinata;
  const x = camera.x + to.x * camera.unit;
  const y = camera.y + to.y * camera.unit;
  const top = MARGIN + 60;
  if (x > 0 && x < width && y > 60 && y < height) {
    if (isLoaded) beckon(brush, palette, me, x, y - 2.4 * camera.unit);
    return;
  }
  const atX = Math.min(width - MARGIN, Math.max(MARGIN, x));
  const atY = Math.min(height - MARGIN, Math.max(top, y));
  const colour = isLoaded ? palette[me.team].body : palette.ink;
  brush.fillStyle = palette.ground;
  brush.strokeStyle = colour;
  brush.lineWidth = 3;
  circle(brush, atX, atY, 15);
  brush.fill();
  brush.stroke();
  arrow(brush, colour, atX, atY, Math.atan2(y - atY, x - atX), 26);
  brush.fillStyle = colour;
  if (isLoaded && me.team === "sun") circle(brush, atX, atY, 7);
  else diamond(brush, atX, atY, 9);
  brush.fill();
}

function beckon(brush: Brush, palette: Palette, me: ShownPlayer, x: number, y: number): void {
  arrow(brush, palette[me.team].body, x, y, Math.PI / 2, 0);
}

function arrow(brush: Brush, colour: string, x: number, y: number, angle: number, far: number): void {
  brush.save();
  brush.translate(x, y);
  brush.rotate(angle);
  brush.fillStyle = colour;
  brush.beginPath();
  brush.moveTo(far + 9, 0);
  brush.lineTo(far - 5, -9);
  brush.lineTo(far - 5, 9);
  brush.closePath();
  brush.fill();
  brush.restore();
}
