import type { ArenaWorld, Egg, Pinata, Player, ShownPinata, ShownPlayer } from "./kinds.ts";
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
    const late = Math.min(past.late(player), ticks(shell.latest));
    const { at, team } = player;
    for (const aim of aimsOf(player)) {
      world.add("egg", { at, aim, team, late, by: player, left: ticks(shell.lasts) });
    }
  }
}

/** Which ways the eggs of one throw fly: one, or as many as a bag has. */
export function aimsOf({ aim, bag: left }: Pick<ShownPlayer, "aim" | "bag">): number[] {
  const count = left > 0 ? bag.eggs : 1;
  return Array.from({ length: count }, (_, i) => aim + (i - (count - 1) / 2) * bag.spread);
}

/** What an egg that flies this way covers in so many seconds, in units. */
export function flownIn(seconds: number, aim: number): Point {
  return { x: Math.cos(aim) * shell.at * seconds, y: Math.sin(aim) * shell.at * seconds };
}

/** What an egg may meet beside walls, in a world or in what is shown of one. */
export interface Targets<P extends ShownPlayer, N extends ShownPinata> {
  readonly pinatas: Iterable<N>;
  readonly players: Iterable<P>;
  readonly placeOf: (player: P) => Point;
}

/**
 * How far along its way an egg gets, from 0 to 1, and the piñata or rival that it meets there. The server
 * and a page that shows its own eggs early go by the same.
 */
export function firstMet<P extends ShownPlayer, N extends ShownPinata>(
  map: GameMap,
  { at: from, team }: Pick<Egg, "at" | "team">,
  way: Point,
  { pinatas, players, placeOf }: Targets<P, N>,
): { readonly share: number; readonly met: P | N | undefined } {
  let share = freeShare(map, from, { x: from.x + way.x, y: from.y + way.y }, shell.radius);
  let met: P | N | undefined;
  for (const pinata of pinatas) {
    if (pinata.back > 0) continue;
    const at = meetsDisc(from, way.x, way.y, pinata.at, target.radius + shell.radius);
    if (at >= share) continue;
    share = at;
    met = pinata;
  }
  for (const player of players) {
    if (player.team === team || !isVulnerable(player)) continue;
    const at = meetsDisc(from, way.x, way.y, placeOf(player), body.radius + shell.radius);
    if (at >= share) continue;
    share = at;
    met = player;
  }
  return { share, met };
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
  const way = flownIn(TICK, egg.aim);
  const late = Math.floor((egg.late * egg.left) / ticks(shell.lasts));
  const { share, met } = firstMet<Player, Pinata>(map, egg, way, {
    pinatas: world.all("pinata"),
    players: world.all("player"),
    placeOf: (player) => (late === 0 ? player.at : past.placeOf(player, late)),
  });
  if (share >= 1) {
    egg.at.x += way.x;
    egg.at.y += way.y;
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
