import type { ArenaFrame, ArenaWorld, Input, Player, ShownPlayer } from "../game/kinds.ts";
import { LocalMatch, noInput } from "../game/local-match.ts";
import { matchOf } from "../game/movement.ts";
import { BOT_NAMES } from "../game/names.ts";
import { NUMBERS, TICK, ticks } from "../game/numbers.ts";
import { join } from "../game/players.ts";
import { Between } from "./between.ts";
import { happenings, type Listener } from "./happenings.ts";
import type { Moment, Source } from "./source.ts";

/** A page that was away catches up with at most this, in seconds. */
const CATCHES_UP = 0.2;

/** A match in this page alone: one person, or nobody, and bots. */
export class Practice implements Source {
  readonly world: ArenaWorld;
  readonly #match: LocalMatch;
  readonly #between: Between;
  readonly #player: Player | undefined;
  readonly #input: Input = noInput();
  readonly #inputs = new Map<Player, Input>();
  #owed = 0;

  /** @param name who plays; without it bots play among themselves. */
  constructor(seed: number, name?: string) {
    this.#match = new LocalMatch(seed);
    this.world = this.#match.world;
    if (name !== undefined) {
      this.#player = join(this.world, { name: name.slice(0, 16), team: "sun", look: seed % 256 });
      this.#inputs.set(this.#player, this.#input);
    }
    this.#match.fill(NUMBERS.match.seats, BOT_NAMES);
    this.#between = new Between(this.world);
  }

  get frame(): ArenaFrame {
    return this.#between.frame;
  }

  get me(): ShownPlayer | undefined {
    const me = this.#player === undefined ? undefined : this.frame.get(this.#player.slot);
    return me?.kind === "player" ? me : undefined;
  }

  advance({ seconds, isPaused, fill }: Moment, tell: Listener): boolean {
    if (!isPaused) this.#owed = Math.min(CATCHES_UP, this.#owed + seconds);
    while (this.#owed >= TICK) {
      this.#owed -= TICK;
      this.#between.keep();
      if (this.#player !== undefined) fill(this.#input);
      this.#match.tick(this.#inputs);
      happenings(this.#between.before, this.world, tell);
    }
    this.#between.show(this.#owed / TICK);
    return true;
  }

  /** Ends the pause after a match; not in its first second, when a key of the match may still be held. */
  skipPause(): void {
    const match = matchOf(this.world);
    if (match.phase === "over" && match.left <= ticks(NUMBERS.match.pauseAfter - 1)) match.left = 1;
  }
}
