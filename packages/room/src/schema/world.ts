import { RoomError, shown } from "../contracts/errors.ts";
import type { Rows } from "../contracts/rows.ts";
import type { CompiledKind, Schema } from "./compile.ts";
import { Entity } from "./entity.ts";
import { badValue, checkInteger } from "./field.ts";
import { checkSameGame, Table } from "./table.ts";

const DEFAULT_MAX_ENTITIES = 1_024;
const MOST_ENTITIES = 65_535;
const FIRST_CAPACITY = 32;

/** What `World` of `types.ts` says, without its types. */
export class WorldTable extends Table implements Rows {
  readonly maxEntities: number;
  #end = 0;
  #size = 0;
  /** No slot below is free. */
  #free = 0;
  #kinds: Uint8Array;
  #generations: Uint32Array;
  #cells: Int32Array;
  /** By slot: how many cells name it. Where none does, removing it needs no look at the others. */
  #referrers: Uint32Array;

  constructor(
    schema: Schema,
    { maxEntities = DEFAULT_MAX_ENTITIES }: { readonly maxEntities?: number } = {},
  ) {
    super(schema);
    checkInteger("maxEntities", maxEntities, 1, MOST_ENTITIES, "invalid_option");
    this.maxEntities = maxEntities;
    const capacity = Math.min(FIRST_CAPACITY, maxEntities);
    this.#kinds = new Uint8Array(capacity);
    this.#generations = new Uint32Array(capacity);
    this.#cells = new Int32Array(capacity * schema.layout.stride);
    this.#referrers = new Uint32Array(capacity);
  }

  get end(): number {
    return this.#end;
  }

  get size(): number {
    return this.#size;
  }

  get kinds(): Uint8Array {
    return this.#kinds;
  }

  get generations(): Uint32Array {
    return this.#generations;
  }

  get cells(): Int32Array {
    return this.#cells;
  }

  get writable(): Int32Array {
    return this.#cells;
  }

  add(name: string, values?: Readonly<Record<string, unknown>>): Entity {
    const kind = this.kindNamed(name);
    for (const key in values) {
      if (kind.fields.some((field) => field.name === key)) continue;
      const fields = kind.fields.map((field) => field.name).join(", ");
      throw new RoomError("unknown_field", `${kind.name} has no field ${shown(key)}; allowed: ${fields}`);
    }
    const slot = this.#take(kind);
    // To read the values may be to call the application, so the entity is there before.
    const entity = this.get(slot) as Entity;
    try {
      for (const { name: key, field, offset, path } of kind.fields) {
        const value = values?.[key];
        const at = slot * this.layout.stride + offset;
        if (value === undefined || !entity.isAlive) continue;
        if (field.type === "reference") this.refer(at, value, path);
        else field.write(value, this.#cells, at, path);
      }
    } catch (error) {
      this.remove(entity);
      throw error;
    }
    return entity;
  }

  remove(entity: unknown): boolean {
    if (!Entity.isOf(entity, this)) badValue("the entity to remove", entity, "an entity of this world");
    if (!entity.isAlive) return false;
    const { slot } = entity;
    const { stride } = this.layout;
    const start = slot * stride;
    const tag = this.#kinds[slot] ?? 0;
    for (const offset of this.schema.kinds[tag - 1]?.references ?? []) this.#name(start + offset, 0);
    if ((this.#referrers[slot] ?? 0) > 0) this.#forget(slot);
    this.#cells.fill(0, start, start + stride);
    this.#kinds[slot] = 0;
    this.#size--;
    this.#free = Math.min(this.#free, slot);
    while (this.#end > 0 && this.#kinds[this.#end - 1] === 0) this.#end--;
    return true;
  }

  refer(index: number, target: unknown, name: string): void {
    if (target !== undefined && !Entity.isOf(target, this)) {
      badValue(name, target, "an entity of the same world, and undefined");
    }
    this.#name(index, target?.isAlive === true ? target.slot + 1 : 0);
  }

  copyFrom(rows: Rows): void {
    checkSameGame(this.schema, rows);
    if (rows.end > this.maxEntities) this.#full(rows.end);
    this.#reserve(rows.end);
    const { stride } = this.layout;
    copy(rows.kinds, this.#kinds, rows.end);
    copy(rows.cells, this.#cells, rows.end * stride);
    // Also of slots that are free now: what is added there next is the same entity in both.
    copy(rows.generations, this.#generations, rows.generations.length);
    this.#end = rows.end;
    this.#free = 0;
    this.#size = 0;
    this.#referrers.fill(0);
    for (let slot = 0; slot < this.#end; slot++) {
      const tag = this.#kinds[slot] ?? 0;
      if (tag === 0) continue;
      this.#size++;
      for (const offset of this.schema.kinds[tag - 1]?.references ?? []) {
        const index = slot * stride + offset;
        const target = this.#cells[index] ?? 0;
        if (target === 0) continue;
        // Whom it named is not among these rows. Who takes that slot later is another one.
        if ((this.#kinds[target - 1] ?? 0) === 0) this.#cells[index] = 0;
        else this.#referrers[target - 1] = (this.#referrers[target - 1] ?? 0) + 1;
      }
    }
  }

  copyTo(world: WorldTable): void {
    world.copyFrom(this);
  }

  /** Takes the lowest free slot, so that which one follows from the rows alone. */
  #take(kind: CompiledKind): number {
    let slot = this.#free;
    while (slot < this.#end && this.#kinds[slot] !== 0) slot++;
    if (slot >= this.maxEntities) this.#full(slot + 1);
    this.#reserve(slot + 1);
    this.#free = slot + 1;
    this.#end = Math.max(this.#end, slot + 1);
    this.#size++;
    this.#kinds[slot] = kind.tag;
    this.#generations[slot] = (this.#generations[slot] ?? 0) + 1;
    const start = slot * this.layout.stride;
    for (let index = 0; index < kind.initial.length; index++) {
      this.#cells[start + index] = kind.initial[index] ?? 0;
    }
    return slot;
  }

  #full(entities: number): never {
    throw new RoomError(
      "limit_reached",
      `there would be ${entities} entities; allowed: maxEntities, which is ${this.maxEntities}`,
    );
  }

  /** Makes room for so many rows. */
  #reserve(rows: number): void {
    let capacity = this.#kinds.length;
    if (rows <= capacity) return;
    while (capacity < rows) capacity *= 2;
    capacity = Math.min(capacity, this.maxEntities);
    this.#kinds = grown(this.#kinds, new Uint8Array(capacity));
    this.#generations = grown(this.#generations, new Uint32Array(capacity));
    this.#cells = grown(this.#cells, new Int32Array(capacity * this.layout.stride));
    this.#referrers = grown(this.#referrers, new Uint32Array(capacity));
  }

  /** Writes a reference: a slot plus 1, or 0. */
  #name(index: number, target: number): void {
    const before = this.#cells[index] ?? 0;
    if (before !== 0) this.#referrers[before - 1] = (this.#referrers[before - 1] ?? 0) - 1;
    if (target !== 0) this.#referrers[target - 1] = (this.#referrers[target - 1] ?? 0) + 1;
    this.#cells[index] = target;
  }

  /** Clears whatever names this slot. */
  #forget(slot: number): void {
    for (let other = 0; other < this.#end && (this.#referrers[slot] ?? 0) > 0; other++) {
      const tag = this.#kinds[other] ?? 0;
      for (const offset of this.schema.kinds[tag - 1]?.references ?? []) {
        const index = other * this.layout.stride + offset;
        if (this.#cells[index] === slot + 1) this.#name(index, 0);
      }
    }
  }
}

type Numbers = Uint8Array | Uint32Array | Int32Array;

function grown<T extends Numbers>(from: T, into: T): T {
  into.set(from);
  return into;
}

/** The first `length` numbers, as far as there is room, and then nothing but 0. */
function copy(from: Numbers, into: Numbers, length: number): void {
  const end = Math.min(length, from.length, into.length);
  into.set(end === from.length ? from : from.subarray(0, end));
  into.fill(0, end);
}
