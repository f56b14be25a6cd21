import { RoomError, shown } from "../contracts/errors.ts";
import type { Rows } from "../contracts/rows.ts";
import type { Field, Placed } from "../schema/field.ts";
import type { Kinds } from "../schema/types.ts";
import {
  fieldsNamed,
  type GeneralInterest,
  type GeneralMaker,
  type AnyRoom,
  type AnySeat,
} from "./interest.ts";

/** What `area` goes by. */
export interface AreaOptions {
  /** The field that says where an entity is: a vector. */
  readonly at: string;
  /** From how near on an entity is seen, in units of the field; above 0. */
  readonly radius: number;
  /**
   * How much further away it may go until it is seen no more, so that one at the edge does not come and go
   * each tick. Default a tenth of `radius`.
   */
  readonly margin?: number;
}

/**
 * An entity that is near the seat's own is shown, and one that has no place is shown to everybody. A player
 * whose entity is gone goes on seeing what is near where it was last.
 *
 * Entities are sorted into squares, so that a seat costs what is near it, and not what there is.
 *
 * @throws RoomError `invalid_option`; and `unknown_field` or `invalid_option`, where the field does not fit,
 *   when a room or `RoomViews` is made with it.
 * @example
 * defineRoom({ ...definition, interest: area({ at: "at", radius: 30 }) });
 */
export function area(options: AreaOptions): GeneralMaker {
  const { at, radius, margin = radius / 10 } = options;
  const refuse = (name: string, value: unknown, allowed: string): never => {
    throw new RoomError("invalid_option", `${name} is ${shown(value)}; allowed: ${allowed}`);
  };
  if (!(Number.isFinite(radius) && radius > 0)) refuse("radius", radius, "finite numbers above 0");
  if (!(Number.isFinite(radius + margin) && margin >= 0))
    refuse("margin", margin, "finite numbers from 0 on");
  return { forRoom: (kinds: Kinds) => new Area(fieldsNamed(kinds, at, "vector"), radius, radius + margin) };
}

/** Where in a row a place is: a field for each coordinate. */
interface PlaceFields {
  readonly offset: number;
  readonly x: Field<number>;
  readonly y: Field<number>;
  readonly z: Field<number> | undefined;
}

/** Who is near whom in one room, by squares of half of how far one can see. */
class Area implements GeneralInterest {
  readonly #radius: number;
  readonly #reach: number;
  readonly #size: number;
  readonly #fields: readonly (PlaceFields | undefined)[];
  /** By slot, at this tick: x, y and z. */
  #places = new Float64Array(0);
  /** By what a square comes to: 1 plus the first slot; and by slot 1 plus the next. 0 for none. */
  #first = new Int32Array(16);
  #next = new Int32Array(0);
  /** Slots of what has no place. */
  #anywhere = new Int32Array(0);
  #anywhereCount = 0;
  /** Where each seat looks from. */
  readonly #centres = new WeakMap<AnySeat, Float64Array>();

  constructor(fields: readonly (Placed | undefined)[], radius: number, reach: number) {
    this.#radius = radius;
    this.#reach = reach;
    this.#size = reach / 2;
    this.#fields = fields.map((placed) => {
      const [x, y, z] = (placed?.field.parts ?? []).map(({ field }) => field as Field<number>);
      return placed && x && y ? { offset: placed.offset, x, y, z } : undefined;
    });
  }

  begin({ world }: AnyRoom, seats: readonly AnySeat[]): void {
    const { kinds, end } = world;
    this.#clear(end);
    const places = this.#places;
    for (let slot = 0; slot < end; slot++) {
      if (kinds[slot] === 0) continue;
      if (!this.#read(world, slot)) {
        this.#anywhere[this.#anywhereCount++] = slot;
        continue;
      }
      const column = Math.floor((places[3 * slot] ?? 0) / this.#size);
      const row = Math.floor((places[3 * slot + 1] ?? 0) / this.#size);
      const at = this.#bucket(column, row);
      this.#next[slot] = this.#first[at] ?? 0;
      this.#first[at] = slot + 1;
    }
    for (const seat of seats) {
      if (seat.entity?.isAlive !== true) continue;
      const { slot } = seat.entity;
      if (this.#fieldsOf(world, slot) === undefined) continue;
      let centre = this.#centres.get(seat);
      if (centre === undefined) this.#centres.set(seat, (centre = new Float64Array(3)));
      for (let c = 0; c < 3; c++) centre[c] = places[3 * slot + c] ?? 0;
    }
  }

  among(_room: AnyRoom, seat: AnySeat, visit: (slot: number) => void): void {
    for (let i = 0; i < this.#anywhereCount; i++) visit(this.#anywhere[i] ?? 0);
    const centre = this.#centres.get(seat);
    if (centre === undefined) return;
    const [x = 0, y = 0] = centre;
    const lastColumn = Math.floor((x + this.#reach) / this.#size);
    const lastRow = Math.floor((y + this.#reach) / this.#size);
    for (let column = Math.floor((x - this.#reach) / this.#size); column <= lastColumn; column++) {
      for (let row = Math.floor((y - this.#reach) / this.#size); row <= lastRow; row++) {
        let slot = (this.#first[this.#bucket(column, row)] ?? 0) - 1;
        for (; slot >= 0; slot = (this.#next[slot] ?? 0) - 1) {
          if (this.#isWithin(slot, centre, this.#reach)) visit(slot);
        }
      }
    }
  }

  sees({ world }: AnyRoom, seat: AnySeat, { slot }: { readonly slot: number }, wasSeen: boolean): boolean {
    if (this.#fieldsOf(world, slot) === undefined) return true;
    const centre = this.#centres.get(seat);
    if (centre === undefined) return false;
    return this.#isWithin(slot, centre, wasSeen ? this.#reach : this.#radius);
  }

  #isWithin(slot: number, centre: Float64Array, far: number): boolean {
    const places = this.#places;
    const x = (places[3 * slot] ?? 0) - (centre[0] ?? 0);
    const y = (places[3 * slot + 1] ?? 0) - (centre[1] ?? 0);
    const z = (places[3 * slot + 2] ?? 0) - (centre[2] ?? 0);
    return x * x + y * y + z * z <= far * far;
  }

  #fieldsOf({ kinds }: Rows, slot: number): PlaceFields | undefined {
    return this.#fields[(kinds[slot] ?? 0) - 1];
  }

  /** Reads where an entity is. False if it has no place. */
  #read(world: Rows, slot: number): boolean {
    const fields = this.#fieldsOf(world, slot);
    if (fields === undefined) return false;
    const { cells, layout } = world;
    const at = slot * layout.stride + fields.offset;
    this.#places[3 * slot] = fields.x.read(cells, at);
    this.#places[3 * slot + 1] = fields.y.read(cells, at + 1);
    this.#places[3 * slot + 2] = fields.z?.read(cells, at + 2) ?? 0;
    return true;
  }

  #bucket(column: number, row: number): number {
    const hash = Math.imul(column, 0x9e3779b1) ^ Math.imul(row, 0x85ebca6b);
    return (hash ^ (hash >>> 15)) & (this.#first.length - 1);
  }

  #clear(end: number): void {
    this.#anywhereCount = 0;
    let { length } = this.#first;
    while (length < end) length *= 2;
    if (length > this.#first.length || this.#next.length < end) {
      this.#first = new Int32Array(length);
      this.#places = new Float64Array(3 * length);
      this.#next = new Int32Array(length);
      this.#anywhere = new Int32Array(length);
    } else this.#first.fill(0);
  }
}
