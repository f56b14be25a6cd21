import type { ArenaFrame, ArenaView, ArenaWorld, Input, Match, Player, ShownMatch } from "./kinds.ts";
import { type GameMap, MAPS } from "./maps.ts";
import { NUMBERS, TICK, ticks } from "./numbers.ts";
import { isInside, pushedOut } from "./walls.ts";

const { player: body, dash, kite, sweets, egg } = NUMBERS;

/** How much faster a player can become in a tick, in units a second. */
const GAIN = (body.walksAt / body.gainsSpeedIn) * TICK;
/** A place is rounded, which must not round it into a wall. */
const MARGIN = 0.005;

/** The match of a world. It is there from the first tick on, in slot 0. */
export function matchOf(world: ArenaView): Match;
export function matchOf(frame: ArenaFrame): ShownMatch;
export function matchOf(world: ArenaView | ArenaFrame): Match | ShownMatch {
  const first = world.get(0);
  if (first?.kind !== "match") throw noMatch();
  return first;
}

/** False for what a client shows before it was told of the match. */
export function hasMatch(world: ArenaView | ArenaFrame): boolean {
  return world.get(0)?.kind === "match";
}

function noMatch(): Error {
  return new Error("the world has no match in slot 0; `open` makes one");
}

export function mapOf(world: ArenaView | ArenaFrame): GameMap {
  const match = world.get(0);
  if (match?.kind !== "match") throw noMatch();
  return match.map === "zocalo" ? MAPS[0] : MAPS[1];
}

/**
 * One player's input of one tick: walking, dashing, and whether an egg leaves the hand. It changes this
 * player alone, and is what a page runs ahead of the server.
 */
export function apply(player: Player, input: Input, world: ArenaWorld): void {
  // A page may have been shown its own player before the match.
  const phase = hasMatch(world) ? matchOf(world).phase : "countdown";
  player.aim = input.aim;
  player.dash -= 1;
  player.dashWait -= 1;
  player.throwWait -= 1;
  player.dazed -= 1;
  if (phase === "countdown" || player.out > 0) {
    player.speed.x = 0;
    player.speed.y = 0;
    player.dash = 0;
    return;
  }
  if (input.dashes && player.dashWait === 0) startDash(player, input);
  if (player.dash === 0) walk(player, input);
  move(player, mapOf(world));
  if (input.throws && player.throwWait === 0 && player.dash === 0 && phase === "play") {
    player.throws = true;
    player.throwWait = ticks(egg.cooldown);
  }
}

/** The fastest that a player walks now, in units a second. */
export function walkingSpeed(player: Pick<Player, "sweets" | "kite" | "dazed">): number {
  const faster = player.kite > 0 ? kite.faster : 1;
  const slower = player.dazed > 0 ? body.dazedWalksAt : 1;
  return body.walksAt * faster * slower * (1 - sweets.slowsBy * player.sweets);
}

function startDash(player: Player, { move, aim }: Input): void {
  player.dash = ticks(dash.lasts);
  player.dashWait = ticks(dash.cooldown);
  player.hasStolen = false;
  const angle = move.x === 0 && move.y === 0 ? aim : Math.atan2(move.y, move.x);
  player.speed.x = Math.cos(angle) * dash.at;
  player.speed.y = Math.sin(angle) * dash.at;
}

function walk(player: Player, { move }: Input): void {
  const length = Math.hypot(move.x, move.y);
  const most = walkingSpeed(player) / Math.max(1, length);
  const { speed } = player;
  let dx = move.x * most - speed.x;
  let dy = move.y * most - speed.y;
  const change = Math.hypot(dx, dy);
  // What remains of a dash is lost at once, and somebody in a hurry turns at once.
  const gain = Math.hypot(speed.x, speed.y) > body.walksAt * kite.faster ? change : GAIN;
  if (change > gain) {
    dx *= gain / change;
    dy *= gain / change;
  }
  speed.x += dx;
  speed.y += dy;
}

function move(player: Player, map: GameMap): void {
  const { at, speed } = player;
  const to = pushedOut(map, { x: at.x + speed.x * TICK, y: at.y + speed.y * TICK }, body.radius + MARGIN);
  // Between walls that are too near to each other there is no place to be pushed to.
  if (isInside(map, to, body.radius)) return;
  at.x = to.x;
  at.y = to.y;
}
