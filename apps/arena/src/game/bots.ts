import type { ArenaView, Input, Match, Pinata, Player } from "./kinds.ts";
import type { GameMap, Point } from "./maps.ts";
import { mapOf, matchOf } from "./movement.ts";
import { NUMBERS, ticks } from "./numbers.ts";
import { pathsOf } from "./paths.ts";
import { noise } from "./random.ts";
import { countsDouble, lies } from "./sweets.ts";
import { freeShare } from "./walls.ts";

const { egg, basket, sweets: bounds, player: body } = NUMBERS;

/** How far an egg flies, in units. */
const REACH = egg.at * egg.lasts;

/** How a bot plays. */
export interface Temperament {
  readonly name: "golosa" | "traviesa" | "guardiana";
  /** It brings home what it has once it carries so many. */
  readonly enough: number;
  /** It throws at rivals within so many units. */
  readonly sees: number;
  /** How far off it aims at most, in radians. */
  readonly misses: number;
  /** The share of its time in which it throws at all. */
  readonly eager: number;
  /** How likely it dashes out of the way of an egg. */
  readonly nimble: number;
}

/** The sweet tooth gathers, the mischievous one hunts, the guardian keeps to its half. */
export const TEMPERAMENTS: readonly [Temperament, Temperament, Temperament] = [
  { name: "golosa", enough: 4, sees: 8, misses: 0.3, eager: 0.3, nimble: 0.7 },
  { name: "traviesa", enough: 6, sees: 12, misses: 0.2, eager: 0.5, nimble: 0.4 },
  { name: "guardiana", enough: 3, sees: 9, misses: 0.25, eager: 0.4, nimble: 0.5 },
];

export function temperamentOf(bot: Pick<Player, "look">): Temperament {
  return TEMPERAMENTS[(bot.look % 3) as 0 | 1 | 2];
}

/** What a bot sees. */
interface Sight {
  readonly bot: Player;
  readonly mood: Temperament;
  readonly world: ArenaView;
  readonly map: GameMap;
  readonly match: Match;
  readonly home: Point;
  readonly rival: Player | undefined;
  readonly rivalAway: number;
}

/**
 * Fills the input of a bot. It has no memory: what it does follows from the world, so a match that is handed
 * over, or is run again, goes on the same.
 */
export function think(bot: Player, world: ArenaView, input: Input): void {
  const map = mapOf(world);
  const match = matchOf(world);
  input.move.x = 0;
  input.move.y = 0;
  input.aim = bot.aim;
  input.throws = false;
  input.dashes = false;
  if (match.phase === "countdown" || bot.out > 0) return;
  const rival = nearestRival(bot, world);
  const sight: Sight = {
    bot,
    mood: temperamentOf(bot),
    world,
    map,
    match,
    home: map.baskets[bot.team === "sun" ? 0 : 1],
    rival,
    rivalAway: rival === undefined ? Number.POSITIVE_INFINITY : away(bot.at, rival.at),
  };
  if (match.phase === "over") {
    dance(sight, input);
    return;
  }
  walkTo(sight, goalOf(sight), input);
  aimAndThrow(sight, input);
  dodge(sight, input);
}

/** Where it wants to be. */
function goalOf(sight: Sight): Point {
  const { bot, mood, match, home, rivalAway } = sight;
  const isLate = countsDouble(match) && match.left < ticks(7);
  const enough = isLate ? 1 : mood.enough;
  const isHunted = bot.sweets > 0 && bot.hits > 0 && rivalAway < 7;
  if (bot.sweets >= enough || isHunted) return home;
  const thief = mood.name === "golosa" ? undefined : carrierToHunt(sight);
  if (thief !== undefined) return thief.at;
  const sweet = nearestSweet(sight);
  if (sweet !== undefined && bot.sweets < bounds.carried) return sweet;
  if (bot.sweets > 0 && away(bot.at, home) < 9) return home;
  return nearTreat(sight) ?? aroundPinata(sight);
}

/** A rival who carries a lot, near enough to be caught up with. */
function carrierToHunt({ bot, mood, world, home }: Sight): Player | undefined {
  let best: Player | undefined;
  let most = mood.name === "guardiana" ? 0 : 2;
  for (const other of world.all("player")) {
    if (other.team === bot.team || other.out > 0 || other.sweets <= most) continue;
    const near = mood.name === "guardiana" ? away(other.at, home) < 18 : away(other.at, bot.at) < 12;
    if (!near) continue;
    most = other.sweets;
    best = other;
  }
  return best;
}

/** The nearest one, unless one of the same team is nearer to it. */
function nearestSweet({ bot, mood, world, home }: Sight): Point | undefined {
  let best: Point | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const sweet of world.all("sweet")) {
    if (!lies(sweet) && mood.name !== "golosa") continue;
    const distance = away(bot.at, sweet.to) + (mood.name === "guardiana" ? 0.5 * away(home, sweet.to) : 0);
    if (distance >= least || hasNearerMate(bot, world, sweet.to)) continue;
    least = distance;
    best = sweet.to;
  }
  return best;
}

function hasNearerMate(bot: Player, world: ArenaView, at: Point): boolean {
  const own = away(bot.at, at);
  for (const mate of world.all("player")) {
    if (mate.team !== bot.team || mate.slot === bot.slot || mate.out > 0) continue;
    if (mate.isBot && mate.sweets < bounds.carried && away(mate.at, at) < own * 0.7) return true;
  }
  return false;
}

function nearTreat({ bot, world }: Sight): Point | undefined {
  for (const treat of world.all("treat")) {
    const isWanted = treat.what === "bag" ? bot.bag === 0 : bot.kite === 0;
    if (treat.back === 0 && isWanted && away(bot.at, treat.at) < 7) return treat.at;
  }
  return undefined;
}

/** On its own side of the piñata, at throwing distance, a little elsewhere each two seconds. */
function aroundPinata({ bot, mood, map, match }: Sight): Point {
  const side = bot.team === "sun" ? Math.PI : 0;
  const turn = Math.floor((match.tick + 7 * bot.slot) / ticks(2));
  const angle = side + (noise(match.luck + bot.slot, turn, 1) - 0.5) * 2.4;
  const far = (mood.name === "guardiana" ? 8 : 5) + 3 * noise(match.luck + bot.slot, turn, 2);
  return { x: map.pinata.x + Math.cos(angle) * far, y: map.pinata.y + Math.sin(angle) * far };
}

function walkTo({ bot, map, match }: Sight, goal: Point, input: Input): void {
  if (away(bot.at, goal) < 0.25) return;
  const next = pathsOf(map).next(bot.at, goal);
  let angle = Math.atan2(next.y - bot.at.y, next.x - bot.at.x);
  // Who walks straight is hit: a long way is walked in a slight curve.
  if (away(bot.at, next) > 3) angle += Math.sin((match.tick + 40 * bot.slot) / 9) * 0.3;
  input.move.x = Math.cos(angle);
  input.move.y = Math.sin(angle);
}

function aimAndThrow(sight: Sight, input: Input): void {
  const { bot, mood, world, map, match, rival, rivalAway } = sight;
  let at: Point | undefined;
  if (rival !== undefined && rivalAway < mood.sees && rival.safe === 0) at = ahead(bot.at, rival);
  const pinata = hanging(world);
  const isClear = (to: Point) => freeShare(map, bot.at, to, egg.radius) === 1;
  if (at === undefined || !isClear(at)) {
    at = pinata !== undefined && away(bot.at, pinata.at) < REACH * 0.8 ? pinata.at : undefined;
    if (at === undefined || !isClear(at)) return;
  }
  const wobble = noise(match.luck + bot.slot, Math.floor(match.tick / 8), 3) - 0.5;
  input.aim = Math.atan2(at.y - bot.at.y, at.x - bot.at.x) + 2 * wobble * mood.misses;
  input.throws = noise(match.luck + bot.slot, Math.floor((match.tick + 5 * bot.slot) / 12), 4) < mood.eager;
}

/** Out of the way of an egg, after a rival with sweets, or home when it is hunted. */
function dodge({ bot, mood, world, match, home, rival, rivalAway }: Sight, input: Input): void {
  if (bot.dashWait > 0) return;
  const luck = noise(match.luck + bot.slot, Math.floor(match.tick / 15), 5);
  for (const shot of world.all("egg")) {
    if (shot.team === bot.team || luck > mood.nimble) continue;
    const x = bot.at.x - shot.at.x;
    const y = bot.at.y - shot.at.y;
    const along = x * Math.cos(shot.aim) + y * Math.sin(shot.aim);
    const beside = y * Math.cos(shot.aim) - x * Math.sin(shot.aim);
    if (along < 0 || along > 3.5 || Math.abs(beside) > body.radius + egg.radius) continue;
    const angle = shot.aim + (beside < 0 ? -Math.PI / 2 : Math.PI / 2);
    dash(input, angle);
    return;
  }
  if (rival !== undefined && rival.sweets > 0 && rivalAway < 3.2 && bot.sweets < bounds.carried) {
    dash(input, Math.atan2(rival.at.y - bot.at.y, rival.at.x - bot.at.x));
  } else if (bot.sweets > 2 && rivalAway < 6 && away(bot.at, home) > basket.radius + 3) {
    input.dashes = luck < 0.6;
  }
}

function dash(input: Input, angle: number): void {
  input.move.x = Math.cos(angle);
  input.move.y = Math.sin(angle);
  input.dashes = true;
}

/** The match is over: everybody turns around. */
function dance({ bot, match }: Sight, input: Input): void {
  const angle = (match.tick + 11 * bot.slot) / 6;
  input.move.x = Math.cos(angle) * 0.5;
  input.move.y = Math.sin(angle) * 0.5;
  input.aim = angle;
}

function hanging(world: ArenaView): Pinata | undefined {
  for (const pinata of world.all("pinata")) if (pinata.back === 0) return pinata;
  return undefined;
}

/** The nearest rival who is in the game; one with sweets counts as nearer. */
function nearestRival(bot: Player, world: ArenaView): Player | undefined {
  let best: Player | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const other of world.all("player")) {
    if (other.team === bot.team || other.out > 0) continue;
    const distance = away(bot.at, other.at) - 0.4 * other.sweets;
    if (distance >= least) continue;
    least = distance;
    best = other;
  }
  return best;
}

/** Where somebody will be when an egg that is thrown now gets there. */
function ahead(from: Point, { at, speed }: Player): Point {
  let to: Point = at;
  for (let again = 0; again < 2; again++) {
    const takes = Math.min(egg.lasts, away(from, to) / egg.at);
    to = { x: at.x + speed.x * takes, y: at.y + speed.y * takes };
  }
  return to;
}

function away(from: Point, to: Point): number {
  return Math.hypot(to.x - from.x, to.y - from.y);
}
