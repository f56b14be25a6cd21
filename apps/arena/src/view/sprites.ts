import type { Team } from "../game/kinds.ts";
import type { Palette } from "./palette.ts";
import { circle, diamond, petals, scallops, star } from "./shapes.ts";

type Brush = CanvasRenderingContext2D;

/** Half the side of a body's picture, in units. */
export const BODY_HALF = 0.95;
export const PINATA_HALF = 1.85;

/** How many patterns there are. */
const PATTERNS = 5;

/** Pictures of what is drawn often, drawn once for each size of a unit. */
export class Sprites {
  readonly #unit: number;
  readonly #palette: Palette;
  readonly #kept = new Map<string, HTMLCanvasElement>();

  /** @param unit in pixels of the screen. */
  constructor(unit: number, palette: Palette) {
    this.#unit = unit;
    this.#palette = palette;
  }

  body(team: Team, look: number): HTMLCanvasElement {
    const pattern = look % PATTERNS;
    // A short key for each of ten pictures: no text is made in a frame.
    const key = BODY_KEYS[team][pattern] ?? team;
    return this.#picture(key, BODY_HALF, (brush) => drawBody(brush, team, pattern, this.#palette));
  }

  pinata(): HTMLCanvasElement {
    return this.#picture("pinata", PINATA_HALF, (brush) => drawPinata(brush, this.#palette));
  }

  /** A name, with an edge so that it is read on any ground. */
  name(text: string, team: Team, isMine: boolean): HTMLCanvasElement {
    const known = this.#kept.get(text);
    if (known !== undefined) return known;
    const canvas = document.createElement("canvas");
    const brush = canvas.getContext("2d");
    if (brush === null) return canvas;
    const size = Math.max(11, Math.min(17, this.#unit * 0.42)) * (isMine ? 1.12 : 1);
    const font = `${isMine ? 700 : 600} ${size}px system-ui, sans-serif`;
    brush.font = font;
    canvas.width = Math.ceil(brush.measureText(text).width) + 8;
    canvas.height = Math.ceil(size * 1.5);
    brush.font = font;
    brush.textBaseline = "middle";
    brush.lineJoin = "round";
    brush.lineWidth = 4;
    brush.strokeStyle = this.#palette.ground;
    brush.strokeText(text, 4, canvas.height / 2);
    brush.fillStyle = isMine ? this.#palette.ink : this.#palette[team].name;
    brush.fillText(text, 4, canvas.height / 2);
    this.#kept.set(text, canvas);
    return canvas;
  }

  #picture(key: string, half: number, draw: (brush: Brush) => void): HTMLCanvasElement {
    const known = this.#kept.get(key);
    if (known !== undefined) return known;
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = Math.ceil(2 * half * this.#unit);
    const brush = canvas.getContext("2d");
    if (brush !== null) {
      brush.scale(this.#unit, this.#unit);
      brush.translate(half, half);
      draw(brush);
    }
    this.#kept.set(key, canvas);
    return canvas;
  }
}

// A name has 16 characters at most, so that none of them is one of these.
const keysOf = (team: Team) => Array.from({ length: PATTERNS }, (_, i) => `the body of ${team} ${i}`);
const BODY_KEYS = { sun: keysOf("sun"), moon: keysOf("moon") };

/** A disc with rays, or a diamond with a crescent: nobody needs the colours. */
function drawBody(brush: Brush, team: Team, pattern: number, palette: Palette): void {
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
function drawPinata(brush: Brush, palette: Palette): void {
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
