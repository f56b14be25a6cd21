import { refuse } from "../contracts/errors.ts";
import type { Rows } from "../contracts/rows.ts";
import type { CompiledKind, Schema } from "./compile.ts";
import { badValue, writeFields } from "./field.ts";
import { checkSameGame, namesOf, Table } from "./table.ts";
import { View } from "./view.ts";

const DEFAULT_MAX_ENTITIES = 1_024;
const MOST_ENTITIES = 65_535;
const FIRST_CAPACITY = 8;
const NONE: readonly number[] = [];

/** What `World` of `types.ts` says, without its types. */
export class WorldTable extends Table implements Rows {
  readonly maxEntities: number;
  readonly isReadOnly = false;
  // Plain properties: each access to a field of an entity reads most of them.
  end = 0;
  size = 0;
  kinds: Uint8Array;
  generations: Uint32Array;
  cells: Int32Array;
  /** No slot below is free. */
  #free = 0;
  /** By slot: how many cells name it. Where none does, removing it needs no look at the others. */
  #referrers: Uint32Array;

  constructor(
    schema: Schema,
    { maxEntities = DEFAULT_MAX_ENTITIES }: { readonly maxEntities?: number } = {},
  ) {
    super(schema);
    if (!Number.isInteger(maxEntities) || maxEntities < 1 || maxEntities > MOST_ENTITIES)
      refuse("invalid_option", "maxEntities", maxEntities, `integers from 1 to ${MOST_ENTITIES}`);
    this.maxEntities = maxEntities;
    const capacity = Math.min(FIRST_CAPACITY, maxEntities);
    this.kinds = new Uint8Array(capacity);
    this.generations = new Uint32Array(capacity);
    this.cells = new Int32Array(capacity * schema.layout.stride);
    this.#referrers = new Uint32Array(capacity);
  }

  add(name: string, values: object = {}): View {
    const index = this.kindIndex(name);
    const kind = this.schema.kinds[index] as CompiledKind;
    for (const key in values) {
      if (kind.fields.some((field) => field.name === key)) continue;
      refuse("unknown_field", `a field of ${name}`, key, namesOf(kind.fields));
    }
    const slot = this.#take(index + 1);
    const start = slot * this.layout.stride;
    this.cells.set(kind.initial, start);
    const entity = this.get(slot) as View;
    try {
      writeFields(kind.fields, values, this.cells, start, name, this);
    } catch (error) {
      this.remove(entity);
      throw error;
    }
    return entity;
  }

  remove(entity: unknown): boolean {
    const row = View.rowOf(entity);
    if (row?.owner !== this) badValue("what to remove", entity, "an entity of this world");
    if (!row.isAlive) return false;
    const { slot, start } = row;
    for (const offset of this.#referencesOf(slot)) this.#name(start + offset, 0);
    for (let other = 0; other < this.end && (this.#referrers[slot] ?? 0) > 0; other++) {
      for (const offset of this.#referencesOf(other)) {
        const index = other * this.layout.stride + offset;
        if (this.cells[index] === slot + 1) this.#name(index, 0);
      }
    }
    this.cells.fill(0, start, start + this.layout.stride);
    this.kinds[slot] = 0;
    this.size--;
    this.#free = Math.min(this.#free, slot);
    while (this.end > 0 && this.kinds[this.end - 1] === 0) this.end--;
    return true;
  }

  refer(index: number, target: unknown): string | undefined {
    const row = View.rowOf(target);
    if (target !== undefined && row?.owner !== this) return "entities of the same world, undefined";
    this.#name(index, row?.isAlive === true ? row.slot + 1 : 0);
  }

  copyFrom(rows: Rows): void {
    checkSameGame(this.schema, rows);
    if (rows.end > this.maxEntities) this.#full(rows.end);
    // Also for slots that are free now: what is added there next is the same entity in both.
    this.#reserve(Math.max(rows.end, Math.min(rows.generations.length, this.maxEntities)));
    const { stride } = this.layout;
    copy(rows.kinds, this.kinds, rows.end);
    copy(rows.cells, this.cells, rows.end * stride);
    copy(rows.generations, this.generations, rows.generations.length);
    this.end = rows.end;
    this.#free = 0;
    this.size = 0;
    this.#referrers.fill(0);
    for (let slot = 0; slot < this.end; slot++) {
      if (this.kinds[slot] !== 0) this.size++;
      for (const offset of this.#referencesOf(slot)) {
        const index = slot * stride + offset;
        const target = this.cells[index] ?? 0;
        // Whom it names may not be among these rows. Who takes that slot later is another one.
        this.cells[index] = 0;
        this.#name(index, target > 0 && (this.kinds[target - 1] ?? 0) > 0 ? target : 0);
      }
    }
  }

  copyTo(world: WorldTable): void {
    world.copyFrom(this);
  }

  /** Takes the lowest free slot, so that which one follows from the rows alone. */
  #take(kind: number): number {
    let slot = this.#free;
    while (slot < this.end && this.kinds[slot] !== 0) slot++;
    if (slot >= this.maxEntities) this.#full(slot + 1);
    this.#reserve(slot + 1);
    this.#free = slot + 1;
    this.end = Math.max(this.end, slot + 1);
    this.size++;
    this.kinds[slot] = kind;
    this.generations[slot] = (this.generations[slot] ?? 0) + 1;
    return slot;
  }

  /** Where in its row what is in this slot has references. */
  #referencesOf(slot: number): readonly number[] {
    return this.schema.kinds[(this.kinds[slot] ?? 0) - 1]?.references ?? NONE;
  }

  #full(entities: number): never {
    refuse("limit_reached", "the number of slots", entities, `maxEntities, which is ${this.maxEntities}`);
  }

  /** Makes room for so many rows. */
  #reserve(rows: number): void {
    let capacity = this.kinds.length;
    if (rows <= capacity) return;
    while (capacity < rows) capacity *= 2;
    capacity = Math.min(capacity, this.maxEntities);
    this.kinds = grown(this.kinds, new Uint8Array(capacity));
    this.generations = grown(this.generations, new Uint32Array(capacity));
    this.cells = grown(this.cells, new Int32Array(capacity * this.layout.stride));
    this.#referrers = grown(this.#referrers, new Uint32Array(capacity));
  }

  /** Writes a reference: a slot plus 1, or 0. */
  #name(index: number, target: number): void {
    const before = this.cells[index] ?? 0;
    if (before !== 0) this.#referrers[before - 1] = (this.#referrers[before - 1] ?? 0) - 1;
    if (target !== 0) this.#referrers[target - 1] = (this.#referrers[target - 1] ?? 0) + 1;
    this.cells[index] = target;
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
