import type { Cell } from "../contracts/layout.ts";
import type { Rows } from "../contracts/rows.ts";
import type { Game } from "../schema/game.ts";
import type { EntityOf, Fields, InputOf, KindName, Kinds, World } from "../schema/types.ts";
import type { PredictedState } from "./prediction.ts";

/**
 * A player's own entity in a copy of the world that the newest frame shows, where the page runs the game's
 * `apply` ahead of the server. What that does to others there is undone with the next frame.
 *
 * @example
 * const state = new PredictedWorld(game);
 * const row = reader.newest && state.take(reader.newest, 0); // `prediction.reconcile` compares with it
 */
export class PredictedWorld<K extends Kinds, I extends Fields, Player extends KindName<K>>
  implements PredictedState
{
  readonly cells: readonly Cell[];
  /** The copy. */
  readonly world: World<K>;
  readonly #game: Game<K, I, Player>;
  readonly #tag: number;
  readonly #input: InputOf<I>;
  #frame: Rows | undefined;
  #slot = -1;

  /** @throws RangeError for a game without the kind of its players. */
  constructor(game: Game<K, I, Player>) {
    const index = game.layout.kinds.findIndex(({ name }) => name === game.player);
    const kind = game.layout.kinds[index];
    if (kind === undefined) throw new RangeError(`the game has no kind ${game.player}`);
    this.#game = game;
    this.#tag = index + 1;
    this.cells = kind.cells;
    this.world = game.world({ maxEntities: 65_535 });
    this.#input = game.input.fromCells(new Int32Array(game.input.cells.length), 0);
  }

  /**
   * Takes the frame to compare with next.
   *
   * @param slot of the player's own entity in it.
   * @returns its row, lent; `undefined` if it is not there. Then there is nothing to compare.
   */
  take(frame: Rows, slot: number): Int32Array | undefined {
    const { stride } = frame.layout;
    if (slot < 0 || slot >= frame.end || frame.kinds[slot] !== this.#tag) return undefined;
    this.#frame = frame;
    this.#slot = slot;
    return frame.cells.subarray(slot * stride, slot * stride + this.cells.length);
  }

  restore(): void {
    if (this.#frame !== undefined) this.world.copyFrom(this.#frame);
  }

  save(into: Int32Array): void {
    if (this.#own() === undefined) return;
    const start = this.#slot * this.world.layout.stride;
    into.set(this.world.cells.subarray(start, start + this.cells.length));
  }

  apply(input: Int32Array): void {
    const player = this.#own();
    if (player === undefined) return;
    this.#game.apply?.(player, this.#game.input.fromCells(input, 0, this.#input), this.world);
  }

  /** The entity in the copy; `undefined` if the game removed it ahead of the server. */
  #own(): EntityOf<K, Player> | undefined {
    if (this.world.kinds[this.#slot] !== this.#tag) return undefined;
    return this.world.get(this.#slot) as EntityOf<K, Player> | undefined;
  }
}
