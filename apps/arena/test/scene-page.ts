// Bundled into a page of its own by scene.test.ts: the scene, without a server and without words around it.
import { NUMBERS } from "../src/game/numbers.ts";
import { FIRST_BINDINGS } from "../src/hands/bindings.ts";
import { Hands } from "../src/hands/hands.ts";
import { Practice } from "../src/play/practice.ts";
import { LIGHT } from "../src/view/palette.ts";
import { Scene } from "../src/view/scene.ts";
import { Sprites } from "../src/view/sprites.ts";
import { FlashMeter, luminanceOf } from "./flash-meter.ts";

const FRAMES_PER_SECOND = 60;
/** CSS pixels of the side of a cell. */
const CELL = 4;

export interface Film {
  readonly isDark: boolean;
  readonly isCalm: boolean;
  readonly seconds: number;
  /** Adds all that shakes and scatters paper, as often and as near as never in a match. */
  readonly isWild: boolean;
}

export interface Seen {
  readonly worstShare: number;
  readonly mostChanges: number;
  /** How often the piñata burst and somebody was hit. */
  readonly bursts: number;
  readonly hits: number;
  /** A number of all pixels of the last frame. */
  readonly last: number;
}

/** Plays a match against bots from its first second, and watches every frame. */
export function film({ isDark, isCalm, seconds, isWild }: Film): Seen {
  const canvas = document.createElement("canvas");
  canvas.style.cssText = "display:block;width:1024px;height:768px";
  document.body.replaceChildren(canvas);
  const scene = new Scene(canvas);
  scene.isCalm = isCalm;
  scene.fit(isDark, 62);
  const { hands, practice } = { hands: new Hands(FIRST_BINDINGS), practice: new Practice(5, "Ana") };
  const columns = canvas.width / CELL;
  const rows = canvas.height / CELL;
  const small = new OffscreenCanvas(columns, rows).getContext("2d", { willReadFrequently: true });
  if (small === null) throw new Error("no canvas");
  // Else a line between two cells would be taken for the whole of one.
  small.imageSmoothingQuality = "high";
  const meter = new FlashMeter(columns, rows, CELL, FRAMES_PER_SECOND);
  const luminance = new Float32Array(columns * rows);
  const seen = { bursts: 0, hits: 0, last: 0 };
  for (let frame = 0; frame < seconds * FRAMES_PER_SECOND; frame++) {
    const moment = { now: 0, seconds: 1 / FRAMES_PER_SECOND, isPaused: false, fill: () => {} };
    practice.advance(moment, (what, x, y, player) => {
      if (what === "burst") seen.bursts++;
      if (what === "hit") seen.hits++;
      scene.happened(what, x, y, player !== undefined && player.slot === practice.me?.slot);
    });
    if (isWild) wild(scene, frame);
    const time = (frame * 1_000) / FRAMES_PER_SECOND;
    const { frame: shown, me } = practice;
    scene.draw(shown, me, me, 1 / FRAMES_PER_SECOND, time, hands.sticks);
    small.drawImage(canvas, 0, 0, columns, rows);
    const { data } = small.getImageData(0, 0, columns, rows);
    meter.frame(luminanceOf(data, luminance));
    if (frame < seconds * FRAMES_PER_SECOND - 1) continue;
    for (const value of data) seen.last = (Math.imul(seen.last, 31) + value) | 0;
  }
  return { ...seen, worstShare: meter.worstShare, mostChanges: meter.mostChanges };
}

/** A burst twice a second, ten hits a second, and the player among them, all around the piñata. */
function wild(scene: Scene, frame: number): void {
  const { width, height } = NUMBERS.map;
  if (frame % 30 === 0) scene.happened("burst", width / 2, height / 2, false);
  if (frame % 6 === 0) scene.happened("hit", width / 2 + (frame % 5) - 2, height / 2, frame % 12 === 0);
  if (frame % 20 === 0) scene.happened("out", width / 2, height / 2 + (frame % 3) - 1, true);
}

/** How many pictures one name has, as it comes in both teams, as another's and one's own, twice each. */
export function namesOf(text: string): number {
  const sprites = new Sprites(30, LIGHT, 1);
  const pictures = new Set<ImageBitmap>();
  for (const team of ["sun", "moon", "sun", "moon"] as const) {
    for (const isMine of [false, true]) pictures.add(sprites.name(text, team, isMine));
  }
  return pictures.size;
}

/** How high a name is, in pixels of a screen that has so many for a CSS pixel. */
export function nameHeight(sharpness: number): number {
  return new Sprites(30 * sharpness, LIGHT, sharpness).name("Beto", "sun", false).height;
}

Object.assign(window, { film, namesOf, nameHeight });
