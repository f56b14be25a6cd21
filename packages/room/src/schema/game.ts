import type { InputShape } from "../contracts/input-shape.ts";
import type { Layout } from "../contracts/layout.ts";
import type { Rows } from "../contracts/rows.ts";
import { compile, described, type Schema } from "./compile.ts";
import { InputCodec } from "./input.ts";
import { FrameTable } from "./table.ts";
import type {
  EntityOf,
  Fields,
  Frame,
  GivenInputOf,
  InputOf,
  KindName,
  Kinds,
  World,
  WorldOptions,
} from "./types.ts";
import { WorldTable } from "./world.ts";

/** How fields become cells; another number is another hash. */
const FORM = 1;

/** Applies the input of one player in one tick. */
export type Apply<K extends Kinds, I extends Fields, Player extends KindName<K>> = (
  player: EntityOf<K, Player>,
  input: InputOf<I>,
  world: World<K>,
) => void;

/** What a game consists of: what the server and the page share. */
export interface GameDefinition<K extends Kinds, I extends Fields, Player extends KindName<K>> {
  /**
   * Of the game, 0 to 2^31 - 1. Another number is another game: a page of another version is told to reload.
   * Change it when `apply` changes; kinds, fields, their order and options are noticed without it.
   */
  readonly version: number;
  /** 1 to 240. 20 to 30 are usual; twice as many cost twice as much. */
  readonly ticksPerSecond: number;
  /** 1 to 255 kinds of entities: by name their fields, which take 1 to 64 cells. */
  readonly kinds: K;
  /** What a player sends each tick: 1 to 64 cells, no references. */
  readonly input: I;
  /** The kind whose entities are players'. Default "player". */
  readonly player?: Player;
  /**
   * How much sooner entities of a kind are told than others where not all fits in a datagram, above 0.
   * Default 1 each.
   */
  readonly weights?: { readonly [Name in keyof NoInfer<K>]?: number };
  /**
   * One player's input of one tick. The server runs it, and the page runs it ahead of the server, so it must
   * be pure: what it does follows from its arguments alone, without clock, without randomness.
   */
  readonly apply?: Apply<K, I, Player>;
}

/** A game, compiled. `defineGame` makes one. */
export class Game<
  K extends Kinds = Kinds,
  I extends Fields = Fields,
  Player extends KindName<K> = KindName<K>,
> {
  /** What it was defined by. */
  readonly definition: GameDefinition<K, I, Player>;
  /** That of its definition. */
  readonly version: number;
  /** The length of its tick, as ticks in a second. */
  readonly ticksPerSecond: number;
  /** The kind whose entities are players'. */
  readonly player: Player;
  /** What rows of it consist of. Its `hash` is that of everything on which both sides have to agree. */
  readonly layout: Layout;
  /** How an input becomes cells and back. */
  readonly input: InputShape<InputOf<I>, GivenInputOf<I>>;
  /** That of its definition. */
  readonly apply: Apply<K, I, Player> | undefined;
  readonly #schema: Schema;

  /** Made by `defineGame`, which checks it. @internal */
  constructor(definition: GameDefinition<K, I, Player>) {
    const { version, ticksPerSecond, kinds, player = "player" as Player, weights = {}, apply } = definition;
    const input = new InputCodec(definition.input);
    const agreed = [FORM, version, ticksPerSecond, player, described(input.placed.fields)];
    this.#schema = compile(kinds, agreed, weights);
    this.definition = definition;
    this.version = version;
    this.ticksPerSecond = ticksPerSecond;
    this.player = player;
    this.layout = this.#schema.layout;
    this.input = input;
    this.apply = apply;
  }

  /** An empty world. @throws RoomError `invalid_option` for a limit that is none. */
  world(options?: WorldOptions): World<K> {
    return new WorldTable(this.#schema, options) as unknown as World<K>;
  }

  /**
   * Rows to be read by the names of their fields: those that are shown between two ticks, or a world of the
   * past. They are read where they are; make a frame once and change the rows.
   *
   * @throws RoomError `other_schema`.
   */
  frame(rows: Rows<Int32Array | Float64Array>): Frame<K> {
    return new FrameTable(this.#schema, rows) as unknown as Frame<K>;
  }
}

/**
 * Defines a game. Its types follow from the fields: an unknown field, or a value of another type, does not
 * compile.
 *
 * ```ts
 * import { angle, bool, defineGame, int, oneOf, reference, text, vector } from "@zocalo/room";
 *
 * const place = vector(2, { min: 0, max: 100, precision: 0.01, moves: true });
 * const game = defineGame({
 *   version: 1,
 *   ticksPerSecond: 30,
 *   kinds: {
 *     player: { at: place, aim: angle(10), health: int(0, 100), team: oneOf("sun", "moon"), name: text(16) },
 *     shot: { at: place, by: reference() },
 *   },
 *   input: { move: vector(2, { min: -1, max: 1, precision: 0.01 }), aim: angle(10), fire: bool() },
 *   apply(player, input, world) {
 *     player.at.x += input.move.x;
 *     player.at.y += input.move.y;
 *     if (input.fire) world.add("shot", { at: player.at, by: player });
 *   },
 * });
 *
 * const world = game.world();
 * const ana = world.add("player", { at: [3, 4], team: "moon", name: "Ana" });
 * ana.at.x = 5.26901;
 * console.log(ana.at.x); // 5.27
 * ```
 *
 * @throws RoomError `invalid_schema`.
 */
export function defineGame<
  const K extends Kinds,
  const I extends Fields,
  Player extends KindName<K> = "player" extends KindName<K> ? "player" : KindName<K>,
>(definition: GameDefinition<K, I, Player>): Game<K, I, Player> {
  return new Game(definition);
}
