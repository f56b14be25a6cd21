import { aimsOf, firstMet, flownIn } from "../game/eggs.ts";
import type { ArenaFrame, Egg, ShownPlayer } from "../game/kinds.ts";
import { hasMatch, mapOf, matchOf } from "../game/movement.ts";
import { NUMBERS } from "../game/numbers.ts";
import type { Listener } from "./happenings.ts";

const { egg: shell } = NUMBERS;
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
  thrown(player: Pick<ShownPlayer, "at" | "aim" | "team" | "bag">): void {
    const { at, team } = player;
    this.#sinceThrow = 0;
    for (const aim of aimsOf(player)) {
      this.#flights.push({ at: { x: at.x, y: at.y }, aim, team, left: shell.lasts });
    }
  }

  /** @param tell of each that breaks. */
  advance(seconds: number, frame: ArenaFrame, me: ShownPlayer | undefined, tell: Listener): void {
    this.#sinceThrow += seconds;
    if (!hasMatch(frame)) return;
    const isOver = matchOf(frame).phase === "over";
    for (let i = this.#flights.length - 1; i >= 0; i--) {
      const flight = this.#flights[i];
      if (flight === undefined || (fly(flight, frame, seconds) && !isOver)) continue;
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
  const { at } = flight;
  const goes = Math.min(seconds, flight.left);
  flight.left -= goes;
  const way = flownIn(goes, flight.aim);
  const { share } = firstMet(mapOf(frame), flight, way, {
    pinatas: frame.all("pinata"),
    players: frame.all("player"),
    placeOf: (player) => player.at,
  });
  at.x += way.x * share;
  at.y += way.y * share;
  return share >= 1 && flight.left > 0;
}
