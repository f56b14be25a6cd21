import type { ArenaWorld, Match, Sweet } from "./kinds.ts";
import type { Point } from "./maps.ts";
import { mapOf, matchOf } from "./movement.ts";
import { NUMBERS, ticks } from "./numbers.ts";
import { isInside, pushedOut } from "./walls.ts";

const { sweets, player: body, basket, match: flow } = NUMBERS;

/** The share of the way to its place that a sweet flies in a tick. */
const FLIES = 0.28;
/** So near to its place it lies there. */
const LIES = 0.05;
const PICKED_WITHIN = body.radius + sweets.radius;

/**
 * Throws sweets around a place, up to `distance` away, where a player can stand. Sweets that would be more
 * than the world may hold are not thrown.
 *
 * @returns how many were thrown.
 */
export function scatter(
  world: ArenaWorld,
  from: Point,
  count: number,
  distance: number,
  random: () => number,
): number {
  const map = mapOf(world);
  const turn = random() * 2 * Math.PI;
  for (let i = 0; i < count; i++) {
    const angle = turn + ((i + 0.6 * random()) / count) * 2 * Math.PI;
    const far = distance * (0.35 + 0.65 * random());
    const wanted = { x: from.x + Math.cos(angle) * far, y: from.y + Math.sin(angle) * far };
    const free = pushedOut(map, wanted, body.radius);
    world.add("sweet", { at: from, to: isInside(map, free, body.radius, LIES) ? from : free });
  }
  return count;
}

export function lies({ at, to }: Sweet): boolean {
  return at.x === to.x && at.y === to.y;
}

/** How many sweets there are, carried ones included. */
export function countSweets(world: ArenaWorld): number {
  let count = 0;
  for (const _ of world.all("sweet")) count++;
  for (const player of world.all("player")) count += player.sweets;
  return count;
}

/** Sweets fly to their places, and who walks over one takes it. */
export function moveSweets(world: ArenaWorld): void {
  for (const sweet of world.all("sweet")) {
    if (lies(sweet)) {
      pick(world, sweet);
      continue;
    }
    const dx = sweet.to.x - sweet.at.x;
    const dy = sweet.to.y - sweet.at.y;
    if (Math.abs(dx) < LIES && Math.abs(dy) < LIES) sweet.at = sweet.to;
    else {
      sweet.at.x += dx * FLIES;
      sweet.at.y += dy * FLIES;
    }
  }
}

/** True in the last seconds, when a sweet counts two. */
export function countsDouble({ phase, left }: Pick<Match, "phase" | "left">): boolean {
  return phase === "play" && left <= ticks(flow.doubleIn);
}

/** Who stands at their team's basket hands in one sweet after the other. */
export function handIn(world: ArenaWorld): void {
  const match = matchOf(world);
  if (match.tick % ticks(sweets.handedIn) !== 0) return;
  const { baskets } = mapOf(world);
  const worth = countsDouble(match) ? 2 : 1;
  for (const player of world.all("player")) {
    if (player.sweets === 0 || player.out > 0) continue;
    const at = baskets[player.team === "sun" ? 0 : 1];
    if (Math.hypot(player.at.x - at.x, player.at.y - at.y) > basket.radius + body.radius) continue;
    player.sweets -= 1;
    player.points += worth;
    match[player.team] += worth;
  }
}

/** The nearest one takes it, of two at the same place the one of the lower slot. */
function pick(world: ArenaWorld, sweet: Sweet): void {
  let taker: { sweets: number } | undefined;
  let nearest = PICKED_WITHIN;
  for (const player of world.all("player")) {
    if (player.out > 0 || player.sweets >= sweets.carried) continue;
    const distance = Math.hypot(player.at.x - sweet.at.x, player.at.y - sweet.at.y);
    if (distance >= nearest) continue;
    nearest = distance;
    taker = player;
  }
  if (taker === undefined) return;
  taker.sweets += 1;
  world.remove(sweet);
}
