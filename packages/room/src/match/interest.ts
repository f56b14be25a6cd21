import { RoomError, shown } from "../contracts/errors.ts";
import type { Rows } from "../contracts/rows.ts";
import { place } from "../schema/compile.ts";
import type { Placed } from "../schema/field.ts";
import type { EntityOf, Kinds, World } from "../schema/types.ts";

/** What an interest is asked of a room, a seat and an entity of these types. */
export interface InterestIn<Room, Seat, Entity> {
  /**
   * Seats of which this is equal share what is encoded: `sees` is asked for one of them, and all are shown
   * the same. When it changes, the page begins anew. Left out, each seat has a view of its own.
   */
  view?(room: Room, seat: Seat): string;
  /**
   * Whether the player of this seat is shown this entity. Asked once a tick, for each view.
   *
   * @param wasSeen at the tick before.
   */
  sees(room: Room, seat: Seat, entity: Entity, wasSeen: boolean): boolean;
  /** Called once a tick, before all others. */
  begin?(room: Room, seats: readonly Seat[]): void;
  /**
   * Visits the slots of all that may be seen from this seat. Of others `sees` is not asked: they are hidden.
   */
  among?(room: Room, seat: Seat, visit: (slot: number) => void): void;
}

/** Makes an interest that keeps something of one room. */
export interface InterestMaker<Kinds, Made> {
  /** @throws RoomError `unknown_field`, `invalid_option` where it does not fit these kinds. */
  forRoom(kinds: Kinds): Made;
}

/** What an interest is told of a room. */
export interface InterestRoom<K extends Kinds = Kinds> {
  /** As it is after everything of this tick has happened. It is only read. */
  readonly world: World<K>;
}

/** A player's place in a room. Another player's is another object, be it of the same number. */
export interface InterestSeat<K extends Kinds = Kinds> {
  /** -1 for the one by which it is asked what watchers are shown. */
  readonly number: number;
  /** What the player steers; `undefined` for one who has nothing now, as for who watches. */
  readonly entity: EntityOf<K> | undefined;
}

/** Which entities the player of a seat is shown. What is not seen never reaches that player's page. */
export interface Interest<K extends Kinds = Kinds>
  extends InterestIn<InterestRoom<K>, InterestSeat<K>, EntityOf<K>> {}

/** An interest in a game of these kinds, or what makes one for each room. */
export type AnyInterest<K extends Kinds = Kinds> = Interest<K> | InterestMaker<K, Interest<K>>;

/** An entity, of whatever kind. */
export interface AnyEntity {
  /** Its place among the rows of its world. */
  readonly slot: number;
  /** False once it was removed. */
  readonly isAlive: boolean;
}

/** A room of whatever game. */
export interface AnyRoom {
  /** Its rows: slots, kinds and cells, without the names of a game. */
  readonly world: Rows;
}

/** A seat in it. */
export interface AnySeat {
  /** -1 for the one by which it is asked what watchers are shown. */
  readonly number: number;
  /** What the player steers; `undefined` for one who has nothing now. */
  readonly entity: AnyEntity | undefined;
}

/** An interest for any game. */
export interface GeneralInterest extends InterestIn<AnyRoom, AnySeat, AnyEntity> {}
/** What makes an interest for any game, for each room. */
export type GeneralMaker = InterestMaker<Kinds, GeneralInterest>;
/** An interest for any game, or what makes one for each room. */
export type AnyGeneral = GeneralInterest | GeneralMaker;

/**
 * Each player is shown everything. The default: it costs nothing, and all share what is encoded. **Risk**:
 * whoever changes a page can show all of it.
 */
export const everyone: GeneralInterest = { view: () => "", sees: () => true };

/**
 * An entity that has this field is shown to seats whose own entity has an equal one; all others to everybody.
 * A player whose entity is gone stays in the team; who never had one is in none.
 *
 * @param field of one type and the same options in each kind that has it.
 * @returns an interest that throws RoomError `unknown_field` or `invalid_option`, where it does not fit, when
 *   a room or `RoomViews` is made with it.
 * @example
 * defineRoom({ ...definition, interest: team("side") }); // `side: oneOf("sun", "moon")`
 */
export function team(field: string): GeneralMaker {
  return { forRoom: (kinds) => new Team(fieldsNamed(kinds, field)) };
}

/**
 * An entity whose reference names another than one's own is hidden; one that names none is shown to
 * everybody. References to an entity that is removed become none: remove what must stay hidden along with its
 * owner.
 *
 * @param field a reference.
 * @returns an interest that throws RoomError `unknown_field` or `invalid_option`, where it does not fit, when
 *   a room or `RoomViews` is made with it.
 * @example
 * defineRoom({ ...definition, interest: owner("by") }); // `mine: { at, by: reference() }`
 */
export function owner(field: string): GeneralMaker {
  return {
    forRoom(kinds) {
      const fields = fieldsNamed(kinds, field, "reference");
      return {
        sees({ world }, { entity: own }, { slot }) {
          const placed = fields[(world.kinds[slot] ?? 0) - 1];
          if (placed === undefined) return true;
          const named = world.cells[slot * world.layout.stride + placed.offset] ?? 0;
          return named === 0 || (own?.isAlive === true && (named === own.slot + 1 || slot === own.slot));
        },
      };
    },
  };
}

/**
 * What both show.
 *
 * @example
 * both(area({ at: "at", radius: 120 }), owner("by")); // what is near, but not the mines of others
 */
export function both(a: AnyGeneral, b: AnyGeneral): AnyGeneral;
/** What both show, in a game of these kinds. */
export function both<K extends Kinds>(a: AnyInterest<K>, b: AnyInterest<K>): AnyInterest<K>;
export function both<K extends Kinds>(a: AnyInterest<K>, b: AnyInterest<K>): AnyInterest<K> {
  if (isEveryone(a)) return b;
  return isEveryone(b) ? a : { forRoom: (kinds) => combined(roomed(a, kinds), roomed(b, kinds), true) };
}

/**
 * What one of them shows, or both.
 *
 * @example
 * either(area({ at: "at", radius: 120 }), team("side")); // what is near, and one's own team wherever it is
 */
export function either(a: AnyGeneral, b: AnyGeneral): AnyGeneral;
/** What one of them shows, or both, in a game of these kinds. */
export function either<K extends Kinds>(a: AnyInterest<K>, b: AnyInterest<K>): AnyInterest<K>;
export function either<K extends Kinds>(a: AnyInterest<K>, b: AnyInterest<K>): AnyInterest<K> {
  if (isEveryone(a)) return a;
  return isEveryone(b) ? b : { forRoom: (kinds) => combined(roomed(a, kinds), roomed(b, kinds), false) };
}

/** Whether this is `everyone` itself. */
export function isEveryone(interest: object): boolean {
  return interest === everyone;
}

/** What is asked in a room. */
export function roomed<K extends Kinds>(interest: AnyInterest<K>, kinds: K): Interest<K> {
  return "forRoom" in interest ? interest.forRoom(kinds) : interest;
}

/**
 * By the index of the kind, where it has the field of this name.
 *
 * @throws RoomError `unknown_field` if none has it, `invalid_option` if it is of another type than it should
 *   be.
 */
export function fieldsNamed(kinds: Kinds, name: string, type?: string): (Placed | undefined)[] {
  const fields = Object.values(kinds).map((kind) => place(kind).fields);
  const named = fields.map((all) => all.find((field) => field.name === name));
  if (named.every((field) => field === undefined)) {
    const names = [...new Set(fields.flatMap((all) => all.map((field) => field.name)))].join(", ");
    throw new RoomError("unknown_field", `the field of an interest is ${shown(name)}; allowed: ${names}`);
  }
  for (const one of named) {
    if (type === undefined || one === undefined || one.field.type === type) continue;
    const what = `the type of ${name} is ${one.field.type}`;
    throw new RoomError("invalid_option", `${what}; allowed for this interest: ${type}`);
  }
  return named;
}

/** Teams, told apart by the cells of a field. */
class Team implements GeneralInterest {
  readonly #fields: readonly (Placed | undefined)[];
  /** That of the last entity that each had: its cells, and the same as a text. */
  readonly #teams = new WeakMap<AnySeat, { readonly cells: Int32Array; readonly text: string }>();

  constructor(fields: readonly (Placed | undefined)[]) {
    const made = new Set(fields.flatMap((one) => (one === undefined ? [] : [madeOf(one)])));
    if (made.size > 1) {
      const what = `the field of a team is made in ${made.size} ways`;
      throw new RoomError("invalid_option", `${what}; allowed: the same in each kind that has it`);
    }
    this.#fields = fields;
  }

  begin({ world }: AnyRoom, seats: readonly AnySeat[]): void {
    for (const seat of seats) {
      if (seat.entity?.isAlive !== true) continue;
      const { slot } = seat.entity;
      const placed = this.#fields[(world.kinds[slot] ?? 0) - 1];
      if (placed === undefined) this.#teams.delete(seat);
      else if (!this.sees({ world }, seat, seat.entity)) {
        const start = slot * world.layout.stride + placed.offset;
        const cells = world.cells.slice(start, start + placed.field.cells.length);
        this.#teams.set(seat, { cells, text: cells.join() });
      }
    }
  }

  view(_room: AnyRoom, seat: AnySeat): string {
    return this.#teams.get(seat)?.text ?? "";
  }

  sees({ world }: AnyRoom, seat: AnySeat, { slot }: AnyEntity): boolean {
    const placed = this.#fields[(world.kinds[slot] ?? 0) - 1];
    if (placed === undefined) return true;
    const own = this.#teams.get(seat)?.cells;
    if (own === undefined) return false;
    const start = slot * world.layout.stride + placed.offset;
    for (let c = 0; c < own.length; c++) if (world.cells[start + c] !== own[c]) return false;
    return true;
  }
}

function madeOf({ field: { type, parameters } }: Placed): string {
  return JSON.stringify([type, parameters]);
}

/** Two in one. */
function combined<K extends Kinds>(a: Interest<K>, b: Interest<K>, isBoth: boolean): Interest<K> {
  const all: Interest<K> = {
    begin(room, seats) {
      a.begin?.(room, seats);
      b.begin?.(room, seats);
    },
    sees: isBoth
      ? (room, seat, entity, wasSeen) =>
          a.sees(room, seat, entity, wasSeen) && b.sees(room, seat, entity, wasSeen)
      : (room, seat, entity, wasSeen) =>
          a.sees(room, seat, entity, wasSeen) || b.sees(room, seat, entity, wasSeen),
  };
  if (a.view !== undefined && b.view !== undefined) {
    all.view = (room, seat) => JSON.stringify([a.view?.(room, seat), b.view?.(room, seat)]);
  }
  if (isBoth) {
    const few = a.among === undefined ? b : a;
    if (few.among !== undefined) all.among = (room, seat, visit) => few.among?.(room, seat, visit);
  } else if (a.among !== undefined && b.among !== undefined) {
    all.among = (room, seat, visit) => {
      a.among?.(room, seat, visit);
      b.among?.(room, seat, visit);
    };
  }
  return all;
}
