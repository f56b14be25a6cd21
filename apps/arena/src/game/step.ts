import { moveEggs, type Past, PRESENT, swing, throwEggs } from "./eggs.ts";
import type { ArenaWorld, Match } from "./kinds.ts";
import { mapOf, matchOf } from "./movement.ts";
import { NUMBERS, ticks } from "./numbers.ts";
import { begin, passTime, rob } from "./players.ts";
import { handIn, moveSweets } from "./sweets.ts";

const { match: flow, bag, kite, player: body } = NUMBERS;

/** What a step is given beside the world. */
export interface StepOptions {
  /** From 0 to below 1. The same seed gives the same match. */
  readonly random: () => number;
  /** Default: everybody sees everything as it is. */
  readonly past?: Past;
}

/** Makes an empty world one in which a match begins. */
export function open(world: ArenaWorld, random: () => number): void {
  world.add("match", { phase: "countdown", left: ticks(flow.countdown), luck: draw(random) });
  lay(world);
}

/** One tick, after everybody's inputs were applied. The server's alone: a page waits to be told. */
export function step(world: ArenaWorld, { random, past = PRESENT }: StepOptions): void {
  const match = matchOf(world);
  match.tick += 1;
  swing(world, match.tick);
  if (match.phase === "play") {
    passTime(world);
    throwEggs(world, past);
    moveEggs(world, past, random);
    rob(world, random);
    moveSweets(world);
    handIn(world);
    treat(world);
  }
  match.left -= 1;
  if (match.left === 0) next(world, match, random);
}

function next(world: ArenaWorld, match: Match, random: () => number): void {
  if (match.phase === "countdown") {
    match.phase = "play";
    match.left = ticks(flow.lasts);
  } else if (match.phase === "play") {
    match.phase = "over";
    match.left = ticks(flow.pauseAfter);
    for (const egg of world.all("egg")) world.remove(egg);
    for (const player of world.all("player")) player.throws = false;
  } else {
    match.map = match.map === "zocalo" ? "mercado" : "zocalo";
    match.phase = "countdown";
    match.left = ticks(flow.countdown);
    match.sun = 0;
    match.moon = 0;
    match.luck = draw(random);
    lay(world);
    begin(world);
  }
}

function draw(random: () => number): number {
  return Math.floor(random() * 65_536);
}

/** Hangs the piñata, and lays out what is to be picked up. */
function lay(world: ArenaWorld): void {
  for (const kind of ["egg", "sweet", "pinata", "treat"] as const) {
    for (const entity of world.all(kind)) world.remove(entity);
  }
  const map = mapOf(world);
  world.add("pinata", { at: map.pinata });
  for (const at of map.bags) world.add("treat", { at, what: "bag" });
  for (const at of map.kites) world.add("treat", { at, what: "kite" });
}

/** Bags and kites are taken, and come back. */
function treat(world: ArenaWorld): void {
  for (const treat of world.all("treat")) {
    if (treat.back > 0) {
      treat.back -= 1;
      continue;
    }
    const { radius } = treat.what === "bag" ? bag : kite;
    for (const player of world.all("player")) {
      if (player.out > 0) continue;
      if (Math.hypot(player.at.x - treat.at.x, player.at.y - treat.at.y) > radius + body.radius) continue;
      if (treat.what === "bag") player.bag = ticks(bag.lasts);
      else player.kite = ticks(kite.lasts);
      treat.back = ticks(treat.what === "bag" ? bag.isBackIn : kite.isBackIn);
      break;
    }
  }
}
