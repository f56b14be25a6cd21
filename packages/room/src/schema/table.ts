import { RoomError, shown } from "../contracts/errors.ts";
import type { Layout } from "../contracts/layout.ts";
import type { Rows } from "../contracts/rows.ts";
import type { CompiledKind, Schema } from "./compile.ts";
import type { Entity, Owner } from "./entity.ts";
import type { Cells } from "./field.ts";

/** What a world and a frame have in common: entities by slot and by kind. */
export abstract class Table implements Owner {
  abstract readonly end: number;
  abstract readonly kinds: Uint8Array;
  abstract readonly generations: Uint32Array;
  abstract readonly cells: Cells;
  abstract readonly writable: Int32Array | undefined;
  protected readonly schema: Schema;
  /** By slot, those that were asked for. */
  protected readonly entities: (Entity | undefined)[] = [];

  constructor(schema: Schema) {
    this.schema = schema;
  }

  abstract refer(index: number, target: unknown, name: string): void;

  get layout(): Layout {
    return this.schema.layout;
  }

  get(slot: number): Entity | undefined {
    const tag = slot < this.end ? this.kinds[slot] : 0;
    if (tag === undefined || tag === 0) return undefined;
    const known = this.entities[slot];
    if (known?.isAlive === true) return known;
    const kind = this.schema.kinds[tag - 1];
    if (kind === undefined) return undefined;
    const entity = new kind.Entity(this, slot, slot * this.layout.stride);
    this.entities[slot] = entity;
    return entity;
  }

  all(kind: string): Iterable<Entity> {
    return new OfKind(this, this.kindNamed(kind).tag);
  }

  protected kindNamed(name: unknown): CompiledKind {
    const kind = this.schema.byName.get(name as string);
    if (kind !== undefined) return kind;
    const names = [...this.schema.byName.keys()].join(", ");
    throw new RoomError("unknown_kind", `${shown(name)} is no kind of this game; allowed: ${names}`);
  }
}

/** What `Frame` of `types.ts` says, without its types. */
export class FrameTable extends Table {
  readonly rows: Rows<Cells>;
  readonly writable = undefined;

  constructor(schema: Schema, rows: Rows<Cells>) {
    super(schema);
    checkSameGame(schema, rows);
    this.rows = rows;
  }

  get end(): number {
    return this.rows.end;
  }

  get kinds(): Uint8Array {
    return this.rows.kinds;
  }

  get generations(): Uint32Array {
    return this.rows.generations;
  }

  get cells(): Cells {
    return this.rows.cells;
  }

  refer(_index: number, _target: unknown, name: string): never {
    throw new RoomError("read_only", `${name} is of a frame, which is shown; write to that of the world`);
  }
}

/** Throws where rows are not of this game. */
export function checkSameGame({ layout }: Schema, rows: Rows<Cells>): void {
  if (rows.layout.hash === layout.hash) return;
  throw new RoomError(
    "other_schema",
    `these rows are of a schema with the hash ${rows.layout.hash}; allowed: ${layout.hash}, that of this game`,
  );
}

/** One walk over the slots; what it returns for each step is itself, so that a step allocates nothing. */
class OfKind implements IterableIterator<Entity, undefined> {
  readonly #table: Table;
  readonly #tag: number;
  readonly #end: number;
  #slot = 0;
  done = false;
  value: Entity | undefined;

  constructor(table: Table, tag: number) {
    this.#table = table;
    this.#tag = tag;
    this.#end = table.end;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<Entity, undefined> {
    const { kinds } = this.#table;
    while (this.#slot < this.#end) {
      const slot = this.#slot++;
      if (kinds[slot] !== this.#tag) continue;
      this.value = this.#table.get(slot);
      return this as IteratorResult<Entity, undefined>;
    }
    this.done = true;
    this.value = undefined;
    return this as IteratorResult<Entity, undefined>;
  }
}
