import { RoomError, shown } from "../contracts/errors.ts";
import type { Layout } from "../contracts/layout.ts";
import type { Rows } from "../contracts/rows.ts";
import type { EntityOf, Frame, KindName, Kinds, World } from "../schema/types.ts";
import { View } from "../schema/view.ts";
import { RING } from "../snapshot/ring.ts";
import type { Snapshots } from "../snapshot/snapshots.ts";
import { TickRows } from "../snapshot/tick-rows.ts";
import { DisplayFrame, interpolate } from "../timing/interpolation.ts";

/** What a `Past` needs of a game. */
export interface PastGame<K extends Kinds> {
  /** What its rows consist of. */
  readonly layout: Layout;
  /** The length of its tick, as ticks in a second. */
  readonly ticksPerSecond: number;
  /** Rows to be read by the names of their fields. */
  frame(rows: Rows<Int32Array | Float64Array>): Frame<K>;
}

/** How far back a `Past` goes. */
export interface PastOptions {
  /**
   * How far back a player's claim of what was on the screen is believed, in milliseconds. Default 250. More:
   * whoever is shot at has been behind cover for longer. At most 62 ticks.
   */
  readonly maxRewindMs?: number;
}

/** What is used where an option is left out. */
export const defaultPastOptions: Required<PastOptions> = { maxRewindMs: 250 };

/** Most different times of one tick that are kept. */
export const MAX_TIMES = 64;

/** A world between two ticks, in memory that is used again. */
interface Moment<K extends Kinds> {
  time: number;
  readonly rows: DisplayFrame;
  readonly frame: Frame<K>;
}

/**
 * The world as players saw it: at the time that was on the screen of whoever shoots, others were elsewhere
 * than they are now.
 *
 * @example
 * const past = new Past(game, world, snapshots);
 * snapshots.commit(1);
 * for (const was of past.at(0.5).all("player")) console.log(was.at.x, past.present(was)?.at.x);
 */
export class Past<K extends Kinds = Kinds> {
  /** The time is never further than this from the newest committed tick, in ticks. */
  readonly maxRewindTicks: number;
  readonly #game: PastGame<K>;
  readonly #world: World<K>;
  readonly #snapshots: Snapshots;
  /** By tick, as far as they were asked for; each stays as it was. */
  readonly #ticks: (TickRows | undefined)[];
  /** What was asked for since the last commit, and which is overwritten next when all are in use. */
  readonly #moments: Moment<K>[] = [];
  #count = 0;
  #next = 0;
  #tick = Number.NaN;

  /**
   * @param snapshots of `world`, which is one of `game`.
   * @throws RoomError `invalid_option`.
   */
  constructor(game: PastGame<K>, world: World<K>, snapshots: Snapshots, options: PastOptions = {}) {
    const { maxRewindMs = defaultPastOptions.maxRewindMs } = options;
    const ticks = (maxRewindMs / 1_000) * game.ticksPerSecond;
    if (!(Number.isFinite(maxRewindMs) && ticks >= 0 && ticks <= RING - 2)) {
      const most = Math.floor(((RING - 2) / game.ticksPerSecond) * 1_000);
      throw new RoomError("invalid_option", `maxRewindMs is ${shown(maxRewindMs)}; allowed: 0 to ${most}`);
    }
    this.maxRewindTicks = ticks;
    this.#game = game;
    this.#world = world;
    this.#snapshots = snapshots;
    this.#ticks = Array.from({ length: Math.ceil(ticks) + 2 });
  }

  /**
   * The world at a time in ticks, with fractions: what moves is on its way between the two ticks, as a
   * display shows it that has both. Who was not there then is not in it. It is at most `maxRewindTicks`
   * before the last committed tick, and never after it; `NaN` is the last committed tick.
   *
   * The frame is lent until the next commit, or until 64 other times were asked for. The same time gives the
   * same frame.
   */
  at(ticks: number): Frame<K> {
    const { tick } = this.#snapshots;
    if (tick !== this.#tick) {
      this.#tick = tick;
      this.#count = this.#next = 0;
    }
    const time = this.#clamped(ticks);
    for (let i = 0; i < this.#count; i++) {
      const moment = this.#moments[i];
      if (moment?.time === time) return moment.frame;
    }
    const moment = this.#free();
    moment.time = time;
    const first = Math.floor(time);
    const from = this.#rows(first);
    if (from === undefined) moment.rows.fit(0);
    else interpolate(from, this.#rows(first + 1) ?? from, time - first, moment.rows);
    return moment.frame;
  }

  /** The entity of the world that one of a frame is, if it is still there. */
  present<Name extends KindName<K>>(entity: {
    readonly kind: Name;
    readonly slot: number;
  }): EntityOf<K, Name> | undefined {
    const row = View.rowOf(entity);
    const { kinds, generations } = this.#world;
    if (row === undefined || generations[row.slot] !== row.generation || kinds[row.slot] !== row.kind) return;
    return this.#world.get(row.slot) as EntityOf<K, Name> | undefined;
  }

  #clamped(ticks: number): number {
    const { tick, oldest } = this.#snapshots;
    if (Number.isNaN(ticks)) return tick;
    return Math.max(oldest, tick - this.maxRewindTicks, Math.min(tick, ticks));
  }

  #rows(tick: number): TickRows | undefined {
    const rows = (this.#ticks[tick % this.#ticks.length] ??= new TickRows(this.#game.layout));
    return rows.tick === tick ? rows : this.#snapshots.rowsAt(tick, rows);
  }

  #free(): Moment<K> {
    const place = this.#next;
    this.#next = (place + 1) % MAX_TIMES;
    this.#count = Math.max(this.#count, place + 1);
    let moment = this.#moments[place];
    if (moment === undefined) {
      const rows = new DisplayFrame(this.#game.layout);
      moment = { time: Number.NaN, rows, frame: this.#game.frame(rows) };
      this.#moments.push(moment);
    }
    return moment;
  }
}
