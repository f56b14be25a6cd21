import type { ShownPlayer } from "../game/kinds.ts";
import { NUMBERS, ticks } from "../game/numbers.ts";
import type { Palette } from "./palette.ts";
import { circle, diamond } from "./shapes.ts";
import { type Placing, type Sprites, stamp } from "./sprites.ts";

const { player: body, dash, kite } = NUMBERS;
type Brush = CanvasRenderingContext2D;

/**
 * Draws a player, what they carry, and how they are.
 *
 * @param placing of the context, which is in units.
 * @param time in ms; 0 where nothing moves by itself.
 */
export function drawPlayer(
  brush: Brush,
  sprites: Sprites,
  palette: Palette,
  player: ShownPlayer,
  isMine: boolean,
  placing: Placing,
  time: number,
): void {
  const { x, y } = player.at;
  const team = palette[player.team];
  if (player.out > 0) {
    drawOut(brush, palette, player, x, y);
    return;
  }
  if (isMine) {
    brush.fillStyle = team.wash;
    brush.strokeStyle = palette.ink;
    brush.lineWidth = 0.07;
    circle(brush, x, y, 1.08);
    brush.fill();
    brush.stroke();
  }
  if (player.safe > 0) {
    brush.strokeStyle = palette.ink;
    brush.lineWidth = 0.06;
    brush.setLineDash(SAFE_DASHES);
    circle(brush, x, y, 0.85);
    brush.stroke();
    brush.setLineDash(NO_DASHES);
  }
  if (player.dash > 0 || player.kite > 0) trail(brush, player, x, y, team.body);
  brush.globalAlpha = player.dazed > 0 ? 0.6 : 1;
  stamp(brush, sprites.body(player.team, player.look), x, y, placing);
  brush.globalAlpha = 1;
  hand(brush, sprites, player, x, y, placing);
  if (player.dazed > 0) stars(brush, palette, x, y, time);
  if (player.hits > 0) stamp(brush, sprites.lives(player.team, player.hits), x, y - 1.02, placing);
  carried(brush, sprites, player, x, y, placing);
  if (isMine && player.dashWait > 0) {
    brush.strokeStyle = palette.ink;
    brush.lineWidth = 0.12;
    brush.beginPath();
    const share = 1 - player.dashWait / ticks(dash.cooldown);
    brush.arc(x, y, 1.08, Math.PI / 2, Math.PI / 2 + share * 2 * Math.PI);
    brush.stroke();
  }
  const name = sprites.name(player.name, player.team, isMine);
  stamp(brush, name, x, y, placing, 0.9);
}

const SAFE_DASHES = [0.2, 0.16];
const NO_DASHES: number[] = [];

/** Where one is back in a moment. */
function drawOut(brush: Brush, palette: Palette, player: ShownPlayer, x: number, y: number): void {
  brush.strokeStyle = palette[player.team].body;
  brush.lineWidth = 0.1;
  brush.globalAlpha = 0.7;
  brush.beginPath();
  const share = 1 - player.out / ticks(body.isOutFor);
  brush.arc(x, y, 0.5, -Math.PI / 2, -Math.PI / 2 + share * 2 * Math.PI);
  brush.stroke();
  brush.beginPath();
  for (const side of [-1, 1]) {
    brush.moveTo(x - 0.2, y - 0.2 * side);
    brush.lineTo(x + 0.2, y + 0.2 * side);
  }
  brush.stroke();
  brush.globalAlpha = 1;
}

function trail(brush: Brush, player: ShownPlayer, x: number, y: number, colour: string): void {
  const speed = Math.hypot(player.speed.x, player.speed.y);
  if (speed < 1) return;
  const long = player.dash > 0 ? 1.6 : 0.9 * Math.min(1, player.kite / ticks(kite.lasts) + 0.3);
  const dx = -player.speed.x / speed;
  const dy = -player.speed.y / speed;
  brush.strokeStyle = colour;
  brush.globalAlpha = 0.4;
  brush.lineWidth = player.dash > 0 ? 0.7 : 0.22;
  brush.lineCap = "round";
  brush.beginPath();
  brush.moveTo(x, y);
  brush.lineTo(x + dx * long, y + dy * long);
  brush.stroke();
  brush.lineCap = "butt";
  brush.globalAlpha = 1;
}

/** The egg in the hand says where one aims. */
function hand(
  brush: Brush,
  sprites: Sprites,
  player: ShownPlayer,
  x: number,
  y: number,
  placing: Placing,
): void {
  if (player.throwWait > 3) return;
  const count = player.bag > 0 ? 3 : 1;
  for (let i = 0; i < count; i++) {
    const angle = player.aim + (i - (count - 1) / 2) * 0.5;
    const picture = sprites.heldEgg(player.team, angle);
    stamp(brush, picture, x + Math.cos(angle) * 0.92, y + Math.sin(angle) * 0.92, placing);
  }
}

function stars(brush: Brush, palette: Palette, x: number, y: number, time: number): void {
  brush.fillStyle = palette.sun.second;
  for (let i = 0; i < 3; i++) {
    const angle = (i / 3) * 2 * Math.PI + time / 200;
    diamond(brush, x + Math.cos(angle) * 0.55, y - 0.75 + Math.sin(angle) * 0.18, 0.14);
    brush.fill();
  }
}

/** Sweets around the body, in an arc behind the hand. */
function carried(
  brush: Brush,
  sprites: Sprites,
  player: ShownPlayer,
  x: number,
  y: number,
  placing: Placing,
): void {
  const { sweets } = player;
  for (let i = 0; i < sweets; i++) {
    const angle = player.aim + Math.PI + (i - (sweets - 1) / 2) * 0.42;
    stamp(brush, sprites.carried(i), x + Math.cos(angle) * 0.82, y + Math.sin(angle) * 0.82, placing);
  }
}
