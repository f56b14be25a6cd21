import type { ArenaWorld, Match, Player, Team } from "./kinds.ts";
import { mapOf } from "./movement.ts";
import { NUMBERS, ticks } from "./numbers.ts";
import { scatter } from "./sweets.ts";

const { player: body, sweets } = NUMBERS;

/** A player who comes in. */
export interface Newcomer {
  readonly name: string;
  readonly isBot?: boolean;
  /** Default: the team that has fewer, and sun if neither has. */
  readonly team?: Team;
  /** Which pattern is cut into the body, 0 to 255. */
  readonly look?: number;
}

/** Lets somebody in, at a starting place of their team. */
export function join(world: ArenaWorld, { name, isBot = false, team, look = 0 }: Newcomer): Player {
  const player = world.add("player", { name, isBot, look, team: team ?? smallerTeam(world) });
  toStart(world, player);
  return player;
}

/** Lets somebody go; what they carry stays. */
export function leave(world: ArenaWorld, player: Player, random: () => number): void {
  dropAll(world, player, random);
  world.remove(player);
}

/** Puts a player to a starting place that no other of the team is nearest to, in the order of their slots. */
export function toStart(world: ArenaWorld, player: Player): void {
  const starts = mapOf(world).starts[player.team === "sun" ? 0 : 1];
  let before = 0;
  for (const other of world.all("player")) {
    if (other.team === player.team && other.slot < player.slot) before++;
  }
  const start = starts[before % starts.length];
  if (start === undefined) return;
  player.at = start;
  player.speed.x = 0;
  player.speed.y = 0;
  player.aim = player.team === "sun" ? 0 : Math.PI;
  player.dash = 0;
  player.hits = 0;
}

/** An egg has hit somebody. The third one puts out. */
export function hit(world: ArenaWorld, player: Player, by: Player | undefined, random: () => number): void {
  player.hits += 1;
  player.mends = ticks(body.mendsIn);
  player.dazed = ticks(body.dazedFor);
  if (by !== undefined) by.hitsMade += 1;
  if (player.hits < body.hits) return;
  dropAll(world, player, random);
  player.out = ticks(body.isOutFor);
  player.kite = 0;
  player.bag = 0;
  player.throws = false;
}

/** Whom an egg can hit, and a dash can rob. */
export function isVulnerable({ out, safe, dash }: Pick<Player, "out" | "safe" | "dash">): boolean {
  return out === 0 && safe === 0 && dash === 0;
}

/** What passes for every player in each tick, whether their input came or not. */
export function passTime(world: ArenaWorld): void {
  for (const player of world.all("player")) {
    player.safe -= 1;
    player.kite -= 1;
    player.bag -= 1;
    if (player.mends > 0) {
      player.mends -= 1;
      if (player.mends === 0) player.hits = 0;
    }
    if (player.out === 0) continue;
    player.out -= 1;
    if (player.out > 0) continue;
    toStart(world, player);
    player.mends = 0;
    player.dazed = 0;
    player.safe = ticks(body.isSafeFor);
  }
}

/** Everybody as they begin a match. */
export function begin(world: ArenaWorld): void {
  for (const player of world.all("player")) {
    toStart(world, player);
    player.sweets = 0;
    player.points = 0;
    player.hitsMade = 0;
    player.throws = false;
    player.throwWait = 0;
    player.dashWait = 0;
    player.dazed = 0;
    player.mends = 0;
    player.out = 0;
    player.safe = 0;
    player.bag = 0;
    player.kite = 0;
  }
}

/** Robs whom a dash bumps into of one sweet. A dash robs once. */
export function rob(world: ArenaWorld, random: () => number): void {
  const reach = 2 * body.radius + NUMBERS.dash.reach;
  for (const thief of world.all("player")) {
    if (thief.dash === 0 || thief.hasStolen) continue;
    for (const other of world.all("player")) {
      if (other.team === thief.team || other.sweets === 0 || !isVulnerable(other)) continue;
      if (Math.hypot(other.at.x - thief.at.x, other.at.y - thief.at.y) > reach) continue;
      thief.hasStolen = true;
      other.sweets -= 1;
      other.dazed = ticks(body.dazedFor);
      if (thief.sweets < sweets.carried) thief.sweets += 1;
      else scatter(world, other.at, 1, 1, random);
      break;
    }
  }
}

/** Who is ahead; `undefined` where nobody is. */
export function leader(match: Pick<Match, "sun" | "moon">): Team | undefined {
  if (match.sun === match.moon) return undefined;
  return match.sun > match.moon ? "sun" : "moon";
}

function dropAll(world: ArenaWorld, player: Player, random: () => number): void {
  scatter(world, player.at, player.sweets, 2, random);
  player.sweets = 0;
}

function smallerTeam(world: ArenaWorld): Team {
  let balance = 0;
  for (const player of world.all("player")) balance += player.team === "sun" ? 1 : -1;
  return balance > 0 ? "moon" : "sun";
}
