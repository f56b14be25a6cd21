import type { EntityOf, Kinds } from "../schema/types.ts";
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

export interface SightsOptions<K extends Kinds = Kinds> {
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
class Sight<K extends Kinds> {
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

/** The views of one room: which each seat has, and what it shows. */
export class Sights<K extends Kinds = Kinds> {
  readonly #room: InterestRoom<K>;
  readonly #snapshots: Snapshots;
  readonly #interest: Interest<K>;
  readonly #isEveryone: boolean;
  readonly #watch: "common" | "everything";
  /** By what `Interest.view` says, or by seat. */
  readonly #sights = new Map<string | InterestSeat<K>, Sight<K>>();
  readonly #views = new Map<number, SnapshotView>();
  readonly #watcher: InterestSeat<K> = { number: -1, entity: undefined };
  #watched: Sight<K> | undefined;
  #turn = 0;
  /** Which is looked at. */
  #sight: Sight<K> | undefined;
  /** What the interest threw first, and whether it could not begin: then nobody is shown anything. */
  #failure: { readonly error: unknown } | undefined;
  #isBlind = false;

  /**
   * @param snapshots of the world of `room`.
   * @throws RoomError `unknown_field`, `invalid_option` for an interest that does not fit these kinds.
   */
  constructor(room: InterestRoom<K>, snapshots: Snapshots, options: SightsOptions<K>) {
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
    for (const seat of all) this.#views.set(seat.number, this.#sightOf(seat).view);
    for (const [key, sight] of this.#sights) {
      if (sight.turn === this.#turn) this.#look(sight);
      else {
        sight.view.close();
        this.#sights.delete(key);
      }
    }
    this.#updateWatched(isWatched);
    this.#rethrow();
  }

  /** Closes all views but that of everything. */
  close(): void {
    for (const { view } of this.#sights.values()) view.close();
    this.#sights.clear();
    this.#views.clear();
    this.#watched?.view.close();
    this.#watched = undefined;
  }

  #rethrow(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #sightOf(seat: InterestSeat<K>): Sight<K> {
    const key = this.#try(() => this.#interest.view?.(this.#room, seat)) ?? seat;
    let sight = this.#sights.get(key);
    if (sight === undefined) this.#sights.set(key, (sight = new Sight(this.#snapshots.view(), seat)));
    if (sight.turn !== this.#turn) sight.seat = seat;
    sight.turn = this.#turn;
    return sight;
  }

  #updateWatched(isWatched: boolean): void {
    if (!isWatched || this.#watch === "everything") {
      this.#watched?.view.close();
      this.#watched = undefined;
      return;
    }
    this.#watched ??= new Sight(this.#snapshots.view(), this.#watcher);
    this.#watched.turn = this.#turn;
    this.#look(this.#watched);
  }

  /** Shows what is seen, and hides what is not. */
  #look(sight: Sight<K>): void {
    const { world } = this.#room;
    const { end } = world;
    this.#sight = sight;
    sight.begin(end);
    const interest = this.#interest;
    if (this.#isBlind) sight.count = 0;
    else if (interest.among !== undefined) {
      this.#try(() => interest.among?.(this.#room, sight.seat, this.#visit));
    } else for (let slot = 0; slot < end; slot++) if (world.kinds[slot] !== 0) this.#visit(slot);
    sight.end();
  }

  readonly #visit = (slot: number): void => {
    const sight = this.#sight;
    const entity = this.#room.world.get(slot);
    if (sight === undefined || entity === undefined || sight.turns[slot] === this.#turn) return;
    const wasSeen = sight.view.isShown(slot);
    if (!this.#sees(sight, entity, wasSeen)) return;
    if (!wasSeen) sight.view.show(slot);
    sight.turns[slot] = this.#turn;
    sight.seen[sight.count++] = slot;
  };

  #sees(sight: Sight<K>, entity: EntityOf<K>, wasSeen: boolean): boolean {
    if (sight === this.#watched) {
      for (const { turns } of this.#sights.values()) if (turns[entity.slot] !== this.#turn) return false;
    }
    try {
      return this.#interest.sees(this.#room, sight.seat, entity, wasSeen);
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
