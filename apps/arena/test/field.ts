import { LocalMatch, noInput } from "../src/game/local-match.ts";
import type { Input, Player } from "../src/game/kinds.ts";
import { matchOf } from "../src/game/movement.ts";
import { join } from "../src/game/players.ts";
import type { Past } from "../src/game/eggs.ts";
import type { Point } from "../src/game/maps.ts";
import { NUMBERS } from "../src/game/numbers.ts";

/** An open place without walls in 3 units around, on the first map. */
export const OPEN: Point = { x: 20, y: 7 };

/** A match that has begun, with nobody in it but who is put there. */
export class Field extends LocalMatch {
  readonly inputs = new Map<Player, Input>();

  constructor(seed = 1) {
    super(seed);
    while (this.match.phase === "countdown") this.tick(this.inputs);
  }

  get match() {
    return matchOf(this.world);
  }

  /** Puts a player somewhere, and gives the input that is theirs. */
  put(team: "sun" | "moon", at: Point): [Player, Input] {
    const player = join(this.world, { name: team, team });
    player.at = at;
    const input = noInput();
    this.inputs.set(player, input);
    return [player, input];
  }

  run(ticks: number, past?: Past): void {
    for (let i = 0; i < ticks; i++) this.tick(this.inputs, past);
  }

  /** Runs until something is so; a minute of the game at most. */
  until(isSo: () => boolean): number {
    for (let ticks = 0; ticks < 60 * NUMBERS.ticksPerSecond; ticks++) {
      if (isSo()) return ticks;
      this.run(1);
    }
    throw new Error("it did not come about within a minute of the game");
  }

  count(kind: "egg" | "sweet" | "treat"): number {
    let count = 0;
    for (const _ of this.world.all(kind)) count++;
    return count;
  }
}
