import type { ArenaFrame, ShownPinata, ShownPlayer } from "../game/kinds.ts";
import { mapOf, matchOf } from "../game/movement.ts";
import { NUMBERS, ticks } from "../game/numbers.ts";
import type { Sticks } from "../hands/sticks.ts";
import type { Happening } from "../play/happenings.ts";
import type { ShownEgg } from "../play/own-eggs.ts";
import { Camera } from "./camera.ts";
import { Confetti } from "./confetti.ts";
import { drawGround } from "./ground.ts";
import { drawGuide } from "./guide.ts";
import { Pace } from "./pace.ts";
import { DARK, LIGHT, type Palette } from "./palette.ts";
import { drawPlayer } from "./player-picture.ts";
import { scallops } from "./shapes.ts";
import { PINATA_HALF, type Placing, Sprites, drawn, stamp } from "./sprites.ts";
import { drawSticks } from "./stick-picture.ts";

const { map: size, pinata: target } = NUMBERS;
/** The ground is drawn a little past the edge. */
const BORDER = 0.6;
/** A place, in units or in pixels. */
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
  readonly #me: Shown = { x: 20, y: 12 };
  readonly #placing: Placing = { scale: 1, left: 0, top: 0 };
  #palette: Palette = LIGHT;
  #sprites = new Sprites(1, LIGHT, 1);
  #ground: ImageBitmap | undefined;
  #groundName = "";
  /** Of the canvas, in CSS pixels: asking it in a frame would lay the page out. */
  #width = 0;
  #height = 0;
  #pixels = 1;
  #isDark = false;
  #top = 0;
  readonly #pace = new Pace();
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
    this.#isDark = isDark;
    this.#top = top;
    const { clientWidth, clientHeight } = this.#canvas;
    this.#pixels = Math.min(this.#pace.sharpness, devicePixelRatio);
    this.#width = clientWidth;
    this.#height = clientHeight;
    this.#canvas.width = Math.round(clientWidth * this.#pixels);
    this.#canvas.height = Math.round(clientHeight * this.#pixels);
    this.camera.fit(clientWidth, clientHeight, top);
    this.#palette = isDark ? DARK : LIGHT;
    this.#sprites = new Sprites(this.camera.unit * this.#pixels, this.#palette, this.#pixels);
    this.#ground?.close();
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
   * @param me who plays here, if somebody does.
   * @param eye whom the picture follows.
   * @param seconds since the last frame.
   * @param time of the page, in ms.
   * @param eggs in the air. Default: those of `frame`.
   */
  draw(
    frame: ArenaFrame,
    me: ShownPlayer | undefined,
    eye: ShownPlayer | undefined,
    seconds: number,
    time: number,
    sticks: Sticks,
    eggs: Iterable<ShownEgg> = frame.all("egg"),
  ): void {
    if (this.#pace.frame(seconds)) this.fit(this.#isDark, this.#top);
    const brush = this.#brush;
    const palette = this.#palette;
    this.#look(eye, seconds);
    const scale = this.camera.unit * this.#pixels;
    const shake = this.isCalm ? 0 : this.camera.offset(time);
    // On whole pixels the ground is copied as it is, which is several times faster than sampling it.
    const left = Math.round((this.camera.x + shake) * this.#pixels);
    const top = Math.round((this.camera.y + shake * 0.6) * this.#pixels);
    brush.setTransform(1, 0, 0, 1, 0, 0);
    this.#copyGround(this.#groundFor(frame, scale), left, top, Math.round(BORDER * scale));
    brush.setTransform(scale, 0, 0, scale, left, top);
    const placing = this.#placing;
    placing.scale = scale;
    placing.left = left;
    placing.top = top;
    this.#treats(frame, time);
    this.#sweets(frame);
    for (const player of frame.all("player")) if (player.slot !== me?.slot) this.#player(player, false, time);
    // Whoever plays here lies above the others.
    if (me !== undefined) this.#player(me, true, time);
    for (const pinata of frame.all("pinata")) this.#pinata(pinata);
    this.#eggs(eggs);
    this.#confetti.draw(brush, seconds, palette.sweets);
    brush.setTransform(this.#pixels, 0, 0, this.#pixels, 0, 0);
    if (me !== undefined) drawGuide(brush, palette, frame, me, this.camera, this.#width, this.#height);
    drawSticks(brush, palette, sticks, me);
  }

  #player(player: ShownPlayer, isMine: boolean, time: number): void {
    const moves = this.isCalm ? 0 : time;
    drawPlayer(this.#brush, this.#sprites, this.#palette, player, isMine, this.#placing, moves);
  }

  #look(eye: ShownPlayer | undefined, seconds: number): void {
    if (eye !== undefined) {
      this.#me.x = eye.at.x;
      this.#me.y = eye.at.y;
    }
    this.camera.follow(this.#me.x, this.#me.y, seconds);
  }

  /** The part of the ground that is on the screen, and around it what is beyond the map. */
  #copyGround(ground: ImageBitmap, mapLeft: number, mapTop: number, border: number): void {
    const { width, height } = this.#canvas;
    const left = Math.max(0, mapLeft - border);
    const top = Math.max(0, mapTop - border);
    const right = Math.min(width, mapLeft - border + ground.width);
    const bottom = Math.min(height, mapTop - border + ground.height);
    const brush = this.#brush;
    brush.fillStyle = this.#palette.around;
    if (left > 0) brush.fillRect(0, 0, left, height);
    if (right < width) brush.fillRect(right, 0, width - right, height);
    if (top > 0) brush.fillRect(left, 0, right - left, top);
    if (bottom < height) brush.fillRect(left, bottom, right - left, height - bottom);
    const [wide, high] = [right - left, bottom - top];
    if (wide <= 0 || high <= 0) return;
    const [fromX, fromY] = [left - mapLeft + border, top - mapTop + border];
    brush.drawImage(ground, fromX, fromY, wide, high, left, top, wide, high);
  }

  #groundFor(frame: ArenaFrame, scale: number): ImageBitmap {
    const { map } = matchOf(frame);
    if (this.#ground !== undefined && this.#groundName === map) return this.#ground;
    const border = Math.round(BORDER * scale);
    const wide = Math.ceil(size.width * scale) + 2 * border;
    const high = Math.ceil(size.height * scale) + 2 * border;
    const draw = (brush: OffscreenCanvasRenderingContext2D): void => {
      brush.fillStyle = this.#palette.around;
      brush.fillRect(0, 0, wide, high);
      brush.setTransform(scale, 0, 0, scale, border, border);
      drawGround(brush, mapOf(frame), this.#palette);
    };
    this.#ground?.close();
    const ground = drawn(wide, high, draw, { alpha: false });
    this.#ground = ground;
    this.#groundName = map;
    return ground;
  }

  #eggs(eggs: Iterable<ShownEgg>): void {
    for (const egg of eggs) {
      const { x, y } = egg.at;
      stamp(this.#brush, this.#sprites.egg(egg.team, egg.aim), x, y, this.#placing);
    }
  }

  #sweets(frame: ArenaFrame): void {
    const brush = this.#brush;
    for (const sweet of frame.all("sweet")) {
      const { x, y } = sweet.at;
      stamp(brush, this.#sprites.sweet(sweet.slot), x, y, this.#placing);
    }
  }

  #treats(frame: ArenaFrame, time: number): void {
    for (const treat of frame.all("treat")) {
      const { x, y } = treat.at;
      stamp(this.#brush, this.#sprites.treat("gone"), x, y, this.#placing);
      if (treat.back > 0) continue;
      const lift = this.isCalm ? 0 : 0.06 * Math.sin(time / 300 + x);
      stamp(this.#brush, this.#sprites.treat(treat.what), x, y + lift, this.#placing);
    }
  }

  #pinata(pinata: ShownPinata): void {
    const brush = this.#brush;
    const palette = this.#palette;
    const { x, y } = pinata.at;
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
