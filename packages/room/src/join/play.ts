import { RoomError, shown } from "../contracts/errors.ts";
import type { Rows } from "../contracts/rows.ts";
import type { Game } from "../schema/game.ts";
import type { Fields, Frame, FrameEntityOf, InputOf, KindName, Kinds } from "../schema/types.ts";
import type { DisplayState } from "../timing/display.ts";
import type { Figures } from "./figures.ts";
import type { JoinOptions, RoomSession } from "./options.ts";
import { Membership } from "./membership.ts";
import { Replica } from "./replica.ts";

/**
 * A client's game in a room: what is shown of it, and what its player does. `join` makes it. When the
 * connection is lost or the match moves to another process, it takes its place again by itself.
 */
export class Play<K extends Kinds, I extends Fields, Player extends KindName<K>> extends Membership {
  readonly #game: Game<K, I, Player>;
  /** Of this incarnation of the room, and what is shown: the one before until this one has something. */
  #replica: Replica<K, I, Player>;
  #shown: Replica<K, I, Player>;
  #hasMalformed = false;

  /** Made by `join`. @internal */
  constructor(session: RoomSession, game: Game<K, I, Player>, options: JoinOptions) {
    super(session, game.layout.hash, options);
    this.#game = game;
    this.#replica = new Replica(game, options);
    this.#shown = this.#replica;
  }

  /**
   * What is shown, by the names of its fields; one's own entity as it is predicted. Another object when the
   * match has moved or begun anew.
   */
  get frame(): Frame<K> {
    return this.#shown.frame;
  }

  /** One's own entity in `frame`, unless it is not there or one watches. */
  get me(): FrameEntityOf<K, Player> | undefined {
    return this.#shown.frame.get(this.#shown.own) as FrameEntityOf<K, Player> | undefined;
  }

  /** The displayed time in ticks, with fractions; minus infinity before something was shown. */
  get time(): number {
    return this.#shown.time;
  }

  /**
   * The ticks whose snapshot came and whose time the last `advance` has passed, ascending and at most 64. For
   * sounds: compare what is in their frames. None of what happened while the page was away. Lent until the
   * next `advance`.
   */
  get passed(): readonly number[] {
    return this.#shown.passed;
  }

  /** The snapshot of a tick, if it came and is at most 63 ticks older than the newest. */
  frameAt(tick: number): Rows | undefined {
    return this.#shown.frameAt(tick);
  }

  /**
   * Makes and sends the inputs that are due, predicts one's own entity, and fills `frame`. Call it before
   * each picture is drawn. `returned` says that more than a second was left out, as the page was away or
   * nothing came: play no sounds of that.
   *
   * @param nowMs `performance.now()`.
   * @param fill Writes the input of one tick: it is neutral before. Called once for each tick that has become
   *   due, mostly none or one, 5 after a pause. Default: neutral inputs, as for who watches.
   * @throws RoomError `invalid_value` for a time or an input that is none.
   */
  advance(nowMs: number, fill?: (input: InputOf<I>) => void): DisplayState {
    if (!Number.isFinite(nowMs)) {
      throw new RoomError("invalid_value", `the time is ${shown(nowMs)}`);
    }
    const replica = this.#replica;
    const lane = this.state === "playing" ? this.lane : undefined;
    const display = replica.advance(nowMs, this.room.seat < 0 ? undefined : fill, lane);
    if (replica === this.#shown) return display;
    if (display === "waiting") {
      this.#shown.passed.length = 0;
      return "holding";
    }
    this.#shown = replica;
    return "returned";
  }

  /** How it goes over the network. */
  figures(): Figures {
    return {
      ...this.#replica.figures(this.clock.now()),
      carrier: this.lane?.carrier ?? "session",
    };
  }

  /** @internal */
  protected get tick(): number {
    return this.#replica.tick;
  }

  /** @internal */
  protected beginAnew(): void {
    if (this.tick >= 0) this.#replica = new Replica(this.#game, this.options);
  }

  /** @internal */
  protected received(bytes: Uint8Array): void {
    if (this.#replica.receive(bytes, this.clock.now()) || this.#hasMalformed) return;
    this.#hasMalformed = true;
    throw new RoomError("bad_answer", "a snapshot cannot be read");
  }
}
