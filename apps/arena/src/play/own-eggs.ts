import type { ArenaFrame, Egg, ShownPlayer } from "../game/kinds.ts";
import { hasMatch, mapOf } from "../game/movement.ts";
import { NUMBERS } from "../game/numbers.ts";
import { freeShare, meetsDisc } from "../game/walls.ts";
import type { Listener } from "./happenings.ts";

const { egg: shell, player: body, pinata: target, bag } = NUMBERS;
/** An egg of a server is known for one that was foretold for so long after the last throw, in seconds. */
const KNOWN_FOR = shell.lasts + 1;

/** What can be seen of an egg in the air. */
export type ShownEgg = Pick<Egg, "at" | "aim" | "team">;

interface Flight extends ShownEgg {
  /** In seconds. */
  left: number;
}

/**
 * The eggs of whoever plays here, from the moment they leave the hand: those of the server come a round trip
 * later, out of a place that one has left. They break where they meet what is on the screen; whether
 * somebody was hit the server says.
 */
export class OwnEggs {
  readonly #flights: Flight[] = [];
  #sinceThrow = Number.POSITIVE_INFINITY;

  /** The player throws, in this picture. */
  thrown({ at, aim, team, bag: left }: Pick<ShownPlayer, "at" | "aim" | "team" | "bag">): void {
    this.#sinceThrow = 0;
    const count = left > 0 ? bag.eggs : 1;
    for (let i = 0; i < count; i++) {
      const spread = (i - (count - 1) / 2) * bag.spread;
      this.#flights.push({ at: { x: at.x, y: at.y }, aim: aim + spread, team, left: shell.lasts });
    }
  }

  /** @param tell of each that breaks. */
  advance(seconds: number, frame: ArenaFrame, me: ShownPlayer | undefined, tell: Listener): void {
    this.#sinceThrow += seconds;
    if (!hasMatch(frame)) return;
    for (let i = this.#flights.length - 1; i >= 0; i--) {
      const flight = this.#flights[i];
      if (flight === undefined || fly(flight, frame, seconds)) continue;
      this.#flights.splice(i, 1);
      tell("splat", flight.at.x, flight.at.y, me);
    }
  }

  /** All eggs in the air: of one's own those that were foretold, not those of the server as well. */
  *shown(frame: ArenaFrame, me: ShownPlayer | undefined): Iterable<ShownEgg> {
    const own = this.#sinceThrow < KNOWN_FOR ? me?.slot : undefined;
    for (const egg of frame.all("egg")) if (own === undefined || egg.by?.slot !== own) yield egg;
    yield* this.#flights;
  }
}

/** @returns false if it broke. */
function fly(flight: Flight, frame: ArenaFrame, seconds: number): boolean {
  const { at, aim, team } = flight;
  const goes = Math.min(seconds, flight.left);
  flight.left -= goes;
  const dx = Math.cos(aim) * shell.at * goes;
  const dy = Math.sin(aim) * shell.at * goes;
  let share = freeShare(mapOf(frame), at, { x: at.x + dx, y: at.y + dy }, shell.radius);
  for (const pinata of frame.all("pinata")) {
    if (pinata.back > 0) continue;
    share = Math.min(share, meetsDisc(at, dx, dy, pinata.at, target.radius + shell.radius));
  }
  for (const player of frame.all("player")) {
    if (player.team === team || !isThere(player)) continue;
    share = Math.min(share, meetsDisc(at, dx, dy, player.at, body.radius + shell.radius));
  }
  at.x += dx * Math.min(1, share);
  at.y += dy * Math.min(1, share);
  return share >= 1 && flight.left > 0;
}

function isThere({ out, safe, dash }: ShownPlayer): boolean {
  return out <= 0 && safe <= 0 && dash <= 0;
}
