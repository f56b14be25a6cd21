import { refuse } from "../contracts/errors.ts";
import type { Layout } from "../contracts/layout.ts";
import type { Rows } from "../contracts/rows.ts";
import type { Schema } from "./compile.ts";
import { type Cells, type Owner, Row } from "./row.ts";
import type { View } from "./view.ts";

/** What a world and a frame have in common: entities by slot and by kind. */
export abstract class Table implements Owner {
  abstract readonly end: number;
  abstract readonly kinds: Uint8Array;
  abstract readonly generations: Uint32Array;
  abstract readonly cells: Cells;
  abstract readonly isReadOnly: boolean;
  readonly schema: Schema;
  readonly layout: Layout;
  /** By slot, those that were asked for. */
  readonly #entities: (View | undefined)[] = [];

  constructor(schema: Schema) {
    this.schema = schema;
    this.layout = schema.layout;
  }

  abstract refer(index: number, target: unknown): string | undefined;

  get(slot: number): View | undefined {
    const known = this.#entities[slot];
    if (known?.isAlive === true) return known;
    const index = slot < this.end ? (this.kinds[slot] ?? 0) - 1 : -1;
    const kind = this.schema.kinds[index];
    if (kind === undefined) return undefined;
    const row = new Row(this, slot, slot * this.layout.stride);
    return (this.#entities[slot] = new kind.Entity(row, kind.name));
  }

  all(kind: string): Iterable<View> {
    return new OfKind(this, this.kindIndex(kind) + 1);
  }

  protected kindIndex(name: unknown): number {
    const { kinds } = this.schema;
    const index = kinds.findIndex((kind) => kind.name === name);
    if (index >= 0) return index;
    refuse("unknown_kind", "the kind", name, namesOf(kinds));
  }
}

/** What `Frame` of `types.ts` says, without its types. */
export class FrameTable extends Table {
  readonly rows: Rows<Cells>;
  readonly isReadOnly = true;

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

  /** Its rows are not written, so this is not reached. */
  refer(): undefined {}
}

/** Throws where rows are not of this game. */
export function checkSameGame({ layout }: Schema, rows: Rows<Cells>): void {
  const { hash } = rows.layout;
  if (hash === layout.hash) return;
  refuse("other_schema", "the hash of these rows", hash, `${layout.hash}, that of this game`);
}

/** For a message. */
export function namesOf(named: readonly { readonly name: string }[]): string {
  return named.map(({ name }) => name).join(", ");
}

/** One walk over the slots. What a step returns is the walk itself, so that it allocates nothing. */
class OfKind implements IterableIterator<View, undefined> {
  readonly #table: Table;
  readonly #kind: number;
  readonly #end: number;
  #slot = 0;
  done = false;
  value: View | undefined;

  constructor(table: Table, kind: number) {
    this.#table = table;
    this.#kind = kind;
    this.#end = table.end;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<View, undefined> {
    const table = this.#table;
    while (this.#slot < this.#end && table.kinds[this.#slot] !== this.#kind) this.#slot++;
    // What follows the last of them is `undefined`.
    this.done = this.#slot >= this.#end;
    this.value = this.done ? undefined : table.get(this.#slot++);
    return this as IteratorResult<View, undefined>;
  }
}
