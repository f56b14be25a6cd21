import type { Team, Treat } from "../game/kinds.ts";
import { NUMBERS } from "../game/numbers.ts";
import type { Palette } from "./palette.ts";
import { circle, diamond, petals, scallops, star } from "./shapes.ts";

type Brush = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;

// Each draws around the middle of a context in units.

/** A disc with rays, or a diamond with a crescent: nobody needs the colours. */
export function drawBody(brush: Brush, team: Team, pattern: number, palette: Palette): void {
  // A little larger than what eggs hit: paper flutters.
  brush.scale(1.16, 1.16);
  const { body, second } = palette[team];
  brush.fillStyle = body;
  brush.strokeStyle = palette.paper;
  brush.lineWidth = 0.07;
  brush.lineJoin = "round";
  if (team === "sun") scallops(brush, 0, 0, 0.52, 12);
  else diamond(brush, 0, 0, 0.72);
  brush.fill();
  brush.stroke();
  brush.fillStyle = second;
  if (team === "sun") {
    circle(brush, 0, 0, 0.3);
    brush.fill();
  } else {
    brush.beginPath();
    brush.arc(0, 0, 0.34, 0.5, 2 * Math.PI - 0.5);
    brush.arc(0.17, 0, 0.21, 2 * Math.PI - 0.8, 0.8, true);
    brush.closePath();
    brush.fill();
  }
  // What is cut out shows what is below.
  brush.globalCompositeOperation = "destination-out";
  cut(brush, pattern, team === "sun" ? 0.43 : 0.45);
  brush.globalCompositeOperation = "destination-over";
  brush.fillStyle = palette.shade;
  if (team === "sun") scallops(brush, 0.06, 0.12, 0.52, 12);
  else diamond(brush, 0.06, 0.12, 0.72);
  brush.fill();
}

function cut(brush: Brush, pattern: number, far: number): void {
  if (pattern === 2) {
    petals(brush, 0, 0, 0.26, 6);
    return;
  }
  const count = [8, 6, 0, 4, 4][pattern] ?? 8;
  for (let i = 0; i < count; i++) {
    const angle = ((i + (pattern === 3 ? 0.5 : 0)) / count) * 2 * Math.PI;
    const x = Math.cos(angle) * far;
    const y = Math.sin(angle) * far;
    if (pattern === 1 || pattern === 4) diamond(brush, x, y, 0.09);
    else circle(brush, x, y, pattern === 3 ? 0.08 : 0.055);
    brush.fill();
  }
  if (pattern === 4) {
    star(brush, 0, 0, 0.2, 0.08, 5);
    brush.fill();
  } else if (pattern === 3) {
    diamond(brush, 0, 0, 0.15);
    brush.fill();
  } else {
    circle(brush, 0, 0, 0.1);
    brush.fill();
  }
}

/** A star of seven points, striped with paper. */
export function drawPinata(brush: Brush, palette: Palette): void {
  const flags = palette.paperFlags;
  brush.scale(1.15, 1.15);
  brush.lineJoin = "round";
  for (let i = 0; i < 7; i++) {
    const angle = (i / 7) * 2 * Math.PI - Math.PI / 2;
    brush.save();
    brush.rotate(angle);
    brush.beginPath();
    brush.moveTo(0.5, -0.52);
    brush.lineTo(1.45, 0);
    brush.lineTo(0.5, 0.52);
    brush.closePath();
    brush.fillStyle = flags[i % flags.length] ?? palette.wall;
    brush.fill();
    brush.fillStyle = palette.paper;
    brush.fillRect(0.86, -0.32, 0.11, 0.64);
    circle(brush, 1.45, 0, 0.11);
    brush.fillStyle = palette.sweets[i % palette.sweets.length] ?? palette.ink;
    brush.fill();
    brush.restore();
  }
  for (const [i, radius] of [0.8, 0.62, 0.42, 0.22].entries()) {
    scallops(brush, 0, 0, radius * 0.92, 14 - 2 * i);
    brush.fillStyle = i % 2 === 0 ? (flags[0] ?? palette.wall) : (flags[1] ?? palette.paper);
    brush.fill();
  }
  star(brush, 0, 0, 0.16, 0.07, 7);
  brush.fillStyle = palette.paper;
  brush.fill();
}

export function drawSweet(brush: Brush, radius: number, colour: string, stripe: string): void {
  const [wide, high] = [radius * 1.25, radius * 0.6];
  brush.fillStyle = colour;
  brush.beginPath();
  brush.moveTo(-wide, -high);
  brush.lineTo(wide, high);
  brush.lineTo(wide, -high);
  brush.lineTo(-wide, high);
  brush.closePath();
  brush.fill();
  circle(brush, 0, 0, radius * 0.72);
  brush.fill();
  brush.fillStyle = stripe;
  brush.fillRect(-radius * 0.14, -radius * 0.62, radius * 0.28, radius * 1.24);
}

/** An egg that flies to the right, with its trail and the sign of its team. */
export function drawEgg(brush: Brush, team: Team, palette: Palette): void {
  const { radius } = NUMBERS.egg;
  const { body } = palette[team];
  brush.globalAlpha = 0.35;
  brush.strokeStyle = body;
  brush.lineWidth = 0.2;
  brush.beginPath();
  brush.moveTo(-0.8, 0);
  brush.lineTo(0, 0);
  brush.stroke();
  brush.globalAlpha = 1;
  brush.fillStyle = palette.egg;
  brush.strokeStyle = body;
  brush.lineWidth = 0.1;
  brush.beginPath();
  brush.ellipse(0, 0, radius * 1.35, radius, 0, 0, 2 * Math.PI);
  brush.fill();
  brush.stroke();
  brush.fillStyle = body;
  if (team === "sun") circle(brush, 0, 0, 0.07);
  else diamond(brush, 0, 0, 0.09);
  brush.fill();
}

/** A kite, a bag of three eggs, or neither. */
export function drawTreat(brush: Brush, what: Treat["what"] | "gone", palette: Palette): void {
  if (what === "gone") {
    brush.strokeStyle = palette.wallTop;
    brush.lineWidth = 0.06;
    circle(brush, 0, 0, 0.62);
    brush.stroke();
  } else if (what === "kite") {
    brush.fillStyle = palette.paperFlags[3] ?? palette.ink;
    diamond(brush, 0, -0.08, 0.42);
    brush.fill();
    brush.fillStyle = palette.paper;
    diamond(brush, 0, -0.08, 0.17);
    brush.fill();
    brush.strokeStyle = palette.ink;
    brush.lineWidth = 0.05;
    brush.beginPath();
    brush.moveTo(0, 0.34);
    brush.quadraticCurveTo(0.25, 0.45, 0.1, 0.7);
    brush.stroke();
  } else {
    brush.strokeStyle = palette.paperFlags[1] ?? palette.ink;
    brush.lineWidth = 0.07;
    brush.fillStyle = palette.egg;
    for (const [dx, dy] of BAG_EGGS) {
      brush.beginPath();
      brush.ellipse(dx, dy, 0.15, 0.2, 0, 0, 2 * Math.PI);
      brush.fill();
      brush.stroke();
    }
  }
}

const BAG_EGGS = [
  [-0.2, 0.1],
  [0.2, 0.1],
  [0, -0.14],
] as const;
