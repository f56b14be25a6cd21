import type { Crew } from "./crew.ts";
import type { Player } from "./player.ts";

/** From one press of a player to the next, in milliseconds: at random, so that no beat is kept. */
const PAUSE_MS = 150;
const PAUSE_MORE_MS = 200;
/** A press that was not seen within so long is missed, in milliseconds. */
const GIVEN_UP_MS = 2_000;

/** The players of a crew press keys, and each watches for another's on its own screen. */
export class Presses {
  /** Presses that nobody saw. */
  missed = 0;
  readonly #crew: Crew;
  readonly #random: () => number;
  readonly #found: number[] = [];
  /** Of the watcher: what it waits to see. */
  readonly #waiting = new Map<Player, { by: Player; mark: number; at: number }>();
  readonly #timers = new Map<Player, NodeJS.Timeout>();

  constructor(crew: Crew, random: () => number) {
    this.#crew = crew;
    this.#random = random;
    const { players } = crew;
    crew.onDrawn = (player, at) => this.#drawn(player, at);
    for (const [i, by] of players.entries()) {
      const watcher = players[(i + 1) % players.length];
      if (watcher !== undefined) this.#pressLater(by, watcher);
    }
  }

  /** Gives how long each took, in milliseconds. */
  stop(): number[] {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#crew.onDrawn = undefined;
    return this.#found;
  }

  #pressLater(by: Player, watcher: Player): void {
    const press = (): void => {
      const at = performance.now();
      const waiting = this.#waiting.get(watcher);
      // The one before first: with two on their way only one would be seen.
      if (waiting === undefined) this.#waiting.set(watcher, { by, mark: by.press(), at });
      else if (at - waiting.at > GIVEN_UP_MS) {
        this.missed += 1;
        this.#waiting.delete(watcher);
      }
      this.#pressLater(by, watcher);
    };
    this.#timers.set(by, setTimeout(press, PAUSE_MS + PAUSE_MORE_MS * this.#random()));
  }

  #drawn(watcher: Player, at: number): void {
    const waiting = this.#waiting.get(watcher);
    if (waiting === undefined || !watcher.shows(waiting.by, waiting.mark)) return;
    this.#found.push(at - waiting.at);
    this.#waiting.delete(watcher);
  }
}
