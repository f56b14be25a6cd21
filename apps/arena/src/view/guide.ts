import type { ArenaFrame, ShownPlayer, Team } from "../game/kinds.ts";
import type { Point } from "../game/maps.ts";
import { mapOf } from "../game/movement.ts";
import type { Camera } from "./camera.ts";
import type { Palette } from "./palette.ts";
import { drawSweet } from "./pictures.ts";
import { circle, diamond, star } from "./shapes.ts";

type Brush = CanvasRenderingContext2D;
/** How far from the edge of the screen a sign stands, in CSS pixels. */
const MARGIN = 44;

/** Where a player is to go now, and what is there. */
export interface Goal {
  readonly what: "basket" | "pinata" | "sweet";
  readonly at: Point;
}

/** Home with three sweets or more; else to the piñata, and while there is none to the nearest sweet. */
export function goalOf(frame: ArenaFrame, me: ShownPlayer): Goal | undefined {
  const map = mapOf(frame);
  const home: Goal = { what: "basket", at: map.baskets[me.team === "sun" ? 0 : 1] };
  if (me.sweets >= 3) return home;
  for (const pinata of frame.all("pinata")) if (pinata.back <= 0) return { what: "pinata", at: map.pinata };
  let nearest: Point | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const { at } of frame.all("sweet")) {
    const away = Math.hypot(at.x - me.at.x, at.y - me.at.y);
    if (away >= least) continue;
    least = away;
    nearest = at;
  }
  if (nearest !== undefined) return { what: "sweet", at: nearest };
  return me.sweets > 0 ? home : undefined;
}

/** Points to where a player is to go, if it is not on the screen. In CSS pixels. */
export function drawGuide(
  brush: Brush,
  palette: Palette,
  frame: ArenaFrame,
  me: ShownPlayer,
  camera: Camera,
  width: number,
  height: number,
): void {
  const goal = goalOf(frame, me);
  if (goal === undefined) return;
  const { what, at } = goal;
  const x = camera.x + at.x * camera.unit;
  const y = camera.y + at.y * camera.unit;
  const top = MARGIN + 60;
  if (x > 0 && x < width && y > 60 && y < height) {
    if (what === "basket") beckon(brush, palette, me, x, y - 2.4 * camera.unit);
    return;
  }
  const atX = Math.min(width - MARGIN, Math.max(MARGIN, x));
  const atY = Math.min(height - MARGIN, Math.max(top, y));
  const colour = what === "basket" ? palette[me.team].body : palette.ink;
  brush.fillStyle = palette.ground;
  brush.strokeStyle = colour;
  brush.lineWidth = 3;
  circle(brush, atX, atY, 17);
  brush.fill();
  brush.stroke();
  arrow(brush, colour, atX, atY, Math.atan2(y - atY, x - atX), 28);
  sign(brush, palette, what, me.team, atX, atY);
}

/** What is there, as it looks: the star of a piñata, a sweet in its paper, the sign of a team's basket. */
function sign(brush: Brush, palette: Palette, what: Goal["what"], team: Team, x: number, y: number): void {
  if (what === "sweet") {
    brush.save();
    brush.translate(x, y);
    drawSweet(brush, 7, palette.sweets[0] ?? palette.ink, palette.paper);
    brush.restore();
    return;
  }
  brush.fillStyle = what === "pinata" ? palette.sun.body : palette[team].body;
  if (what === "pinata") star(brush, x, y, 13, 6.5, 7);
  else if (team === "sun") circle(brush, x, y, 8);
  else diamond(brush, x, y, 10);
  brush.fill();
  if (what !== "pinata") return;
  brush.fillStyle = palette.sun.second;
  circle(brush, x, y, 4);
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
