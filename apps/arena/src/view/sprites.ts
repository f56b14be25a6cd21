import type { Team, Treat } from "../game/kinds.ts";
import { NUMBERS } from "../game/numbers.ts";
import type { Palette } from "./palette.ts";
import { drawBody, drawEgg, drawPinata, drawSweet, drawTreat } from "./pictures.ts";
import { circle } from "./shapes.ts";

type Brush = CanvasRenderingContext2D;

/** Half the side of a picture, in units. */
const BODY_HALF = 0.95;
const SWEET_HALF = 0.45;
const EGG_HALF = 1;
const DOT_HALF = 0.25;
const LIVES_HALF = 0.5;
const TREAT_HALF = 0.8;
/** So many directions a picture is drawn in: an egg that is a little askew is not seen. */
const TURNS = 32;
export const PINATA_HALF = 1.85;

/** How many patterns there are. */
const PATTERNS = 5;

/**
 * Lays a picture down with its middle on a place of a context in units, pixel by pixel: scaled, or between
 * two pixels, it would have to be sampled.
 *
 * @param below how far below the place its upper edge is, in units. Default: its middle is on the place.
 */
export function stamp(
  brush: Brush,
  picture: ImageBitmap,
  x: number,
  y: number,
  placing: Placing,
  below?: number,
): void {
  const { scale, left, top } = placing;
  const up = below === undefined ? picture.height / 2 : -Math.round(below * scale);
  brush.setTransform(1, 0, 0, 1, 0, 0);
  brush.drawImage(
    picture,
    Math.round(left + x * scale - picture.width / 2),
    Math.round(top + y * scale - up),
  );
  brush.setTransform(scale, 0, 0, scale, left, top);
}

/** Where the map lies on the canvas, in its pixels. */
export interface Placing {
  /** Pixels of a unit. */
  scale: number;
  left: number;
  top: number;
}

/** A picture that can be copied as it is: of a canvas each copy would take a snapshot first. */
export function drawn(
  width: number,
  height: number,
  draw: (brush: OffscreenCanvasRenderingContext2D) => void,
  options?: CanvasRenderingContext2DSettings,
): ImageBitmap {
  const canvas = new OffscreenCanvas(width, height);
  const brush = canvas.getContext("2d", options);
  if (brush !== null) draw(brush);
  return canvas.transferToImageBitmap();
}

/** In pixels. */
function widthOf(text: string, font: string): number {
  const brush = new OffscreenCanvas(1, 1).getContext("2d");
  if (brush === null) return 0;
  brush.font = font;
  return brush.measureText(text).width;
}

type Names = Readonly<Record<Team | "mine", Map<string, ImageBitmap>>>;

/** Pictures of what is drawn often, drawn once for each size of a unit. */
export class Sprites {
  readonly #unit: number;
  readonly #palette: Palette;
  readonly #sharpness: number;
  readonly #kept = new Map<string, ImageBitmap>();
  /** Names by whose they are: after a match somebody of the same name may be of the other team. */
  readonly #names: Names = { sun: new Map(), moon: new Map(), mine: new Map() };

  /**
   * @param unit in pixels of the screen.
   * @param sharpness how many of those a CSS pixel has: in these a name is as large as it is read.
   */
  constructor(unit: number, palette: Palette, sharpness: number) {
    this.#unit = unit;
    this.#palette = palette;
    this.#sharpness = sharpness;
  }

  body(team: Team, look: number): ImageBitmap {
    const pattern = look % PATTERNS;
    // A short key for each of ten pictures: no text is made in a frame.
    const key = BODY_KEYS[team][pattern] ?? team;
    return this.#picture(key, BODY_HALF, (brush) => drawBody(brush, team, pattern, this.#palette));
  }

  /** A sweet in its paper, with its shadow. */
  sweet(which: number): ImageBitmap {
    const { sweets } = this.#palette;
    const index = which % sweets.length;
    return this.#picture(SWEET_KEYS[index] ?? "a sweet", SWEET_HALF, (brush) => {
      brush.fillStyle = this.#palette.shade;
      circle(brush, 0.04, 0.12, NUMBERS.sweets.radius * 0.8);
      brush.fill();
      drawSweet(brush, NUMBERS.sweets.radius, sweets[index] ?? "", this.#palette.paper);
    });
  }

  /** An egg in the air, and its trail. @param aim in radians, shown to a 32nd of a turn. */
  egg(team: Team, aim: number): ImageBitmap {
    const turn = turnOf(aim);
    const key = EGG_KEYS[team][turn] ?? team;
    return this.#picture(key, EGG_HALF, (brush) => {
      brush.rotate((turn / TURNS) * 2 * Math.PI);
      drawEgg(brush, team, this.#palette);
    });
  }

  /** An egg in a hand. */
  heldEgg(team: Team, aim: number): ImageBitmap {
    const turn = turnOf(aim);
    const key = HELD_KEYS[team][turn] ?? team;
    return this.#picture(key, DOT_HALF, (brush) => {
      brush.fillStyle = this.#palette.egg;
      brush.strokeStyle = this.#palette[team].name;
      brush.lineWidth = 0.06;
      brush.beginPath();
      brush.ellipse(0, 0, 0.19, 0.14, (turn / TURNS) * 2 * Math.PI, 0, 2 * Math.PI);
      brush.fill();
      brush.stroke();
    });
  }

  /** A sweet that somebody carries. */
  carried(which: number): ImageBitmap {
    const { sweets, paper } = this.#palette;
    const index = which % sweets.length;
    return this.#picture(CARRIED_KEYS[index] ?? "carried", DOT_HALF, (brush) => {
      brush.fillStyle = sweets[index] ?? "";
      brush.strokeStyle = paper;
      brush.lineWidth = 0.05;
      circle(brush, 0, 0, 0.16);
      brush.fill();
      brush.stroke();
    });
  }

  /** What is left of a player before they are out. */
  lives(team: Team, hits: number): ImageBitmap {
    const most = NUMBERS.player.hits;
    return this.#picture(LIVES_KEYS[team][hits] ?? team, LIVES_HALF, (brush) => {
      brush.strokeStyle = this.#palette[team].name;
      brush.lineWidth = 0.05;
      for (let i = 0; i < most; i++) {
        brush.fillStyle = i < most - hits ? this.#palette[team].name : this.#palette.ground;
        circle(brush, (i - 1) * 0.32, 0, 0.12);
        brush.fill();
        brush.stroke();
      }
    });
  }

  /** What lies there to be picked up, or nothing but its place. */
  treat(what: Treat["what"] | "gone"): ImageBitmap {
    return this.#picture(TREAT_KEYS[what], TREAT_HALF, (brush) => drawTreat(brush, what, this.#palette));
  }

  pinata(): ImageBitmap {
    return this.#picture("pinata", PINATA_HALF, (brush) => drawPinata(brush, this.#palette));
  }

  /** A name, with an edge so that it is read on any ground. */
  name(text: string, team: Team, isMine: boolean): ImageBitmap {
    const names = this.#names[isMine ? "mine" : team];
    const known = names.get(text);
    if (known !== undefined) return known;
    const sharpness = this.#sharpness;
    const size =
      Math.max(11, Math.min(17, (this.#unit / sharpness) * 0.42)) * sharpness * (isMine ? 1.12 : 1);
    const font = `${isMine ? 700 : 600} ${size}px system-ui, sans-serif`;
    const width = Math.ceil(widthOf(text, font) + 8 * sharpness);
    const picture = drawn(width, Math.ceil(size * 1.5), (brush) => {
      const { height } = brush.canvas;
      brush.font = font;
      brush.textBaseline = "middle";
      brush.lineJoin = "round";
      brush.lineWidth = 4 * sharpness;
      brush.strokeStyle = this.#palette.ground;
      brush.strokeText(text, 4 * sharpness, height / 2);
      brush.fillStyle = isMine ? this.#palette.ink : this.#palette[team].name;
      brush.fillText(text, 4 * sharpness, height / 2);
    });
    names.set(text, picture);
    return picture;
  }

  #picture(key: string, half: number, draw: (brush: OffscreenCanvasRenderingContext2D) => void): ImageBitmap {
    const known = this.#kept.get(key);
    if (known !== undefined) return known;
    const side = Math.ceil(2 * half * this.#unit);
    const picture = drawn(side, side, (brush) => {
      brush.scale(this.#unit, this.#unit);
      brush.translate(half, half);
      draw(brush);
    });
    this.#kept.set(key, picture);
    return picture;
  }
}

const keysOf = (what: string, count: number) =>
  Array.from({ length: count }, (_, i) => `${what}, number ${i}`);
const keysOfTeams = (what: string, count: number) => ({
  sun: keysOf(`${what} of sun`, count),
  moon: keysOf(`${what} of moon`, count),
});
const BODY_KEYS = keysOfTeams("the body", PATTERNS);
const EGG_KEYS = keysOfTeams("an egg in the air", TURNS);
const HELD_KEYS = keysOfTeams("an egg in a hand", TURNS);
const LIVES_KEYS = keysOfTeams("what is left", NUMBERS.player.hits + 1);
const SWEET_KEYS = keysOf("a sweet on the ground", 8);
const CARRIED_KEYS = keysOf("a sweet that is carried", 8);
const TREAT_KEYS = { bag: "a bag of three eggs", kite: "a kite that flies", gone: "a treat that is gone" };

function turnOf(angle: number): number {
  return ((Math.round((angle / (2 * Math.PI)) * TURNS) % TURNS) + TURNS) % TURNS;
}
