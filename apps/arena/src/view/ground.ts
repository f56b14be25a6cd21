import type { GameMap, Point, Wall } from "../game/maps.ts";
import { NUMBERS } from "../game/numbers.ts";
import type { Palette } from "./palette.ts";
import { circle, diamond, petals, roundBox } from "./shapes.ts";

const { width, height } = NUMBERS.map;

type Brush = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;

/** The map, which never changes, drawn once. The context is in units. */
export function drawGround(brush: Brush, map: GameMap, palette: Palette): void {
  brush.fillStyle = palette.ground;
  roundBox(brush, -0.35, -0.35, width + 0.7, height + 0.7, 0.6);
  brush.fill();
  paving(brush, map, palette);
  middle(brush, map, palette);
  for (const [index, at] of map.baskets.entries()) basket(brush, at, index === 0, palette);
  for (const wall of map.walls) shadow(brush, wall, palette);
  for (const wall of map.walls) {
    if (wall.shape === "disc") round(brush, wall, palette);
    else straight(brush, wall, palette);
  }
  garland(brush, -0.35, palette);
  edge(brush, palette);
}

function paving(brush: Brush, map: GameMap, palette: Palette): void {
  brush.strokeStyle = palette.joint;
  brush.lineWidth = 0.05;
  brush.beginPath();
  if (map.name === "zocalo") {
    for (let x = 2; x < width; x += 2) line(brush, x, 0, x, height);
    for (let y = 2; y < height; y += 2) line(brush, 0, y, width, y);
  } else {
    for (let y = 0; y <= height; y += 1) {
      line(brush, 0, y, width, y);
      for (let x = y % 2; x < width; x += 2) line(brush, x, y, x, Math.min(height, y + 1));
    }
  }
  brush.stroke();
}

/** A rosette under the piñata. */
function middle(brush: Brush, { pinata }: GameMap, palette: Palette): void {
  brush.strokeStyle = palette.joint;
  brush.lineWidth = 0.12;
  for (const radius of [3.2, 2.4]) {
    circle(brush, pinata.x, pinata.y, radius);
    brush.stroke();
  }
  brush.fillStyle = palette.joint;
  for (let i = 0; i < 16; i++) {
    const angle = (i / 16) * 2 * Math.PI;
    diamond(brush, pinata.x + Math.cos(angle) * 2.8, pinata.y + Math.sin(angle) * 2.8, 0.22);
    brush.fill();
  }
}

function basket(brush: Brush, at: Point, isSun: boolean, palette: Palette): void {
  const { radius } = NUMBERS.basket;
  const team = isSun ? palette.sun : palette.moon;
  brush.fillStyle = team.wash;
  circle(brush, at.x, at.y, radius + 0.75);
  brush.fill();
  brush.strokeStyle = team.body;
  brush.lineWidth = 0.1;
  brush.setLineDash([0.35, 0.25]);
  circle(brush, at.x, at.y, radius + 0.5);
  brush.stroke();
  brush.setLineDash([]);
  brush.fillStyle = palette.wallTop;
  circle(brush, at.x, at.y, 1.05);
  brush.fill();
  brush.strokeStyle = palette.wall;
  brush.lineWidth = 0.12;
  for (const ring of [1.05, 0.78, 0.5]) {
    circle(brush, at.x, at.y, ring);
    brush.stroke();
  }
  brush.beginPath();
  for (let i = 0; i < 12; i++) {
    const angle = (i / 12) * 2 * Math.PI;
    line(
      brush,
      at.x + Math.cos(angle) * 0.5,
      at.y + Math.sin(angle) * 0.5,
      at.x + Math.cos(angle) * 1.05,
      at.y + Math.sin(angle) * 1.05,
    );
  }
  brush.stroke();
  brush.fillStyle = team.body;
  if (isSun) circle(brush, at.x, at.y, 0.42);
  else diamond(brush, at.x, at.y, 0.52);
  brush.fill();
}

function shadow(brush: Brush, wall: Wall, palette: Palette): void {
  brush.fillStyle = palette.shade;
  if (wall.shape === "disc") circle(brush, wall.x + 0.12, wall.y + 0.22, wall.radius);
  else box(brush, wall, 0.12, 0.22);
  brush.fill();
}

function round(brush: Brush, wall: Extract<Wall, { shape: "disc" }>, palette: Palette): void {
  const { x, y, radius } = wall;
  if (wall.look === "fountain") {
    fillCircle(brush, x, y, radius, palette.wallTop);
    fillCircle(brush, x, y, radius * 0.82, palette.water);
    brush.fillStyle = palette.wallCut;
    petals(brush, x, y, radius * 0.62, 8);
    fillCircle(brush, x, y, radius * 0.24, palette.wall);
    return;
  }
  const isPot = wall.look === "pot";
  fillCircle(brush, x, y, radius, isPot ? palette.wallTop : palette.leaf);
  brush.fillStyle = isPot ? palette.leaf : palette.leafCut;
  petals(brush, x, y, radius * 0.82, isPot ? 6 : 9);
  fillCircle(brush, x, y, radius * 0.2, isPot ? palette.leafCut : palette.leaf);
}

function straight(brush: Brush, wall: Extract<Wall, { shape: "box" }>, palette: Palette): void {
  const { x, y, halfWidth, halfHeight, look } = wall;
  brush.fillStyle = look === "bench" || look === "crates" ? palette.wall : palette.wallTop;
  box(brush, wall, 0, 0);
  brush.fill();
  brush.save();
  box(brush, wall, 0, 0);
  brush.clip();
  if (look === "stall") awning(brush, wall, palette);
  else if (look === "arcade") {
    brush.fillStyle = palette.wallCut;
    for (let at = x - halfWidth + 0.65; at < x + halfWidth - 0.2; at += 1.3) {
      circle(brush, at, y, halfHeight * 0.62);
      brush.fill();
    }
  } else {
    brush.fillStyle = palette.wallCut;
    const step = look === "bench" ? 0.7 : halfWidth;
    for (let at = x - halfWidth + step / 2; at < x + halfWidth; at += step) {
      diamond(brush, at, y, Math.min(halfHeight, step) * 0.5);
      brush.fill();
    }
  }
  brush.restore();
  brush.strokeStyle = palette.wall;
  brush.lineWidth = 0.08;
  box(brush, wall, 0, 0);
  brush.stroke();
}

/** Stripes of cloth, and a scalloped row of cut-outs. */
function awning(brush: Brush, wall: Extract<Wall, { shape: "box" }>, palette: Palette): void {
  const { x, y, halfWidth, halfHeight } = wall;
  // Not those of the teams.
  const colour = palette.awnings[Math.floor(x * 3 + y) % palette.awnings.length] ?? palette.wall;
  const isWide = halfWidth > halfHeight;
  const long = isWide ? halfWidth : halfHeight;
  brush.fillStyle = colour;
  for (let i = -long; i < long; i += 1.1) {
    if (isWide) brush.fillRect(x + i, y - halfHeight, 0.55, 2 * halfHeight);
    else brush.fillRect(x - halfWidth, y + i, 2 * halfWidth, 0.55);
  }
  brush.fillStyle = palette.paper;
  for (let i = -long + 0.55; i < long; i += 1.1) {
    if (isWide) diamond(brush, x + i + 0.27, y, 0.2);
    else diamond(brush, x, y + i + 0.27, 0.2);
    brush.fill();
  }
}

/** Flags of cut paper along the upper edge. */
function garland(brush: Brush, y: number, palette: Palette): void {
  const count = 26;
  const each = width / count;
  for (let i = 0; i < count; i++) {
    const x = i * each;
    brush.fillStyle = palette.paperFlags[i % palette.paperFlags.length] ?? palette.wall;
    brush.globalAlpha = 0.9;
    brush.beginPath();
    brush.moveTo(x + 0.08, y);
    brush.lineTo(x + each - 0.08, y);
    brush.lineTo(x + each - 0.08, y + 0.55);
    for (let k = 3; k >= 0; k--) {
      const left = x + 0.08 + (k * (each - 0.16)) / 4;
      brush.quadraticCurveTo(left + (each - 0.16) / 8, y + 0.85, left, y + 0.55);
    }
    brush.closePath();
    brush.fill();
    brush.globalAlpha = 1;
    brush.fillStyle = palette.ground;
    diamond(brush, x + each / 2, y + 0.32, 0.17);
    brush.fill();
    for (const side of [-0.42, 0.42]) fillCircle(brush, x + each / 2 + side, y + 0.32, 0.08, palette.ground);
  }
}

function edge(brush: Brush, palette: Palette): void {
  brush.strokeStyle = palette.wall;
  brush.lineWidth = 0.16;
  roundBox(brush, -0.35, -0.35, width + 0.7, height + 0.7, 0.6);
  brush.stroke();
}

function box(brush: Brush, wall: Extract<Wall, { shape: "box" }>, dx: number, dy: number): void {
  const { x, y, halfWidth, halfHeight } = wall;
  roundBox(brush, x - halfWidth + dx, y - halfHeight + dy, 2 * halfWidth, 2 * halfHeight, 0.18);
}

function fillCircle(brush: Brush, x: number, y: number, radius: number, colour: string): void {
  brush.fillStyle = colour;
  circle(brush, x, y, radius);
  brush.fill();
}

function line(brush: Brush, x: number, y: number, toX: number, toY: number): void {
  brush.moveTo(x, y);
  brush.lineTo(toX, toY);
}
