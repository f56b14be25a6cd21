import type { ArenaWorld, Player, ShownPlayer } from "../game/kinds.ts";
import { game } from "../game/game.ts";
import { hasMatch, matchOf } from "../game/movement.ts";
import { NUMBERS } from "../game/numbers.ts";
import { countsDouble } from "../game/sweets.ts";

/** What can be seen and heard of a tick. */
export type Happening =
  | "throw"
  | "splat"
  | "strike"
  | "burst"
  | "hit"
  | "land"
  | "out"
  | "back"
  | "dash"
  | "steal"
  | "pick"
  | "bring"
  | "treat"
  | "count"
  | "go"
  | "double"
  | "over";

/** Told of what happened, where, and by or to which player if there is one. */
export type Listener = (what: Happening, x: number, y: number, player: ShownPlayer | undefined) => void;

/**
 * Finds out what happened between two ticks from their rows alone, so that it works the same whoever made
 * them: this page, or a server.
 */
export function happenings(before: ArenaWorld, now: ArenaWorld, tell: Listener): void {
  const was = matchOf(before);
  const is = matchOf(now);
  if (is.phase !== was.phase) {
    if (is.phase === "play") tell("go", 20, 12, undefined);
    if (is.phase === "over") tell("over", 20, 12, undefined);
    if (is.phase === "countdown") return;
  }
  if (is.phase === "countdown" && secondsOf(is.left) < secondsOf(was.left)) tell("count", 20, 12, undefined);
  if (countsDouble(is) && !countsDouble(was)) tell("double", 20, 12, undefined);
  for (const player of now.all("player")) {
    const old = before.get(player.slot);
    if (old?.kind === "player") ofPlayer(old, player, tell);
  }
  for (const egg of before.all("egg")) {
    const { slot } = egg;
    const isGone = now.get(slot)?.kind !== "egg" || before.generations[slot] !== now.generations[slot];
    if (isGone) tell("splat", egg.at.x, egg.at.y, egg.by?.kind === "player" ? egg.by : undefined);
  }
  for (const pinata of now.all("pinata")) {
    const old = before.get(pinata.slot);
    if (old?.kind !== "pinata") continue;
    if (pinata.back > old.back) tell("burst", pinata.at.x, pinata.at.y, undefined);
    else if (pinata.hits > old.hits) tell("strike", pinata.at.x, pinata.at.y, undefined);
  }
}

/** The whole seconds that are left at the end of this tick. */
function secondsOf(left: number): number {
  return Math.floor((left - 1) / NUMBERS.ticksPerSecond);
}

function ofPlayer(old: Player, player: Player, tell: Listener): void {
  const { x, y } = player.at;
  if (player.throwWait > old.throwWait) tell("throw", x, y, player);
  if (player.dash > old.dash) tell("dash", x, y, player);
  if (player.hasStolen && !old.hasStolen) tell("steal", x, y, player);
  if (player.out > old.out) tell("out", x, y, player);
  else if (player.hits > old.hits) tell("hit", x, y, player);
  if (player.hitsMade > old.hitsMade) tell("land", x, y, player);
  if (player.out === 0 && old.out > 0) tell("back", x, y, player);
  if (player.points > old.points) tell("bring", x, y, player);
  else if (player.sweets > old.sweets) tell("pick", x, y, player);
  if (player.bag > old.bag || player.kite > old.kite) tell("treat", x, y, player);
}

/** Tells what happened in a match of which snapshots come: between each and the one before it that came. */
export class SnapshotHappenings {
  #before = game.world({ maxEntities: 512 });
  #now = game.world({ maxEntities: 512 });
  #hasBefore = false;

  /** Of what happened since the last snapshot nothing is told. */
  forget(): void {
    this.#hasBefore = false;
  }

  /** The displayed time has passed the tick of this snapshot. */
  passed(rows: Parameters<ArenaWorld["copyFrom"]>[0], tell: Listener): void {
    this.#now.copyFrom(rows);
    // The first snapshots may not have all of the world.
    if (!hasMatch(this.#now)) return;
    if (this.#hasBefore) happenings(this.#before, this.#now, tell);
    [this.#before, this.#now] = [this.#now, this.#before];
    this.#hasBefore = true;
  }
}
