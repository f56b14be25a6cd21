import { think } from "./bots.ts";
import { game } from "./game.ts";
import type { ArenaWorld, Input, Player } from "./kinds.ts";
import type { Past } from "./eggs.ts";
import { join } from "./players.ts";
import { seeded } from "./random.ts";
import { open, step } from "./step.ts";

/** An input in which nothing is done. */
export function noInput(): Input {
  return { move: { x: 0, y: 0 }, aim: 0, throws: false, dashes: false };
}

/** A match without a server: a world, its randomness, and one tick after the other. */
export class LocalMatch {
  readonly world: ArenaWorld;
  readonly random: () => number;
  readonly #cells = new Int32Array(game.input.cells.length);
  readonly #input = noInput();

  constructor(seed: number) {
    this.world = game.world({ maxEntities: 512 });
    this.random = seeded(seed);
    open(this.world, this.random);
  }

  /** Lets bots in until there are so many players, in turn of each temperament and team. */
  fill(players: number, names: readonly string[]): void {
    const { world } = this;
    let count = 0;
    for (const _ of world.all("player")) count++;
    for (let i = count; i < players; i++) {
      join(world, { name: names[i % names.length] ?? "", isBot: true, look: i >> 1 });
    }
  }

  /**
   * One tick.
   *
   * @param inputs of those who are no bots.
   * @param past default: everybody sees everything as it is.
   * @param random default: the match's own.
   */
  tick(inputs: ReadonlyMap<Player, Input>, past?: Past, random = this.random): void {
    const { world } = this;
    for (const player of world.all("player")) {
      const given = inputs.get(player);
      if (given === undefined && player.isBot) think(player, world, this.#input);
      else game.input.fromCells(this.#cells.fill(0), 0, this.#input);
      this.#apply(player, given ?? this.#input);
    }
    step(world, past === undefined ? { random } : { random, past });
  }

  /** As an input comes over the wire: quantised. */
  #apply(player: Player, input: Input): void {
    game.input.toCells(input, this.#cells, 0);
    game.apply?.(player, game.input.fromCells(this.#cells, 0, this.#input), this.world);
  }
}
