import { DisplayFrame, interpolate } from "@zocalo/room/client";
import { game } from "../game/game.ts";
import type { ArenaFrame, ArenaWorld } from "../game/kinds.ts";

/** Shows what lies between two ticks of a world that runs in this page. */
export class Between {
  readonly frame: ArenaFrame;
  /** The world a tick ago. */
  readonly before: ArenaWorld;
  readonly #world: ArenaWorld;
  readonly #shown = new DisplayFrame(game.layout);

  constructor(world: ArenaWorld) {
    this.#world = world;
    this.before = game.world({ maxEntities: 512 });
    this.frame = game.frame(this.#shown);
    this.keep();
    this.show(0);
  }

  /** To be called before each tick. */
  keep(): void {
    this.before.copyFrom(this.#world);
  }

  /** @param share of the way from the tick before to this one, 0 to 1. */
  show(share: number): void {
    interpolate(this.before, this.#world, share, this.#shown);
  }
}
