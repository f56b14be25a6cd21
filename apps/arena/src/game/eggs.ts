import type { ArenaWorld, Egg, Pinata, Player } from "./kinds.ts";
import type { GameMap, Point } from "./maps.ts";
import { mapOf } from "./movement.ts";
import { NUMBERS, TICK, ticks } from "./numbers.ts";
import { hit, isVulnerable } from "./players.ts";
import { countSweets, scatter } from "./sweets.ts";
import { freeShare, meetsDisc } from "./walls.ts";

const { egg: shell, player: body, bag, pinata: target, sweets } = NUMBERS;

/**
 * Where the others were for the player who throws: the server's memory of earlier ticks. At first an egg is
 * tried against the places that its thrower saw; the longer it flies, the nearer these are to the present.
 */
export interface Past {
  /** By how many ticks this player sees the others late. */
  late(player: Player): number;
  /** Where a player was so many ticks ago; where there is no memory of it, where they are. */
  placeOf(player: Player, ticksAgo: number): Point;
}

/** Everybody sees everything as it is: in a page without a server. */
export const PRESENT: Past = { late: () => 0, placeOf: ({ at }) => at };

/** Every player whose `throws` is set throws, and it is cleared. */
export function throwEggs(world: ArenaWorld, past: Past): void {
  for (const player of world.all("player")) {
    if (!player.throws) continue;
    player.throws = false;
    // Who throws is not protected any longer.
    player.safe = 0;
    const count = player.bag > 0 ? bag.eggs : 1;
    const late = Math.min(past.late(player), ticks(shell.latest));
    for (let i = 0; i < count; i++) {
      const aim = player.aim + (i - (count - 1) / 2) * bag.spread;
      const { at, team } = player;
      world.add("egg", { at, aim, team, late, by: player, left: ticks(shell.lasts) });
    }
  }
}

/** Eggs fly until they meet the piñata, a rival or a wall, or their time is over. */
export function moveEggs(world: ArenaWorld, past: Past, random: () => number): void {
  const map = mapOf(world);
  for (const egg of world.all("egg")) {
    egg.left -= 1;
    if (!fly(world, map, egg, past, random) || egg.left === 0) world.remove(egg);
  }
}

/** @returns false if it broke. */
function fly(world: ArenaWorld, map: GameMap, egg: Egg, past: Past, random: () => number): boolean {
  const from = { x: egg.at.x, y: egg.at.y };
  const dx = Math.cos(egg.aim) * shell.at * TICK;
  const dy = Math.sin(egg.aim) * shell.at * TICK;
  let share = freeShare(map, from, { x: from.x + dx, y: from.y + dy }, shell.radius);
  let met: Player | Pinata | undefined;
  for (const pinata of world.all("pinata")) {
    if (pinata.back > 0) continue;
    const at = meetsDisc(from, dx, dy, pinata.at, target.radius + shell.radius);
    if (at >= share) continue;
    share = at;
    met = pinata;
  }
  const late = Math.floor((egg.late * egg.left) / ticks(shell.lasts));
  for (const player of world.all("player")) {
    if (player.team === egg.team || !isVulnerable(player)) continue;
    const place = late === 0 ? player.at : past.placeOf(player, late);
    const at = meetsDisc(from, dx, dy, place, body.radius + shell.radius);
    if (at >= share) continue;
    share = at;
    met = player;
  }
  if (share >= 1) {
    egg.at.x += dx;
    egg.at.y += dy;
    return true;
  }
  if (met?.kind === "player") {
    const by = egg.by?.kind === "player" ? egg.by : undefined;
    hit(world, met, by, random);
  } else if (met !== undefined) strike(world, met, random);
  return false;
}

/** One more hit of the piñata. With the last one it bursts. */
function strike(world: ArenaWorld, pinata: Pinata, random: () => number): void {
  pinata.hits += 1;
  if (pinata.hits < target.hits) return;
  const room = sweets.most - countSweets(world);
  scatter(world, pinata.at, Math.max(0, Math.min(target.holds, room)), 6, random);
  pinata.hits = 0;
  pinata.back = ticks(target.isBackIn);
}

/** It swings; while it is gone it waits. */
export function swing(world: ArenaWorld, tick: number): void {
  const { pinata: hangs } = mapOf(world);
  const turn = (tick / (target.swingsIn * NUMBERS.ticksPerSecond)) * 2 * Math.PI;
  for (const pinata of world.all("pinata")) {
    pinata.back -= 1;
    pinata.at.x = hangs.x + Math.sin(turn) * target.swings;
    pinata.at.y = hangs.y;
  }
}
