import type { ArenaWorld, Pinata, Player } from "../game/kinds.ts";
import { mapOf, matchOf } from "../game/movement.ts";
import { NUMBERS, ticks } from "../game/numbers.ts";
import type { Sticks } from "../hands/sticks.ts";
import type { Happening } from "../play/happenings.ts";
import { Camera } from "./camera.ts";
import { Confetti } from "./confetti.ts";
import { drawGround } from "./ground.ts";
import { drawGuide } from "./guide.ts";
import { DARK, LIGHT, type Palette } from "./palette.ts";
import { drawPlayer } from "./player-picture.ts";
import { circle, diamond, scallops } from "./shapes.ts";
import { PINATA_HALF, Sprites } from "./sprites.ts";
import { drawSticks } from "./stick-picture.ts";

const { map: size, egg, sweets, pinata: target } = NUMBERS;
/** Device pixels drawn for each CSS pixel, at most: more are not seen, and cost. */
const MOST_PIXELS = 2;
/** The ground is drawn a little past the edge. */
const BORDER = 0.6;
/** What moves further than this between two ticks, in units, is not drawn on its way: it was put there. */
const JUMP = 2.5;

/** What is shown of an entity: between two ticks, without an object for each. */
export interface Shown {
  x: number;
  y: number;
}

/** Draws the game on a canvas. */
export class Scene {
  readonly camera = new Camera();
  readonly #canvas: HTMLCanvasElement;
  readonly #brush: CanvasRenderingContext2D;
  readonly #confetti = new Confetti();
  readonly #shown: Shown = { x: 0, y: 0 };
  readonly #me: Shown = { x: 20, y: 12 };
  #palette: Palette = LIGHT;
  #sprites = new Sprites(1, LIGHT);
  #ground: HTMLCanvasElement | undefined;
  #groundOf: ArenaWorld | undefined;
  #groundName = "";
  #pixels = 1;
  /** True where things should not move by themselves. */
  isCalm = false;

  constructor(canvas: HTMLCanvasElement) {
    const brush = canvas.getContext("2d", { alpha: false });
    if (brush === null) throw new Error("this browser has no 2D canvas");
    this.#canvas = canvas;
    this.#brush = brush;
  }

  /** After the window changed, or night fell. @param top what the score covers, in CSS pixels. */
  fit(isDark: boolean, top: number): void {
    const { clientWidth, clientHeight } = this.#canvas;
    this.#pixels = Math.min(MOST_PIXELS, devicePixelRatio);
    this.#canvas.width = Math.round(clientWidth * this.#pixels);
    this.#canvas.height = Math.round(clientHeight * this.#pixels);
    this.camera.fit(clientWidth, clientHeight, top);
    this.#palette = isDark ? DARK : LIGHT;
    this.#sprites = new Sprites(this.camera.unit * this.#pixels, this.#palette);
    this.#ground = undefined;
  }

  /** Where the player is on the screen, in CSS pixels. */
  screenOf(at: Shown, into: Shown): Shown {
    into.x = this.camera.x + at.x * this.camera.unit;
    into.y = this.camera.y + at.y * this.camera.unit;
    return into;
  }

  get me(): Shown {
    return this.#me;
  }

  /** Something happened: confetti, and a shake for what is near. */
  happened(what: Happening, x: number, y: number, isMine: boolean): void {
    if (this.isCalm) return;
    if (what === "burst") {
      this.#confetti.burst(x, y, 60, 12);
      this.camera.shake(0.7);
    } else if (what === "out") this.#confetti.burst(x, y, 24, 8);
    else if (what === "hit") this.#confetti.burst(x, y, 12, 6);
    else if (what === "strike") this.#confetti.burst(x, y, 5, 7);
    else if (what === "splat") this.#confetti.burst(x, y, 4, 3);
    else if (what === "bring" && isMine) this.#confetti.burst(x, y, 6, 4);
    if (isMine && (what === "hit" || what === "out")) this.camera.shake(0.6);
  }

  /**
   * Draws one frame.
   *
   * @param alpha how far between the two ticks, 0 to 1.
   * @param seconds since the last frame.
   * @param time of the page, in ms.
   */
  draw(
    before: ArenaWorld,
    now: ArenaWorld,
    me: Player | undefined,
    alpha: number,
    seconds: number,
    time: number,
    sticks: Sticks,
  ): void {
    const brush = this.#brush;
    const palette = this.#palette;
    this.#look(before, me, alpha, seconds);
    const scale = this.camera.unit * this.#pixels;
    const shake = this.isCalm ? 0 : this.camera.offset(time);
    const left = (this.camera.x + shake) * this.#pixels;
    const top = (this.camera.y + shake * 0.6) * this.#pixels;
    brush.setTransform(1, 0, 0, 1, 0, 0);
    brush.fillStyle = palette.around;
    brush.fillRect(0, 0, this.#canvas.width, this.#canvas.height);
    brush.drawImage(this.#groundFor(now, scale), left - BORDER * scale, top - BORDER * scale);
    brush.setTransform(scale, 0, 0, scale, left, top);
    this.#treats(now, time);
    this.#sweets(before, now, alpha);
    for (const player of now.all("player")) {
      const at = this.#between(before, player, alpha);
      drawPlayer(brush, this.#sprites, palette, player, at, player === me, scale, this.isCalm ? 0 : time);
    }
    for (const pinata of now.all("pinata")) this.#pinata(before, pinata, alpha);
    this.#eggs(before, now, alpha);
    this.#confetti.draw(brush, seconds, palette.sweets);
    brush.setTransform(this.#pixels, 0, 0, this.#pixels, 0, 0);
    const { clientWidth, clientHeight } = this.#canvas;
    if (me !== undefined) drawGuide(brush, palette, now, me, this.camera, clientWidth, clientHeight);
    drawSticks(brush, palette, sticks, me);
  }

  #look(before: ArenaWorld, me: Player | undefined, alpha: number, seconds: number): void {
    if (me !== undefined) {
      const { x, y } = this.#between(before, me, alpha);
      this.#me.x = x;
      this.#me.y = y;
    }
    this.camera.follow(this.#me.x, this.#me.y, seconds);
  }

  #groundFor(world: ArenaWorld, scale: number): HTMLCanvasElement {
    const { map } = matchOf(world);
    if (this.#ground !== undefined && this.#groundOf === world && this.#groundName === map)
      return this.#ground;
    const ground = document.createElement("canvas");
    ground.width = Math.ceil((size.width + 2 * BORDER) * scale);
    ground.height = Math.ceil((size.height + 2 * BORDER) * scale);
    const brush = ground.getContext("2d");
    if (brush !== null) {
      brush.scale(scale, scale);
      brush.translate(BORDER, BORDER);
      drawGround(brush, mapOf(world), this.#palette);
    }
    this.#ground = ground;
    this.#groundOf = world;
    this.#groundName = map;
    return ground;
  }

  /** Where something is between two ticks. The object is the same each time. */
  #between(
    before: ArenaWorld,
    entity: { readonly slot: number; readonly kind: string; readonly at: Shown },
    alpha: number,
  ): Shown {
    const shown = this.#shown;
    const { x, y } = entity.at;
    shown.x = x;
    shown.y = y;
    const old = before.get(entity.slot);
    if (old === undefined || old.kind !== entity.kind || !("at" in old)) return shown;
    const dx = x - old.at.x;
    const dy = y - old.at.y;
    if (Math.abs(dx) + Math.abs(dy) > JUMP) return shown;
    shown.x = old.at.x + dx * alpha;
    shown.y = old.at.y + dy * alpha;
    return shown;
  }

  #eggs(before: ArenaWorld, now: ArenaWorld, alpha: number): void {
    const brush = this.#brush;
    for (const shot of now.all("egg")) {
      const at = this.#between(before, shot, alpha);
      const team = this.#palette[shot.team];
      const dx = Math.cos(shot.aim);
      const dy = Math.sin(shot.aim);
      brush.globalAlpha = 0.35;
      brush.strokeStyle = team.body;
      brush.lineWidth = 0.2;
      brush.beginPath();
      brush.moveTo(at.x - dx * 0.8, at.y - dy * 0.8);
      brush.lineTo(at.x, at.y);
      brush.stroke();
      brush.globalAlpha = 1;
      brush.fillStyle = this.#palette.egg;
      brush.strokeStyle = team.body;
      brush.lineWidth = 0.1;
      brush.beginPath();
      brush.ellipse(at.x, at.y, egg.radius * 1.35, egg.radius, shot.aim, 0, 2 * Math.PI);
      brush.fill();
      brush.stroke();
      brush.fillStyle = team.body;
      if (shot.team === "sun") circle(brush, at.x, at.y, 0.07);
      else diamond(brush, at.x, at.y, 0.09);
      brush.fill();
    }
  }

  #sweets(before: ArenaWorld, now: ArenaWorld, alpha: number): void {
    const brush = this.#brush;
    const colours = this.#palette.sweets;
    for (const sweet of now.all("sweet")) {
      const at = this.#between(before, sweet, alpha);
      const colour = colours[sweet.slot % colours.length] ?? "";
      brush.fillStyle = this.#palette.shade;
      circle(brush, at.x + 0.04, at.y + 0.12, sweets.radius * 0.8);
      brush.fill();
      drawSweet(brush, at.x, at.y, sweets.radius, colour, this.#palette.paper);
    }
  }

  #treats(now: ArenaWorld, time: number): void {
    const brush = this.#brush;
    const palette = this.#palette;
    for (const treat of now.all("treat")) {
      const { x, y } = treat.at;
      brush.strokeStyle = palette.wallTop;
      brush.lineWidth = 0.06;
      circle(brush, x, y, 0.62);
      brush.stroke();
      if (treat.back > 0) continue;
      const lift = this.isCalm ? 0 : 0.06 * Math.sin(time / 300 + x);
      if (treat.what === "kite") {
        brush.fillStyle = palette.paperFlags[3] ?? palette.ink;
        diamond(brush, x, y - 0.08 + lift, 0.42);
        brush.fill();
        brush.fillStyle = palette.paper;
        diamond(brush, x, y - 0.08 + lift, 0.17);
        brush.fill();
        brush.strokeStyle = palette.ink;
        brush.lineWidth = 0.05;
        brush.beginPath();
        brush.moveTo(x, y + 0.34 + lift);
        brush.quadraticCurveTo(x + 0.25, y + 0.45, x + 0.1, y + 0.7);
        brush.stroke();
        continue;
      }
      brush.strokeStyle = palette.paperFlags[1] ?? palette.ink;
      brush.lineWidth = 0.07;
      brush.fillStyle = palette.egg;
      for (const [dx, dy] of BAG_EGGS) {
        brush.beginPath();
        brush.ellipse(x + dx, y + dy + lift, 0.15, 0.2, 0, 0, 2 * Math.PI);
        brush.fill();
        brush.stroke();
      }
    }
  }

  #pinata(before: ArenaWorld, pinata: Pinata, alpha: number): void {
    const brush = this.#brush;
    const palette = this.#palette;
    const { x, y } = this.#between(before, pinata, alpha);
    if (pinata.back > 0) {
      brush.strokeStyle = palette.wall;
      brush.lineWidth = 0.1;
      brush.beginPath();
      const share = 1 - pinata.back / ticks(target.isBackIn);
      brush.arc(x, y, 0.8, -Math.PI / 2, -Math.PI / 2 + share * 2 * Math.PI);
      brush.stroke();
      return;
    }
    brush.fillStyle = palette.shade;
    scallops(brush, x + 0.15, y + 0.5, 0.95, 9);
    brush.fill();
    const picture = this.#sprites.pinata();
    brush.save();
    brush.translate(x, y);
    brush.rotate((x - size.width / 2) * 0.12);
    brush.drawImage(picture, -PINATA_HALF, -PINATA_HALF, 2 * PINATA_HALF, 2 * PINATA_HALF);
    brush.restore();
    if (pinata.hits === 0) return;
    brush.strokeStyle = palette.ink;
    brush.lineWidth = 0.14;
    brush.beginPath();
    brush.arc(x, y, 1.95, -Math.PI / 2, -Math.PI / 2 + (1 - pinata.hits / target.hits) * 2 * Math.PI);
    brush.stroke();
  }
}

const BAG_EGGS = [
  [-0.2, 0.1],
  [0.2, 0.1],
  [0, -0.14],
] as const;

/** A sweet in its paper. */
export function drawSweet(
  brush: CanvasRenderingContext2D,
  x: number,
  y: number,
  radius: number,
  colour: string,
  stripe: string,
): void {
  brush.fillStyle = colour;
  brush.beginPath();
  brush.moveTo(x - radius * 1.25, y - radius * 0.6);
  brush.lineTo(x + radius * 1.25, y + radius * 0.6);
  brush.lineTo(x + radius * 1.25, y - radius * 0.6);
  brush.lineTo(x - radius * 1.25, y + radius * 0.6);
  brush.closePath();
  brush.fill();
  circle(brush, x, y, radius * 0.72);
  brush.fill();
  brush.fillStyle = stripe;
  brush.fillRect(x - radius * 0.14, y - radius * 0.62, radius * 0.28, radius * 1.24);
}
