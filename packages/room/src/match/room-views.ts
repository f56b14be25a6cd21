import type { EntityOf, Kinds } from "../schema/types.ts";
import { planOf } from "../snapshot/plan.ts";
import type { Snapshots, SnapshotView } from "../snapshot/snapshots.ts";
import {
  type AnyInterest,
  everyone,
  type Interest,
  type InterestRoom,
  type InterestSeat,
  isEveryone,
  roomed,
} from "./interest.ts";

/** What the views of a room go by. */
export interface RoomViewsOptions<K extends Kinds = Kinds> {
  /** Of the game. */
  readonly kinds: K;
  /** What each seat is shown. Default `everyone`. */
  readonly interest?: AnyInterest<NoInfer<K>>;
  /**
   * What who watches is shown. Default "common": what who has no entity is shown, as far as each seat is
   * shown it, too, so that a watcher has nothing to tell a player. "everything": a player may open a second
   * page that watches, and so see what is hidden.
   */
  readonly watch?: "common" | "everything";
}

/** What one view shows. */
class VisibleSet<K extends Kinds> {
  readonly view: SnapshotView;
  /** Who is asked about, and at which turn that was. */
  seat: InterestSeat<K>;
  turn = 0;
  /** Slots that are seen, and those that were at the turn before. */
  seen = new Int32Array(16);
  count = 0;
  before = new Int32Array(16);
  beforeCount = 0;
  /** By slot: the last turn at which it was seen. */
  turns = new Int32Array(16);

  constructor(view: SnapshotView, seat: InterestSeat<K>) {
    this.view = view;
    this.seat = seat;
  }

  begin(end: number): void {
    const { before, seen } = this;
    this.before = seen;
    this.beforeCount = this.count;
    this.seen = before;
    this.count = 0;
    if (end > this.seen.length) this.seen = new Int32Array(2 * end);
    // What it says of earlier turns is not asked.
    if (end > this.turns.length) this.turns = new Int32Array(2 * end);
  }

  /** Hides what was seen at the turn before and is not at this one. */
  end(): void {
    for (let i = 0; i < this.beforeCount; i++) {
      const slot = this.before[i] ?? 0;
      if (this.turns[slot] !== this.turn) this.view.hide(slot);
    }
  }
}

/**
 * The views of one room: which each seat has, and what it shows.
 *
 * @example
 * const interest = area({ at: "at", radius: 30 });
 * const views = new RoomViews({ world }, snapshots, { kinds: game.definition.kinds, interest });
 * views.update([{ number: 0, entity: player }]); // each tick, before snapshots.commit
 * console.log(views.seatView(0)?.isShown(player.slot)); // true
 */
export class RoomViews<K extends Kinds = Kinds> {
  readonly #room: InterestRoom<K>;
  readonly #snapshots: Snapshots;
  readonly #interest: Interest<K>;
  readonly #isEveryone: boolean;
  readonly #watch: "common" | "everything";
  /** By what `Interest.view` says, or by seat. */
  readonly #sets = new Map<string | InterestSeat<K>, VisibleSet<K>>();
  readonly #views = new Map<number, SnapshotView>();
  readonly #watcher: InterestSeat<K> = { number: -1, entity: undefined };
  #watched: VisibleSet<K> | undefined;
  #turn = 0;
  /** Which is looked at, and the slots of those that it did not show before. */
  #current: VisibleSet<K> | undefined;
  readonly #newcomers: number[] = [];
  /** What the interest threw first, and whether it could not begin: then nobody is shown anything. */
  #failure: { readonly error: unknown } | undefined;
  #isBlind = false;

  /**
   * @param snapshots of the world of `room`.
   * @throws RoomError `unknown_field`, `invalid_option` for an interest that does not fit these kinds.
   */
  constructor(room: InterestRoom<K>, snapshots: Snapshots, options: RoomViewsOptions<K>) {
    const { kinds, interest = everyone, watch = "common" } = options;
    this.#room = room;
    this.#snapshots = snapshots;
    this.#interest = roomed(interest, kinds);
    this.#isEveryone = isEveryone(interest);
    this.#watch = watch;
  }

  /**
   * The view of a seat, as of the last update; `undefined` if the seat was not there. Where it is another
   * than before, the seat needs a new receiver, and its page a new `SnapshotReader`: ids are those of a view.
   */
  seatView(number: number): SnapshotView | undefined {
    return this.#isEveryone ? this.#snapshots.everything : this.#views.get(number);
  }

  /** The view of those who watch; `undefined` if at the last update there were none. */
  get watchView(): SnapshotView | undefined {
    return this.#isEveryone || this.#watch === "everything"
      ? this.#snapshots.everything
      : this.#watched?.view;
  }

  /**
   * Decides who is shown what. Call it once a tick, after everything has changed and before
   * `snapshots.commit`.
   *
   * @param seats of all players; bots need none. Where some share a view, the first is asked about.
   * @param isWatched whether anybody watches.
   * @throws what the interest throws first. By then all is decided: what it was asked about when it threw is
   *   hidden; everything, if it could not begin.
   */
  update(seats: Iterable<InterestSeat<K>>, isWatched = false): void {
    if (this.#isEveryone) return;
    const all = [...seats];
    this.#turn++;
    this.#failure = undefined;
    const hasBegun = this.#try(() => {
      this.#interest.begin?.(this.#room, all);
      return true;
    });
    this.#isBlind = hasBegun !== true;
    this.#views.clear();
    for (const seat of all) this.#views.set(seat.number, this.#visibleTo(seat).view);
    for (const [key, set] of this.#sets) {
      if (set.turn === this.#turn) this.#look(set);
      else {
        set.view.close();
        this.#sets.delete(key);
      }
    }
    this.#updateWatched(isWatched);
    this.#rethrow();
  }

  /** Closes all views but that of everything. */
  close(): void {
    for (const { view } of this.#sets.values()) view.close();
    this.#sets.clear();
    this.#views.clear();
    this.#watched?.view.close();
    this.#watched = undefined;
  }

  #rethrow(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #visibleTo(seat: InterestSeat<K>): VisibleSet<K> {
    const key = this.#try(() => this.#interest.view?.(this.#room, seat)) ?? seat;
    let set = this.#sets.get(key);
    if (set === undefined) this.#sets.set(key, (set = new VisibleSet(this.#snapshots.view(), seat)));
    if (set.turn !== this.#turn) set.seat = seat;
    set.turn = this.#turn;
    return set;
  }

  #updateWatched(isWatched: boolean): void {
    if (!isWatched || this.#watch === "everything") {
      this.#watched?.view.close();
      this.#watched = undefined;
      return;
    }
    this.#watched ??= new VisibleSet(this.#snapshots.view(), this.#watcher);
    this.#watched.turn = this.#turn;
    this.#look(this.#watched);
  }

  /** Shows what is seen, and hides what is not. */
  #look(set: VisibleSet<K>): void {
    const { world } = this.#room;
    const { end } = world;
    this.#current = set;
    set.begin(end);
    const interest = this.#interest;
    if (this.#isBlind) set.count = 0;
    else if (interest.among !== undefined) {
      this.#try(() => interest.among?.(this.#room, set.seat, this.#visit));
    } else for (let slot = 0; slot < end; slot++) if (world.kinds[slot] !== 0) this.#visit(slot);
    this.#showNewcomers(set);
    set.end();
  }

  /**
   * They get their ids in this order. Which of two slots is lower depends on who else has had one, be they
   * hidden: so the order is that of what is shown of them.
   */
  #showNewcomers({ view }: VisibleSet<K>): void {
    const newcomers = this.#newcomers;
    if (newcomers.length > 1) newcomers.sort((one, other) => this.#compare(view, one, other));
    for (const slot of newcomers) view.show(slot);
    newcomers.length = 0;
  }

  /** By kind, cells and the ids of whom they name. Those that are alike in all of that: by slot. */
  #compare(view: SnapshotView, one: number, other: number): number {
    const { kinds, cells, layout } = this.#room.world;
    const kind = kinds[one] ?? 0;
    if (kind !== kinds[other]) return kind - (kinds[other] ?? 0);
    const plan = planOf(layout)[kind - 1];
    const [from, against] = [one * layout.stride, other * layout.stride];
    for (const c of plan?.others ?? []) {
      const difference = (cells[from + c] ?? 0) - (cells[against + c] ?? 0);
      if (difference !== 0) return difference;
    }
    for (const c of plan?.references ?? []) {
      const difference = view.idOf((cells[from + c] ?? 0) - 1) - view.idOf((cells[against + c] ?? 0) - 1);
      if (difference !== 0) return difference;
    }
    return one - other;
  }

  readonly #visit = (slot: number): void => {
    const set = this.#current;
    const entity = this.#room.world.get(slot);
    if (set === undefined || entity === undefined || set.turns[slot] === this.#turn) return;
    const wasSeen = set.view.isShown(slot);
    if (!this.#sees(set, entity, wasSeen)) return;
    if (!wasSeen) this.#newcomers.push(slot);
    set.turns[slot] = this.#turn;
    set.seen[set.count++] = slot;
  };

  #sees(set: VisibleSet<K>, entity: EntityOf<K>, wasSeen: boolean): boolean {
    if (set === this.#watched) {
      for (const { turns } of this.#sets.values()) if (turns[entity.slot] !== this.#turn) return false;
    }
    try {
      return this.#interest.sees(this.#room, set.seat, entity, wasSeen);
    } catch (error) {
      this.#failure ??= { error };
      return false;
    }
  }

  #try<T>(call: () => T): T | undefined {
    try {
      return call();
    } catch (error) {
      this.#failure ??= { error };
      return undefined;
    }
  }
}
