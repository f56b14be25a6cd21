import { game } from "../game/game.ts";
import type { ArenaWorld, Input, Player } from "../game/kinds.ts";
import { LocalMatch, noInput } from "../game/local-match.ts";
import { matchOf } from "../game/movement.ts";
import { BOT_NAMES } from "../game/names.ts";
import { NUMBERS, TICK, ticks } from "../game/numbers.ts";
import { join } from "../game/players.ts";
import { happenings, type Listener } from "./happenings.ts";

/** A page that was away catches up with at most this, in seconds. */
const CATCHES_UP = 0.2;

/** A match in this page alone: one person, or nobody, and bots. */
export class Practice {
  readonly world: ArenaWorld;
  /** The world a tick ago; what is shown lies between the two. */
  readonly before: ArenaWorld;
  readonly me: Player | undefined;
  /** To be filled by hands. */
  readonly input: Input = noInput();
  readonly #match: LocalMatch;
  readonly #inputs = new Map<Player, Input>();
  #owed = 0;

  /** @param name who plays; without it bots play among themselves. */
  constructor(seed: number, name?: string) {
    this.#match = new LocalMatch(seed);
    this.world = this.#match.world;
    if (name !== undefined) {
      this.me = join(this.world, { name: name.slice(0, 16), team: "sun", look: seed % 256 });
      this.#inputs.set(this.me, this.input);
    }
    this.#match.fill(NUMBERS.match.seats, BOT_NAMES);
    this.before = game.world({ maxEntities: 512 });
    this.before.copyFrom(this.world);
  }

  /** Goes on by so many seconds. @returns how far what is shown is on its way between two ticks, 0 to 1. */
  advance(seconds: number, tell: Listener): number {
    this.#owed = Math.min(CATCHES_UP, this.#owed + seconds);
    while (this.#owed >= TICK) {
      this.#owed -= TICK;
      this.before.copyFrom(this.world);
      this.#match.tick(this.#inputs);
      happenings(this.before, this.world, tell);
    }
    return this.#owed / TICK;
  }

  /** Ends the pause after a match; not in its first second, when a key of the match may still be held. */
  skipPause(): void {
    const match = matchOf(this.world);
    if (match.phase === "over" && match.left <= ticks(NUMBERS.match.pauseAfter - 1)) match.left = 1;
  }
}
